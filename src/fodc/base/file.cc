// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>

#include "fodc/base/strings.h"

namespace fodc {
namespace {

std::string ParentOf(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

Status ReadFileInto(const std::string& path, std::string* out,
                    std::size_t max_bytes) {
  out->clear();
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + path);
  std::size_t used = 0;
  out->resize(std::max<std::size_t>(out->capacity(), 512));
  for (;;) {
    if (used == out->size()) out->resize(used * 2);
    const ssize_t n = ::read(fd.get(), out->data() + used, out->size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const int err = errno;
      out->clear();
      return ErrnoStatus(err, "read " + path);
    }
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
    if (used > max_bytes) {
      out->clear();
      return ResourceExhausted(
          StrCat(path, " is larger than the limit of ", max_bytes, " bytes"));
    }
  }
  out->resize(used);
  return OkStatus();
}

Result<std::string> ReadFile(const std::string& path, std::size_t max_bytes) {
  std::string text;
  FODC_RETURN_IF_ERROR(ReadFileInto(path, &text, max_bytes));
  return text;
}

Status WriteAll(int fd, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoStatus(errno, StrCat("write ", what));
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return OkStatus();
}

Status SyncDirectory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "open " + path);
  if (::fsync(fd.get()) != 0) return ErrnoStatus(errno, "fsync " + path);
  return OkStatus();
}

Status WriteFileAtomically(const std::string& path, std::string_view bytes,
                           unsigned mode) {
  std::string temp = path + ".tmp-XXXXXX";
  UniqueFd fd(::mkostemp(temp.data(), O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "create " + temp);
  const auto write = [&]() -> Status {
    FODC_RETURN_IF_ERROR(WriteAll(fd.get(), bytes, temp));
    if (::fchmod(fd.get(), mode) != 0)
      return ErrnoStatus(errno, "chmod " + temp);
    if (::fsync(fd.get()) != 0) return ErrnoStatus(errno, "fsync " + temp);
    if (::rename(temp.c_str(), path.c_str()) != 0)
      return ErrnoStatus(errno, "rename " + temp + " to " + path);
    return OkStatus();
  };
  Status status = write();
  if (!status.ok()) {
    (void)::unlink(temp.c_str());
    return status;
  }
  return SyncDirectory(ParentOf(path));
}

Status MakeDirectories(const std::string& path, unsigned mode) {
  const std::string parent = ParentOf(path);
  // Its name is to survive what its files survive; that one may search the
  // parent but not read it does not make the directory useless.
  const auto created = [&parent] {
    SyncDirectory(parent).IgnoreError();
    return OkStatus();
  };
  if (::mkdir(path.c_str(), mode) == 0) return created();
  const int err = errno;
  struct stat st {};
  if (err == EEXIST && ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) {
    return OkStatus();
  }
  if (err == EEXIST) return InvalidArgument(path + " is not a directory");
  if ((err == ENOENT || err == ENOTDIR) && parent != path && parent != ".") {
    FODC_RETURN_IF_ERROR(MakeDirectories(parent, mode));
    if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
      return ErrnoStatus(errno, "mkdir " + path);
    }
    return created();
  }
  return ErrnoStatus(err, "mkdir " + path);
}

Result<std::vector<std::string>> ListDirectory(const std::string& path) {
  struct Close {
    void operator()(DIR* d) const { (void)::closedir(d); }
  };
  const std::unique_ptr<DIR, Close> dir(::opendir(path.c_str()));
  if (dir == nullptr) return ErrnoStatus(errno, "open " + path);
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): safe on distinct streams (glibc)
    const dirent* e = ::readdir(dir.get());
    if (e == nullptr) break;
    const std::string_view name = e->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return ErrnoStatus(errno, "read " + path);
  std::sort(names.begin(), names.end());
  return names;
}

TempDirectory::TempDirectory(std::string_view prefix) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody calls setenv
  const char* base = std::getenv("TMPDIR");
  path_ = StrCat(base != nullptr ? base : "/tmp", "/", prefix, "-XXXXXX");
  FODC_CHECK(::mkdtemp(path_.data()) != nullptr);
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDirectory::File(std::string_view name) const {
  return StrCat(path_, "/", name);
}

}  // namespace fodc
