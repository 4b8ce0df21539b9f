// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/reading.h"

namespace fodc::kernel {
namespace {

template <std::size_t n, typename Enum>
std::string_view NameOf(const std::array<std::string_view, n>& names, Enum e) {
  const auto at = static_cast<std::size_t>(e);
  return at < n ? names[at] : std::string_view("unknown");
}

}  // namespace

std::string_view FamilyName(Family family) {
  static constexpr std::array<std::string_view, kFamilies> kNames = {
      "read",   "write", "cache", "policy", "memory",
      "faults", "block", "sched", "death"};
  return NameOf(kNames, family);
}

std::string_view FileKindName(FileKind kind) {
  static constexpr std::array<std::string_view, kFileKinds> kNames = {
      "file", "socket", "pipe", "other"};
  return NameOf(kNames, kind);
}

std::string_view ErrorClassName(ErrorClass error) {
  static constexpr std::array<std::string_view, kErrorClasses> kNames = {
      "again", "interrupted", "io", "no_memory", "bad_call", "other"};
  return NameOf(kNames, error);
}

std::string_view SyncCallName(SyncCall call) {
  static constexpr std::array<std::string_view, kSyncCalls> kNames = {
      "fsync", "fdatasync", "sync_file_range"};
  return NameOf(kNames, call);
}

std::string_view AdviceName(Advice advice) {
  static constexpr std::array<std::string_view, kAdvices> kNames = {
      "normal", "random", "sequential", "willneed", "dontneed", "noreuse"};
  return NameOf(kNames, advice);
}

std::string_view BlockOperationName(BlockOperation operation) {
  static constexpr std::array<std::string_view, kBlockOperations> kNames = {
      "read", "write", "other"};
  return NameOf(kNames, operation);
}

std::string_view LossName(Loss loss) {
  static constexpr std::array<std::string_view, kLosses> kNames = {
      "map_full", "no_exit", "ring_full"};
  return NameOf(kNames, loss);
}

void CallReading::Add(const CallReading& other) {
  latency.Add(other.latency);
  bytes += other.bytes;
}

CallReading ReadReading::OfCall(ReadCall call) const {
  CallReading sum;
  for (const CallReading& kind : calls[static_cast<std::size_t>(call)]) {
    sum.Add(kind);
  }
  return sum;
}

CallReading ReadReading::OfKind(FileKind kind) const {
  CallReading sum;
  for (const auto& call : calls) sum.Add(call[static_cast<std::size_t>(kind)]);
  return sum;
}

}  // namespace fodc::kernel
