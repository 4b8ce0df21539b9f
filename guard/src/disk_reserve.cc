// SPDX-License-Identifier: Apache-2.0
#include "disk_reserve.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "fodc/base/strings.h"

namespace fodc::guard {

Status DiskReserve::Hold(const std::string& directory, std::size_t bytes) {
  UniqueFd fd(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd.ok()) return ErrnoStatus(errno, "unlinked file in " + directory);
  // Beyond the limit the kernel would send SIGXFSZ.
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0) {
    bytes = std::min<std::size_t>(bytes, limit.rlim_cur);
  }
  struct stat st {};
  if (::fallocate(fd.get(), 0, 0, static_cast<off_t>(bytes)) != 0 ||
      ::fstat(fd.get(), &st) != 0) {
    return ErrnoStatus(errno, StrCat(bytes, " bytes in ", directory));
  }
  device_ = st.st_dev;
  inode_ = st.st_ino;
  fd_ = std::move(fd);
  return OkStatus();
}

void DiskReserve::Release() {
  if (!fd_.ok()) return;
  // A host that closes all descriptors (as a daemon does) may have opened a
  // file of its own with this number since.
  struct stat st {};
  if (::fstat(fd_.get(), &st) != 0 || st.st_dev != device_ ||
      st.st_ino != inode_) {
    (void)fd_.release();
    return;
  }
  // Not by close alone: a forked child may have the file open too.
  (void)::ftruncate(fd_.get(), 0);
  fd_.reset();
}

}  // namespace fodc::guard
