// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc {
namespace {

Status CheckName(std::string_view name) {
  if (name.empty() || name == "." || name == ".." ||
      name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    return InvalidArgument(StrCat("\"", ToValidUtf8(name.substr(0, 64)),
                                  "\" is no name in a directory"));
  }
  return OkStatus();
}

}  // namespace

Result<UniqueFd> OpenIn(int dir, std::string_view name, int flags,
                        unsigned mode, bool by_openat2) {
  FODC_RETURN_IF_ERROR(CheckName(name));
  const std::string path(name);
  flags |= O_CLOEXEC | O_NOFOLLOW;
  int fd = -1;
  if (by_openat2) {
    struct open_how how {};
    how.flags = static_cast<std::uint64_t>(flags);
    how.mode = mode;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
                  RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
    fd = static_cast<int>(
        ::syscall(SYS_openat2, dir, path.c_str(), &how, sizeof(how)));
  }
  // A sandbox that does not know the call says EPERM.
  if (!by_openat2 || (fd < 0 && (errno == ENOSYS || errno == EPERM)))
    fd = ::openat(dir, path.c_str(), flags, mode);
  if (fd >= 0) return UniqueFd(fd);
  const int err = errno;
  struct stat st {};
  // ELOOP; ENOTDIR with O_DIRECTORY.
  if ((err == ELOOP || err == ENOTDIR) &&
      ::fstatat(dir, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
      S_ISLNK(st.st_mode)) {
    return InvalidArgument("open " + path + ": it is a symbolic link");
  }
  return ErrnoStatus(err, "open " + path);
}

Result<Directory> Directory::Open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + path);
  return Directory(std::move(fd), path);
}

Result<Directory> Directory::OpenDirectory(std::string_view name) const {
  auto fd = OpenIn(fd_.get(), name, O_RDONLY | O_DIRECTORY);
  if (!fd.ok()) return fd.status().WithContext(path_);
  return Directory(*std::move(fd), StrCat(path_, "/", name));
}

Result<UniqueFd> Directory::OpenFile(std::string_view name) const {
  auto fd = OpenIn(fd_.get(), name, O_RDONLY | O_NONBLOCK);
  if (!fd.ok()) return fd.status().WithContext(path_);
  struct stat st {};
  if (::fstat(fd->get(), &st) != 0)
    return ErrnoStatus(errno, StrCat("stat ", path_, "/", name));
  if (!S_ISREG(st.st_mode))
    return InvalidArgument(StrCat(path_, "/", name, " is no regular file"));
  return fd;
}

Result<UniqueFd> Directory::CreateFile(std::string_view name,
                                       unsigned mode) const {
  return OpenIn(fd_.get(), name, O_WRONLY | O_CREAT | O_EXCL, mode)
      .WithContext(path_);
}

Result<std::string> Directory::ReadFile(std::string_view name,
                                        std::size_t max_bytes) const {
  FODC_ASSIGN_OR_RETURN(const UniqueFd fd, OpenFile(name));
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, StrCat("read ", path_, "/", name));
    if (n == 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
    if (text.size() > max_bytes) {
      return ResourceExhausted(StrCat(path_, "/", name,
                                      " is larger than the limit of ",
                                      max_bytes, " bytes"));
    }
  }
}

Status Directory::WriteFileAtomically(std::string_view name,
                                      std::string_view bytes,
                                      unsigned mode) const {
  const std::string temp = StrCat(name, ".tmp");
  FODC_RETURN_IF_ERROR(RemoveFile(temp));
  FODC_ASSIGN_OR_RETURN(const UniqueFd fd, CreateFile(temp, mode));
  const auto write = [&]() -> Status {
    const std::string what = StrCat(path_, "/", temp);
    FODC_RETURN_IF_ERROR(WriteAll(fd.get(), bytes, what));
    if (::fsync(fd.get()) != 0) return ErrnoStatus(errno, "fsync " + what);
    return Rename(temp, name);
  };
  Status status = write();
  if (!status.ok()) {
    RemoveFile(temp).IgnoreError();
    return status;
  }
  return Sync();
}

