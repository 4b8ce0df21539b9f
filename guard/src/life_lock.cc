// SPDX-License-Identifier: Apache-2.0
#include "life_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

// The kernel lets a process take its own lock twice, and drops it at the first
// close of the file: so a file that is held is not even opened.
struct Held {
  dev_t device;
  ino_t inode;
  pid_t pid;  // a child made by fork has this list too, and holds nothing
  bool operator==(const Held&) const = default;
};

struct HeldFiles {
  Mutex mutex;
  std::vector<Held> files FODC_GUARDED_BY(mutex);
};

HeldFiles& OfThisProcess() {
  static auto* const held = new HeldFiles;
  return *held;
}

Held ToHeld(const struct stat& st) {
  return {st.st_dev, st.st_ino, ::getpid()};
}

Status IsHeld(const std::string& directory, pid_t pid) {
  return FailedPrecondition(
      StrCat("the directory of lives ", directory, " is held by ",
             pid > 0 ? StrCat("process ", pid)
                     : "a process of another pid namespace"));
}

struct flock WholeFile() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

Status LifeLock::Take(const std::string& directory) {
  const std::string path = StrCat(directory, "/lock");
  HeldFiles& held = OfThisProcess();
  const MutexLock guard(held.mutex);
  struct stat st {};
  if (::stat(path.c_str(), &st) == 0 &&
      std::ranges::find(held.files, ToHeld(st)) != held.files.end()) {
    return IsHeld(directory, ::getpid());
  }
  UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
  if (!file.ok()) return ErrnoStatus(errno, "open " + path);
  struct flock lock = WholeFile();
  if (::fcntl(file.get(), F_SETLK, &lock) != 0) {
    const int error = errno;
    if (error != EAGAIN && error != EACCES) {
      return ErrnoStatus(error, "lock " + path);
    }
    lock = WholeFile();
    (void)::fcntl(file.get(), F_GETLK, &lock);
    return IsHeld(directory, lock.l_type == F_UNLCK ? 0 : lock.l_pid);
  }
  if (::fstat(file.get(), &st) != 0) return ErrnoStatus(errno, "stat " + path);
  held.files.push_back(ToHeld(st));
  file_ = std::move(file);
  return OkStatus();
}

LifeLock::~LifeLock() {
  if (!file_.ok()) return;
  HeldFiles& held = OfThisProcess();
  const MutexLock guard(held.mutex);
  struct stat st {};
  if (::fstat(file_.get(), &st) == 0) std::erase(held.files, ToHeld(st));
  file_.reset();
}

}  // namespace fodc::guard
