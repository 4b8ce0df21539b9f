// SPDX-License-Identifier: Apache-2.0
#include "dump_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>

#include <cerrno>

#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

bool IsOnDisk(int fd) {
  struct statfs s {};
  return ::fstatfs(fd, &s) == 0 && s.f_type != TMPFS_MAGIC;
}

}  // namespace

Result<UniqueFd> OpenDumpFile(const std::string& directory,
                              std::uint64_t used_bytes,
                              std::uint64_t limit_bytes) {
  UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (fd.ok() && IsOnDisk(fd.get())) return fd;
  if (used_bytes > limit_bytes / 5 * 4) {
    return Unavailable(StrCat("memory is short (", used_bytes, " of ",
                              limit_bytes, " bytes), and ", directory,
                              " is no place on disk: see TMPDIR"));
  }
  if (!fd.ok()) fd.reset(::memfd_create("fodc-heap-dump", MFD_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "make a file for a dump");
  return fd;
}

}  // namespace fodc::guard
