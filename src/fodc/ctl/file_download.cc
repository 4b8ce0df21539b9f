// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/file_download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::ctl {
namespace {

// Without `replace` a file of that name stays. Where the file system cannot
// see to that itself, one that comes between the look and the renaming goes.
Status Rename(const std::string& from, const std::string& to, bool replace) {
  int failed = EINVAL;
  if (!replace) {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(),
                    RENAME_NOREPLACE) == 0)
      return OkStatus();
    failed = errno;
  }
  if (!replace && failed == EINVAL) {
    struct stat info {};
    if (::lstat(to.c_str(), &info) == 0) failed = EEXIST;
  }
  if (failed == EEXIST) return AlreadyExists(to + " exists (--force replaces)");
  if (failed != EINVAL || ::rename(from.c_str(), to.c_str()) != 0)
    return ErrnoStatus(failed != EINVAL ? failed : errno, "rename to " + to);
  return OkStatus();
}

}  // namespace

Result<FileDownload> FileDownload::Begin(const std::string& directory) {
  std::string path = StrCat(directory, "/.fodcctl.XXXXXX");
  UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "create a file in " + directory);
  return FileDownload(std::move(fd), std::move(path));
}

FileDownload::FileDownload(FileDownload&& other) noexcept
    : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}

FileDownload::~FileDownload() {
  if (!path_.empty()) (void)::unlink(path_.c_str());
}

Status FileDownload::Append(std::string_view bytes) {
  return WriteAll(fd_.get(), bytes, path_);
}

Status FileDownload::Publish(const std::string& path, bool replace) {
  if (::fsync(fd_.get()) != 0) return ErrnoStatus(errno, "fsync " + path_);
  FODC_RETURN_IF_ERROR(Rename(path_, path, replace));
  const std::size_t slash = path_.rfind('/');
  const std::string directory = path_.substr(0, slash);
  path_.clear();
  return SyncDirectory(directory);
}

}  // namespace fodc::ctl
