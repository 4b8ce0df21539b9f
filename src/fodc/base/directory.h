// SPDX-License-Identifier: Apache-2.0
// A directory held by its descriptor, and the names directly in it. What is
// renamed or replaced above it leads nowhere else, and nothing below it that is
// a symbolic link is followed.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc {

// openat(2) of one name directly in the directory `dir`, close-on-exec, by
// openat2(2): no link of any kind is followed, no mount point is crossed. Where
// the kernel has no openat2, or a sandbox refuses it, by openat with
// O_NOFOLLOW, which does cross mount points (`by_openat2` false: so at once,
// for tests). `flags` and `mode` as for open(2).
// Errors: kInvalidArgument for a name that is empty, ".", "..", or holds a '/'
// or a NUL, and for a symbolic link; otherwise as open(2).
Result<UniqueFd> OpenIn(int dir, std::string_view name, int flags,
                        unsigned mode = 0, bool by_openat2 = true);

// Every function blocks as long as the disk does. Names are as for OpenIn, and
// so are errors, which say the path. Thread-safe: it holds no state but its
// descriptor.
class Directory {
 public:
  // Follows links on the way to it: the operator names it.
  static Result<Directory> Open(const std::string& path);

  // One directly in this one.
  Result<Directory> OpenDirectory(std::string_view name) const;
  // A regular file, for reading. Does not wait for a FIFO's other end.
  // Errors: kInvalidArgument if it is of another kind.
  Result<UniqueFd> OpenFile(std::string_view name) const;
  // A file that is not there yet, for writing. Errors: kAlreadyExists.
  Result<UniqueFd> CreateFile(std::string_view name,
                              unsigned mode = 0600) const;
  // The whole of a regular file. Errors: kResourceExhausted beyond `max_bytes`.
  Result<std::string> ReadFile(std::string_view name,
                               std::size_t max_bytes) const;
  // As fodc::WriteFileAtomically; it is written as `name` + ".tmp", which is
  // replaced if there is one, and removed after an error.
  Status WriteFileAtomically(std::string_view name, std::string_view bytes,
                             unsigned mode = 0600) const;

  // Errors: kAlreadyExists.
  Status MakeDirectory(std::string_view name, unsigned mode = 0750) const;
  // Within this directory; replaces what is there.
  Status Rename(std::string_view from, std::string_view to) const;
  // Each gets the other's name, at once; both are there. Errors: as
  // renameat2(2); kInvalidArgument where the file system cannot.
  Status Exchange(std::string_view a, std::string_view b) const;
  // A file or link, not what it leads to. One that is not there is success.
  Status RemoveFile(std::string_view name) const;
  // An empty directory. One that is not there is success.
  Status RemoveDirectory(std::string_view name) const;

  // Without following a link.
  Result<struct stat> Stat(std::string_view name) const;
  // Without "." and "..", in no order. Stops after `max` names.
  Result<std::vector<std::string>> List(std::size_t max) const;
  // fsync: the names in it survive.
  Status Sync() const;
  // What the file system still gives to those who are not root.
  Result<std::uint64_t> FreeBytes() const;
  // Whether it has lost its name: nothing can be made in it any more.
  bool is_removed() const;

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

 private:
  Directory(UniqueFd fd, std::string path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  UniqueFd fd_;
  std::string path_;  // as it was opened; for errors
};

}  // namespace fodc
