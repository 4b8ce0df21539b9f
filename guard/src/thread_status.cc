// SPDX-License-Identifier: Apache-2.0
#include "thread_status.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "record_buffer.h"

namespace fodc::guard {
namespace {

// Holds all that is read here, even behind the groups of a user in hundreds.
constexpr std::size_t kMaxBytes = 4096;

// /proc/self/task/<tid>/<file> into `buffer`; empty if it cannot be read.
std::string_view ReadTaskFile(pid_t tid, std::string_view file,
                              std::span<char> buffer) {
  std::array<char, 64> memory{};
  RecordBuffer path(memory.data(), memory.size() - 1);
  path.Append("/proc/self/task/");
  path.AppendUint(static_cast<std::uint64_t>(tid));
  path.Append("/");
  path.Append(file);
  const int fd = ::open(memory.data(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return {};
  const ssize_t n = ::read(fd, buffer.data(), buffer.size());
  (void)::close(fd);
  return {buffer.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
}

// What follows `key` and a tab in the line that begins with it.
std::string_view FindValue(std::string_view text, std::string_view key) {
  std::size_t at = 0;
  while (!text.substr(at).starts_with(key)) {
    at = text.find('\n', at);
    if (at++ == text.npos) return {};
  }
  text.remove_prefix(at + key.size());
  if (!text.starts_with('\t')) return {};
  text.remove_prefix(1);
  return text.substr(0, text.find('\n'));
}

template <typename T>
T ParseHex(std::string_view text) {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, 16);
  return error == std::errc() && at == end ? value : T{0};
}

}  // namespace

ThreadStatus ParseThreadStatus(std::string_view text) {
  ThreadStatus s;
  const std::string_view name = FindValue(text, "Name:");
  s.name_bytes = name.copy(s.name, sizeof(s.name));
  const std::string_view state = FindValue(text, "State:");
  if (!state.empty()) s.run_state = state.front();
  s.blocked = ParseHex<std::uint64_t>(FindValue(text, "SigBlk:"));
  return s;
}

ThreadStatus ReadThreadStatus(pid_t tid) {
  std::array<char, kMaxBytes> buffer;
  return ParseThreadStatus(ReadTaskFile(tid, "status", buffer));
}

std::uintptr_t ReadHeldAt(pid_t tid) {
  std::array<char, 256> buffer;
  std::string_view line = ReadTaskFile(tid, "syscall", buffer);
  while (line.ends_with('\n')) line.remove_suffix(1);
  const std::size_t at = line.rfind(" 0x");
  if (at == line.npos) return 0;
  return ParseHex<std::uintptr_t>(line.substr(at + 3));
}

}  // namespace fodc::guard
