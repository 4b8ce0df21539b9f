// SPDX-License-Identifier: Apache-2.0
// Files: whole reads with a bound, atomic writes. The path is part of every
// error message.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc {

inline constexpr std::size_t kDefaultMaxFileBytes = 64u << 20;

// The whole file. Also for /proc and cgroup files, whose size stat does not
// tell. Errors: as open(2) and read(2); kResourceExhausted beyond `max_bytes`.
Result<std::string> ReadFile(const std::string& path,
                             std::size_t max_bytes = kDefaultMaxFileBytes);

// As ReadFile, into `*out` (whose capacity is kept): no allocation once it is
// large enough. `*out` is empty after an error.
Status ReadFileInto(const std::string& path, std::string* out,
                    std::size_t max_bytes = kDefaultMaxFileBytes);

// Writes beside, syncs, renames into place and syncs the directory: after a
// crash the file is either the old or the new one, whole.
Status WriteFileAtomically(const std::string& path, std::string_view bytes,
                           unsigned mode = 0640);

// All of `bytes`, over short writes and EINTR. `what` names the file in errors.
Status WriteAll(int fd, std::string_view bytes, std::string_view what);

// fsync of the directory itself, so that names in it survive.
Status SyncDirectory(const std::string& path);

// mkdir -p. An existing directory is success.
Status MakeDirectories(const std::string& path, unsigned mode = 0750);

// Names in the directory, sorted, without "." and "..".
Result<std::vector<std::string>> ListDirectory(const std::string& path);

// A fresh directory under $TMPDIR or /tmp, removed with all it holds when the
// object goes. Also for programs that need a private place.
class TempDirectory {
 public:
  // Aborts if no directory can be made: nothing works then.
  explicit TempDirectory(std::string_view prefix = "fodc");
  ~TempDirectory();
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const;

 private:
  std::string path_;
};

}  // namespace fodc
