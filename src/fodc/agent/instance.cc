// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/instance.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>

#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

constexpr std::uint64_t kRandomBits = 16;
constexpr std::string_view kName = "instance-id";

std::string FormatUuid(std::uint64_t high, std::uint64_t low) {
  // Version 4, variant 1: what others expect of a UUID.
  high = (high & ~0xf000ull) | 0x4000ull;
  low = (low & ~(0xc0ull << 56)) | (0x80ull << 56);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) text += '-';
    const std::uint64_t half = i < 16 ? high : low;
    text += kHex[(half >> (60 - 4 * (i % 16))) & 15];
  }
  return text;
}

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

// FNV-1a with a final mix (that of MurmurHash3): names, not secrets.
std::uint64_t Hash(std::string_view text, std::uint64_t seed) {
  std::uint64_t h = 0xcbf29ce484222325ull ^ seed;
  for (const char c : text) {
    h ^= static_cast<unsigned char>(c);
    h *= 0x100000001b3ull;
  }
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdull;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53ull;
  return h ^ (h >> 33);
}

std::uint64_t Random64() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

// A line with the id, then the name of the pod that wrote it.
struct Kept {
  std::string id;
  std::string pod;  // empty: not said
};

std::string PathIn(const std::string& recorder_dir) {
  return StrCat(recorder_dir, "/", kName);
}

// What another program wrote there is named in `damage` (if given) and is none.
Kept ReadKept(const std::string& path, std::string* damage = nullptr) {
  const auto text = ReadFile(path, 4096);
  if (!text.ok()) {
    if (damage != nullptr && text.status().code() != Code::kNotFound)
      *damage = text.status().message();
    return {};
  }
  const std::size_t end = std::min(text->find('\n'), text->size());
  std::string id(Trim(text->substr(0, end)));
  if (!IsUuid(id)) {
    if (damage != nullptr) *damage = "it does not begin with a UUID";
    return {};
  }
  return {.id = std::move(id), .pod = std::string(Trim(text->substr(end)))};
}

}  // namespace

void RemoveUnfinished(const std::string& directory, std::string_view name) {
  const auto names = ListDirectory(directory);
  if (!names.ok()) return;
  const std::string prefix = StrCat(name, ".tmp-");
  for (const std::string& found : *names) {
    if (found.starts_with(prefix))
      (void)::unlink(StrCat(directory, "/", found).c_str());
  }
}

std::string HostName() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return ToValidUtf8(name.data());
}

std::string BootId() { return ReadBootId("/proc").value_or(""); }

std::string KeptPodName(const std::string& recorder_dir) {
  return ReadKept(PathIn(recorder_dir)).pod;
}

Status KeepInstanceId(const std::string& recorder_dir, std::string_view id,
                      std::string_view pod_name) {
  const std::string path = PathIn(recorder_dir);
  const std::string_view pod = Trim(pod_name);
  const Kept kept = ReadKept(path);
  RemoveUnfinished(recorder_dir, kName);
  if (kept.id == id && kept.pod == pod) return {};
  FODC_RETURN_IF_ERROR(MakeDirectories(recorder_dir));
  return WriteFileAtomically(path, StrCat(id, "\n", pod, "\n"));
}

std::string InstanceId(const std::string& recorder_dir, bool is_writable,
                       std::string_view pod_name, std::string_view boot_id) {
  const std::string text = StrCat(pod_name, "\n", boot_id);
  std::string derived = FormatUuid(Hash(text, 1), Hash(text, 2));
  if (recorder_dir.empty()) return derived;

  const std::string path = PathIn(recorder_dir);
  std::string damage;
  const Kept kept = ReadKept(path, &damage);
  const bool is_ours =
      !kept.id.empty() && (kept.pod == Trim(pod_name) || kept.pod.empty());
  if (!is_writable) return is_ours ? kept.id : derived;
  if (is_ours) {
    // One may be of a version that did not say whose it is.
    KeepInstanceId(recorder_dir, kept.id, pod_name).IgnoreError();
    return kept.id;
  }
  if (!kept.id.empty()) {
    LogWarn(
        "the recorder's directory was another pod's; this agent takes an "
        "id of its own",
        {{"directory", recorder_dir},
         {"pod_name", pod_name},
         {"was_of", kept.pod}});
  } else if (!damage.empty()) {
    LogWarn("the instance's id cannot be read; this agent takes another",
            {{"path", path}, {"error", damage}});
  }
  std::string fresh = FormatUuid(Random64(), Random64());
  const Status status = KeepInstanceId(recorder_dir, fresh, pod_name);
  if (status.ok()) return fresh;
  LogInfo(
      "the instance's id cannot be kept; it will change with the machine's "
      "next boot",
      {{"path", path}, {"error", status.message()}});
  return derived;
}

recorder::Incarnation NewIncarnation(const Clock& clock,
                                     recorder::Incarnation newest_before) {
  const auto now =
      static_cast<std::uint64_t>(clock.Unix().time_since_epoch().count());
  const std::uint64_t mask = (1u << kRandomBits) - 1;
  const std::uint64_t fresh = (now & ~mask) | (Random64() & mask);
  return std::max({fresh, newest_before + 1, std::uint64_t{1}});
}

}  // namespace fodc::agent
