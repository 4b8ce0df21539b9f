// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/restore_target.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <random>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

constexpr unsigned kDirectoryMode = 0700;
constexpr unsigned kFileMode = 0600;
constexpr std::string_view kPartPrefix = ".fodc-restore-";

std::string NewRunId() {
  std::random_device random;
  char text[17];
  (void)std::snprintf(text, sizeof text, "%08x%08x", random(), random());
  return text;
}

Status RemoveTree(const Directory& above, const std::string& name) {
  constexpr std::size_t kAll = ~std::size_t{0};
  FODC_ASSIGN_OR_RETURN(const Directory here, above.OpenDirectory(name));
  FODC_ASSIGN_OR_RETURN(const std::vector<std::string> names, here.List(kAll));
  for (const std::string& below : names) {
    FODC_ASSIGN_OR_RETURN(const struct stat s, here.Stat(below));
    FODC_RETURN_IF_ERROR(S_ISDIR(s.st_mode) ? RemoveTree(here, below)
                                            : here.RemoveFile(below));
  }
  return above.RemoveDirectory(name);
}

}  // namespace

PartFile::~PartFile() {
  if (fd_.ok()) directory_.RemoveFile(part_).IgnoreError();
}

Status PartFile::Write(std::string_view bytes) {
  return WriteAll(fd_.get(), bytes, name_);
}

Status PartFile::Place() {
  if (::fsync(fd_.get()) != 0) return ErrnoStatus(errno, "sync " + part_);
  Status s = directory_.Rename(part_, name_);
  if (!s.ok()) {
    const auto there = directory_.Stat(name_);
    if (!there.ok() || !S_ISDIR(there->st_mode)) return s;
    // A directory of another time.
    FODC_RETURN_IF_ERROR(RemoveTree(directory_, name_));
    FODC_RETURN_IF_ERROR(directory_.Rename(part_, name_));
  }
  fd_ = UniqueFd();
  return OkStatus();
}

Result<RestoreTarget> RestoreTarget::Open(const std::string& directory) {
  FODC_ASSIGN_OR_RETURN(Directory root, Directory::Open(directory));
  return RestoreTarget(std::move(root), StrCat(kPartPrefix, NewRunId(), "-"));
}

Status RestoreTarget::Sync() const {
  if (::syncfs(root_.fd()) == 0) return OkStatus();
  return ErrnoStatus(errno, "sync " + root_.path());
}

Result<Directory> RestoreTarget::DirectoryOf(std::string_view path) const {
  FODC_ASSIGN_OR_RETURN(Directory at, Directory::Open(root_.path()));
  for (;;) {
    const std::size_t slash = path.find('/');
    if (slash == path.npos) return at;
    const std::string name(path.substr(0, slash));
    path.remove_prefix(slash + 1);
    Status made = at.MakeDirectory(name, kDirectoryMode);
    auto below = at.OpenDirectory(name);
    if (!below.ok() && made.code() == Code::kAlreadyExists) {
      // A file of another time: what is wanted has one of that name no more.
      FODC_RETURN_IF_ERROR(at.RemoveFile(name));
      made = at.MakeDirectory(name, kDirectoryMode);
      below = at.OpenDirectory(name);
    }
    if (!made.ok() && made.code() != Code::kAlreadyExists) return made;
    if (!below.ok()) return below.status();
    at = *std::move(below);
  }
}

Result<PartFile> RestoreTarget::Create(std::string_view path) {
  FODC_ASSIGN_OR_RETURN(Directory directory, DirectoryOf(path));
  std::string part = StrCat(parts_, (*next_part_)++);
  FODC_ASSIGN_OR_RETURN(UniqueFd fd, directory.CreateFile(part, kFileMode));
  return PartFile(std::move(directory), std::move(fd), std::move(part),
                  std::string(path.substr(path.rfind('/') + 1)));
}

Status RestoreTarget::Delete(const std::string& path) const {
  std::vector<Directory> above;
  FODC_ASSIGN_OR_RETURN(Directory at, Directory::Open(root_.path()));
  above.push_back(std::move(at));
  const std::vector<std::string_view> names = Split(path, '/');
  for (std::size_t i = 0; i + 1 < names.size(); ++i) {
    auto below = above.back().OpenDirectory(names[i]);
    // It went with what stood in a wanted file's place.
    if (!below.ok()) return OkStatus();
    above.push_back(*std::move(below));
  }
  const auto there = above.back().Stat(names.back());
  if (!there.ok() || S_ISDIR(there->st_mode)) return OkStatus();
  FODC_RETURN_IF_ERROR(above.back().RemoveFile(names.back()));
  for (std::size_t i = names.size() - 1; i > 0; --i) {
    if (!above[i - 1].RemoveDirectory(names[i - 1]).ok()) break;
  }
  return OkStatus();
}

}  // namespace fodc::backup
