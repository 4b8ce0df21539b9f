// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/lock_holder.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <cstdio>
#include <limits>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::agent {

// "1: FLOCK  ADVISORY  WRITE 4711 08:01:131074 0 EOF"
std::optional<pid_t> ParseLockHolder(std::string_view locks,
                                     std::string_view file) {
  for (const std::string_view line : Split(locks, '\n')) {
    std::array<std::string_view, 6> words;
    std::size_t n = 0;
    for (const std::string_view word : Split(line, ' ')) {
      if (!word.empty() && n < words.size()) words[n++] = word;
    }
    if (n < words.size() || words[1] != "FLOCK" || words[5] != file) continue;
    const auto pid = ParseInt(words[4]);
    if (pid && *pid > 0 && *pid <= std::numeric_limits<pid_t>::max())
      return static_cast<pid_t>(*pid);
  }
  return std::nullopt;
}

std::optional<pid_t> LockHolder(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return std::nullopt;
  const auto locks = ReadFile("/proc/locks");
  if (!locks.ok()) return std::nullopt;
  std::array<char, 64> file{};
  (void)std::snprintf(file.data(), file.size(), "%02x:%02x:%llu",
                      major(st.st_dev), minor(st.st_dev),
                      static_cast<unsigned long long>(st.st_ino));
  return ParseLockHolder(*locks, file.data());
}

}  // namespace fodc::agent
