// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/careful_open.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"

namespace fodc::capture {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel

// Goes along a path name by name, so that it sees each link.
class Walk {
 public:
  explicit Walk(const std::string& path) : path_(path) { Push(path); }

  // The file at the end, as O_PATH opens it.
  Result<UniqueFd> Go() {
    FODC_RETURN_IF_ERROR(Start(path_));
    while (!names_.empty()) {
      const std::string name = std::move(names_.back());
      names_.pop_back();
      FODC_RETURN_IF_ERROR(Step(name));
    }
    return std::move(at_);
  }
  // Who made a link that was followed, and is not `owner`.
  std::optional<uid_t> Other(uid_t owner) const {
    for (const uid_t user : link_owners_) {
      if (user != owner) return user;
    }
    return {};
  }

 private:
  Status Error(int error) const {
    return ErrnoStatus(error, StrCat("open ", path_));
  }

  Status Start(std::string_view path) {
    if (!path.starts_with('/') && at_.ok()) return OkStatus();
    at_ = UniqueFd(::open(path.starts_with('/') ? "/" : ".",
                          O_PATH | O_DIRECTORY | O_CLOEXEC));
    return at_.ok() ? OkStatus() : Error(errno);
  }

  // The names of `path`, the first to be taken first.
  void Push(std::string_view path) {
    while (!path.empty()) {
      const std::size_t slash = path.rfind('/');
      const std::string_view name =
          slash == path.npos ? path : path.substr(slash + 1);
      if (!name.empty()) names_.emplace_back(name);
      path = slash == path.npos ? std::string_view() : path.substr(0, slash);
    }
  }

  Status Step(const std::string& name) {
    UniqueFd next(
        ::openat(at_.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat s {};
    if (!next.ok() || ::fstat(next.get(), &s) != 0) return Error(errno);
    if (!S_ISLNK(s.st_mode)) {
      at_ = std::move(next);
      return OkStatus();
    }
    if (++links_ > kMaxLinks) return Error(ELOOP);
    struct statfs system {};
    if (::fstatfs(at_.get(), &system) != 0) return Error(errno);
    if (system.f_type == PROC_SUPER_MAGIC) {
      // "root" and "cwd" lead where their text does not say.
      at_ = UniqueFd(::openat(at_.get(), name.c_str(), O_PATH | O_CLOEXEC));
      return at_.ok() ? OkStatus() : Error(errno);
    }
    if (s.st_uid != 0) link_owners_.push_back(s.st_uid);
    std::array<char, PATH_MAX> text{};
    const ssize_t n = ::readlinkat(next.get(), "", text.data(), text.size());
    if (n < 0) return Error(errno);
    const std::string_view to(text.data(), static_cast<std::size_t>(n));
    Push(to);
    return Start(to);
  }

  const std::string& path_;
  UniqueFd at_;
  std::vector<std::string> names_;  // the next one last
  std::vector<uid_t> link_owners_;
  int links_ = 0;
};

}  // namespace

Result<UniqueFd> OpenCarefully(const std::string& path, struct stat* found) {
  Walk walk(path);
  FODC_ASSIGN_OR_RETURN(const UniqueFd there, walk.Go());
  if (::fstat(there.get(), found) != 0)
    return ErrnoStatus(errno, StrCat("stat ", path));
  if (!S_ISREG(found->st_mode))
    return InvalidArgument(StrCat(path, ": is no regular file"));
  if (const auto other = walk.Other(found->st_uid)) {
    return PermissionDenied(StrCat(path, ": a link of user ", *other,
                                   " leads to a file of user ", found->st_uid));
  }
  UniqueFd fd(::open(StrCat("/proc/self/fd/", there.get()).c_str(),
                     O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd.ok()) return ErrnoStatus(errno, StrCat("open ", path));
  return fd;
}

}  // namespace fodc::capture
