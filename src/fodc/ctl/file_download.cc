// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/file_download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::ctl {
namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP};

// For the handler: what it removes, while it is set.
char removed_path[PATH_MAX];
volatile std::sig_atomic_t is_removed = 0;
struct sigaction earlier[std::size(kSignals)];

// The process then ends as it would have without it.
void RemoveAndEnd(int number) {
  if (is_removed != 0) (void)::unlink(removed_path);
  (void)::signal(number, SIG_DFL);
  (void)::raise(number);
}

// None of the signals comes to this thread meanwhile; others have none to
// remove anything for.
class BlockSignals {
 public:
  BlockSignals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : kSignals) sigaddset(&set, number);
    (void)::pthread_sigmask(SIG_BLOCK, &set, &before_);
  }
  ~BlockSignals() { (void)::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockSignals(const BlockSignals&) = delete;
  BlockSignals& operator=(const BlockSignals&) = delete;

 private:
  sigset_t before_{};
};

void RemoveAtSignals(const std::string& path) {
  FODC_CHECK(is_removed == 0);
  if (path.size() >= sizeof removed_path) return;  // nor can it be opened
  *std::copy(path.begin(), path.end(), removed_path) = '\0';
  is_removed = 1;
  struct sigaction action {};
  action.sa_handler = RemoveAndEnd;
  for (std::size_t i = 0; i < std::size(kSignals); ++i) {
    (void)::sigaction(kSignals[i], nullptr, &earlier[i]);
    // What is ignored ends nothing (nohup).
    if (earlier[i].sa_handler == SIG_IGN) continue;
    (void)::sigaction(kSignals[i], &action, nullptr);
  }
}

void LeaveAtSignals() {
  is_removed = 0;
  for (std::size_t i = 0; i < std::size(kSignals); ++i)
    (void)::sigaction(kSignals[i], &earlier[i], nullptr);
}

// Without `replace` a file of that name stays. Where the file system cannot
// see to that itself, one that comes between the look and the renaming goes.
Status Rename(const std::string& from, const std::string& to, bool replace) {
  struct stat there {};
  if (replace && ::stat(to.c_str(), &there) == 0 && !S_ISREG(there.st_mode))
    return InvalidArgument(to + " is no regular file: it is not replaced");
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
  const BlockSignals block;
  UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  if (!fd.ok()) return ErrnoStatus(errno, "create a file in " + directory);
  RemoveAtSignals(path);
  return FileDownload(std::move(fd), std::move(path));
}

FileDownload::FileDownload(FileDownload&& other) noexcept
    : fd_(std::move(other.fd_)), path_(std::exchange(other.path_, {})) {}

FileDownload::~FileDownload() {
  if (path_.empty()) return;
  (void)::unlink(path_.c_str());
  LeaveAtSignals();
}

Status FileDownload::Append(std::string_view bytes) {
  return WriteAll(fd_.get(), bytes, path_);
}

Status FileDownload::Clear() {
  if (::ftruncate(fd_.get(), 0) != 0 || ::lseek(fd_.get(), 0, SEEK_SET) != 0)
    return ErrnoStatus(errno, "truncate " + path_);
  return OkStatus();
}

Status FileDownload::Publish(const std::string& path, bool replace) {
  if (::fsync(fd_.get()) != 0) return ErrnoStatus(errno, "fsync " + path_);
  FODC_RETURN_IF_ERROR(Rename(path_, path, replace));
  const std::size_t slash = path_.rfind('/');
  const std::string directory = path_.substr(0, slash);
  path_.clear();
  LeaveAtSignals();
  return SyncDirectory(directory);
}

}  // namespace fodc::ctl
