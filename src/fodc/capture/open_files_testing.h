// SPDX-License-Identifier: Apache-2.0
// For tests: which files this process has open.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

namespace fodc::capture {

// `path` as /proc/self/fd tells it: "… (deleted)" behind a name that is gone.
inline bool IsOpen(const std::string& path) {
  std::error_code error;
  for (const auto& fd :
       std::filesystem::directory_iterator("/proc/self/fd", error)) {
    if (std::filesystem::read_symlink(fd.path(), error) == path) return true;
  }
  return false;
}

}  // namespace fodc::capture
