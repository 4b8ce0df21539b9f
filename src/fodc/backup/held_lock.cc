// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/held_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cstdio>
#include <vector>

#include "fodc/base/directory.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::backup {
namespace {

// Of groups.
constexpr std::size_t kMostLooked = 10'000;

bool IsHeld(const UniqueFd& file) {
  // Shared: two who look at once do not see each other.
  if (::flock(file.get(), LOCK_SH | LOCK_NB) != 0) return true;
  (void)::flock(file.get(), LOCK_UN);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(file.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

// "" if none is.
std::string HeldIn(const Directory& directory) {
  for (const char* const name : {"lock", "LOCK"}) {
    const auto file = directory.OpenFile(name);
    if (file.ok() && IsHeld(*file)) return StrCat(directory.path(), "/", name);
  }
  return "";
}

}  // namespace

Result<std::string> FindHeldLock(const std::string& directory) {
  auto root = Directory::Open(directory);
  if (root.status().code() == Code::kNotFound) return std::string();
  if (!root.ok()) return root.status();
  std::string held = HeldIn(*root);
  if (!held.empty()) return held;
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        root->List(kMostLooked));
  for (const std::string& name : names) {
    const auto below = root->OpenDirectory(name);
    if (!below.ok()) continue;  // a file
    held = HeldIn(*below);
    if (!held.empty()) return held;
  }
  return std::string();
}

}  // namespace fodc::backup
