// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/work_directory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <system_error>

#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

// One that was just made may not be locked yet.
constexpr std::chrono::minutes kSurelyLocked{10};

UniqueFd OpenDirectory(const std::string& path) {
  return UniqueFd(
      ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Who makes one holds its lock until his death, however he dies.
bool IsLeftOver(const UniqueFd& fd, UnixTime now) {
  struct stat s {};
  return ::fstat(fd.get(), &s) == 0 && s.st_uid == ::geteuid() &&
         now - UnixTime(std::chrono::seconds(s.st_mtim.tv_sec)) >
             kSurelyLocked &&
         ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0;
}

void RemoveLeftOvers(const std::string& above, const std::string& prefix,
                     UnixTime now) {
  const auto names = ListDirectory(above);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (!name.starts_with(prefix)) continue;
    const std::string path = StrCat(above, "/", name);
    const UniqueFd fd = OpenDirectory(path);
    if (!fd.ok() || !IsLeftOver(fd, now)) continue;
    std::error_code error;
    std::filesystem::remove_all(path, error);
    LogInfo("what one that was killed has left is removed", {{"path", path}});
  }
}

}  // namespace

Result<WorkDirectory> WorkDirectory::Make(std::string_view name,
                                          const Clock& clock) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody calls setenv
  const char* const set = std::getenv("TMPDIR");
  const std::string above = set != nullptr && *set != '\0' ? set : "/tmp";
  const std::string prefix = StrCat(name, "-");
  RemoveLeftOvers(above, prefix, clock.Unix());
  std::string path = StrCat(above, "/", prefix, "XXXXXX");
  if (::mkdtemp(path.data()) == nullptr)
    return ErrnoStatus(errno,
                       StrCat("make a directory in ", above, " ($TMPDIR)"));
  UniqueFd lock = OpenDirectory(path);
  // Where nothing can be locked nothing is taken for left over, either.
  if (lock.ok()) (void)::flock(lock.get(), LOCK_EX | LOCK_NB);
  return WorkDirectory(std::move(path), std::move(lock));
}

WorkDirectory::~WorkDirectory() {
  if (!lock_.ok()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string WorkDirectory::File(std::string_view name) const {
  return StrCat(path_, "/", name);
}

}  // namespace fodc::backup