Status Directory::MakeDirectory(std::string_view name, unsigned mode) const {
  FODC_RETURN_IF_ERROR(CheckName(name));
  if (::mkdirat(fd_.get(), std::string(name).c_str(), mode) != 0)
    return ErrnoStatus(errno, StrCat("mkdir ", path_, "/", name));
  return OkStatus();
}

Status Directory::Rename(std::string_view from, std::string_view to) const {
  FODC_RETURN_IF_ERROR(CheckName(from));
  FODC_RETURN_IF_ERROR(CheckName(to));
  if (::renameat(fd_.get(), std::string(from).c_str(), fd_.get(),
                 std::string(to).c_str()) != 0) {
    return ErrnoStatus(errno, StrCat("rename ", path_, "/", from, " to ", to));
  }
  return OkStatus();
}

Status Directory::Exchange(std::string_view a, std::string_view b) const {
  FODC_RETURN_IF_ERROR(CheckName(a));
  FODC_RETURN_IF_ERROR(CheckName(b));
  if (::renameat2(fd_.get(), std::string(a).c_str(), fd_.get(),
                  std::string(b).c_str(), RENAME_EXCHANGE) != 0) {
    return ErrnoStatus(errno, StrCat("exchange ", path_, "/", a, " and ", b));
  }
  return OkStatus();
}

Status Directory::RemoveFile(std::string_view name) const {
  FODC_RETURN_IF_ERROR(CheckName(name));
  if (::unlinkat(fd_.get(), std::string(name).c_str(), 0) != 0 &&
      errno != ENOENT) {
    return ErrnoStatus(errno, StrCat("remove ", path_, "/", name));
  }
  return OkStatus();
}

Status Directory::RemoveDirectory(std::string_view name) const {
  FODC_RETURN_IF_ERROR(CheckName(name));
  if (::unlinkat(fd_.get(), std::string(name).c_str(), AT_REMOVEDIR) != 0 &&
      errno != ENOENT) {
    return ErrnoStatus(errno, StrCat("remove ", path_, "/", name));
  }
  return OkStatus();
}

Result<struct stat> Directory::Stat(std::string_view name) const {
  FODC_RETURN_IF_ERROR(CheckName(name));
  struct stat st {};
  if (::fstatat(fd_.get(), std::string(name).c_str(), &st,
                AT_SYMLINK_NOFOLLOW) != 0) {
    return ErrnoStatus(errno, StrCat("stat ", path_, "/", name));
  }
  return st;
}

Result<std::vector<std::string>> Directory::List(std::size_t max) const {
  // A descriptor of its own: the position in a shared one is shared.
  UniqueFd own(::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!own.ok()) return ErrnoStatus(errno, "open " + path_);
  struct Close {
    void operator()(DIR* d) const { (void)::closedir(d); }
  };
  const std::unique_ptr<DIR, Close> dir(::fdopendir(own.get()));
  if (dir == nullptr) return ErrnoStatus(errno, "open " + path_);
  (void)own.release();
  std::vector<std::string> names;
  errno = 0;
  while (names.size() < max) {
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): safe on distinct streams (glibc)
    const dirent* e = ::readdir(dir.get());
    if (e == nullptr) break;
    const std::string_view name = e->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return ErrnoStatus(errno, "read " + path_);
  return names;
}

Status Directory::Sync() const {
  if (::fsync(fd_.get()) != 0) return ErrnoStatus(errno, "fsync " + path_);
  return OkStatus();
}

Result<std::uint64_t> Directory::FreeBytes() const {
  struct statvfs fs {};
  if (::fstatvfs(fd_.get(), &fs) != 0)
    return ErrnoStatus(errno, "statvfs " + path_);
  return std::uint64_t{fs.f_bavail} * fs.f_frsize;
}

bool Directory::is_removed() const {
  struct stat st {};
  return ::fstat(fd_.get(), &st) != 0 || st.st_nlink == 0;
}

}  // namespace fodc
