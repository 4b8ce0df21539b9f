// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/event_files.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/evidence/event_id.h"
#include "fodc/evidence/event_writer.h"

namespace fodc::evidence {

std::string PartName(std::string_view name) {
  return StrCat('.', name, ".part");
}

std::string_view PartOf(std::string_view name) {
  constexpr std::string_view kSuffix = ".part";
  if (!name.ends_with(kSuffix) || !ConsumePrefix(&name, ".")) return {};
  name.remove_suffix(std::min(name.size(), kSuffix.size()));
  return name;
}

Status RemoveEvent(const Directory& root, std::string_view id,
                   const Directory& event) {
  // Without it the event is no more: whatever stops here, the rest is swept.
  FODC_RETURN_IF_ERROR(event.RemoveFile(kMetaFile));
  FODC_ASSIGN_OR_RETURN(const auto names, event.List(kMaxDirectoryNames));
  Status first;
  for (const std::string& name : names) {
    Status status = event.RemoveFile(name);
    if (first.ok()) first = std::move(status);
  }
  Status status = root.RemoveDirectory(id);
  if (status.ok() || first.ok()) return status;
  return {status.code(), StrCat(status.message(), " (", first.message(), ")")};
}

Result<std::unique_ptr<ArtifactSink>> EventFilesOnDisk::Open(
    std::string_view name, std::uint64_t max_bytes) {
  FODC_RETURN_IF_ERROR(CheckArtifactName(name));
  {
    const MutexLock lock(mutex_);
    if (opened_ >= kMaxEventFiles) {
      return ResourceExhausted(StrCat(name, ": an event has ", kMaxEventFiles,
                                      " artifacts at most"));
    }
    ++opened_;
    ++open_;
  }
  const auto create = [&]() -> Result<UniqueFd> {
    if (directory_.Stat(name).ok())
      return AlreadyExists(StrCat(directory_.path(), "/", name, " exists"));
    return directory_.CreateFile(PartName(name));
  };
  Result<UniqueFd> fd = create();
  if (!fd.ok()) {
    Discarded();
    return fd.status();
  }
  return std::unique_ptr<ArtifactSink>(new ArtifactSink(
      shared_from_this(), std::string(name), *std::move(fd), max_bytes));
}

void EventFilesOnDisk::Finished(const std::string& name, UniqueFd fd) {
  const MutexLock lock(mutex_);
  --open_;
  finished_.push_back({name, std::make_shared<UniqueFd>(std::move(fd))});
}

void EventFilesOnDisk::Discarded() {
  const MutexLock lock(mutex_);
  --open_;
  --opened_;
}

bool EventFilesOnDisk::has_open_sinks() const {
  const MutexLock lock(mutex_);
  return open_ != 0;
}

Status EventFilesOnDisk::SyncFinished() {
  std::vector<File> files;
  {
    const MutexLock lock(mutex_);
    files = finished_;
  }
  for (const File& file : files) {
    if (::fsync(file.fd->get()) != 0) {
      return ErrnoStatus(errno,
                         StrCat("fsync ", directory_.path(), "/", file.name));
    }
  }
  return OkStatus();
}

void EventFilesOnDisk::Committed() {
  const MutexLock lock(mutex_);
  finished_.clear();
}

void EventFilesOnDisk::RemoveFinished() {
  std::vector<File> files;
  {
    const MutexLock lock(mutex_);
    files.swap(finished_);
  }
  for (const File& file : files) directory_.RemoveFile(file.name).IgnoreError();
}

}  // namespace fodc::evidence
