// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/event_writer.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/evidence/event_files.h"
#include "fodc/evidence/store_core.h"

namespace fodc::evidence {

EventWriter::EventWriter(std::shared_ptr<StoreCore> core, std::string id,
                         UnixTime at, std::shared_ptr<EventFilesOnDisk> files,
                         std::optional<EventMeta> meta)
    : core_(std::move(core)),
      id_(std::move(id)),
      at_(at),
      files_(std::move(files)),
      is_committed_(meta.has_value()),
      meta_(std::move(meta).value_or(EventMeta{})) {}

EventWriter::~EventWriter() {
  if (is_committed_) {
    files_->RemoveFinished();
  } else if (const auto root = core_->Root(); root.ok()) {
    // What cannot be removed now is swept at the next start.
    RemoveEvent(**root, id_, files_->directory()).IgnoreError();
  }
  core_->Release(id_, Use::kWrite);
}

std::uint64_t EventWriter::budget_left_bytes() const {
  return files_->budget().left_bytes();
}

Result<std::unique_ptr<ArtifactSink>> EventWriter::OpenArtifact(
    std::string_view name, std::uint64_t max_bytes) {
  return files_->Open(name, max_bytes);
}

// Files that were committed before may be gone since; what came later is to be
// kept all the same.
Status EventWriter::CheckFiles(const EventMeta& meta) const {
  std::map<std::string, std::uint64_t> committed;
  for (const EventProfile& p : meta_.profiles)
    committed.emplace(p.filename, p.size_bytes);
  for (const EventStep& s : meta_.steps) committed.emplace(s.file, s.bytes);
  const auto check = [&](const std::string& name,
                         std::uint64_t bytes) -> Status {
    const auto it = committed.find(name);
    if (it != committed.end() && it->second == bytes) return OkStatus();
    const auto st = files_->directory().Stat(name);
    if (!st.ok() || !S_ISREG(st->st_mode))
      return InvalidArgument(StrCat(name, " is no file of the event"));
    if (static_cast<std::uint64_t>(st->st_size) != bytes) {
      return InvalidArgument(StrCat(name, " has ", st->st_size,
                                    " bytes on disk, and ", bytes,
                                    " in its receipt"));
    }
    return OkStatus();
  };
  for (const EventProfile& p : meta.profiles)
    FODC_RETURN_IF_ERROR(check(p.filename, p.size_bytes));
  for (const EventStep& s : meta.steps) {
    if (!s.file.empty()) FODC_RETURN_IF_ERROR(check(s.file, s.bytes));
  }
  return OkStatus();
}

// Whether the id still leads to the directory that is written to.
Status EventWriter::CheckPlace() const {
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  const auto there = root->Stat(id_);
  struct stat ours {};
  if (there.ok() && ::fstat(files_->directory().fd(), &ours) == 0 &&
      there->st_dev == ours.st_dev && there->st_ino == ours.st_ino) {
    return OkStatus();
  }
  return FailedPrecondition(
      StrCat("event ", id_, ": its directory was removed or replaced"));
}

Status EventWriter::Commit(EventMeta meta) {
  if (files_->has_open_sinks())
    return FailedPrecondition(
        StrCat("event ", id_, ": an artifact is being written"));
  meta.captured_at = at_;
  meta.revision = meta_.revision + 1;
  for (EventProfile& p : meta.profiles)
    p.filepath = StrCat(files_->directory().path(), "/", p.filename);
  FODC_RETURN_IF_ERROR(CheckEventMeta(meta));
  FODC_RETURN_IF_ERROR(CheckPlace());
  FODC_RETURN_IF_ERROR(CheckFiles(meta));
  const std::string text = EncodeEventMeta(meta);
  if (text.size() > kMaxMetaBytes) {
    return InvalidArgument(StrCat("meta.json would have ", text.size(),
                                  " bytes; the limit is ", kMaxMetaBytes));
  }
  FODC_RETURN_IF_ERROR(files_->SyncFinished());
  FODC_RETURN_IF_ERROR(files_->directory().Sync());
  FODC_RETURN_IF_ERROR(
      files_->directory().WriteFileAtomically(kMetaFile, text));
  std::vector<std::string> left_out = EventFiles(meta_);
  meta_ = std::move(meta);
  is_committed_ = true;
  files_->Committed();
  const std::vector<std::string> files = EventFiles(meta_);
  std::erase_if(left_out, [&](const std::string& name) {
    return std::find(files.begin(), files.end(), name) != files.end();
  });
  // What cannot be removed goes with the event.
  for (const std::string& name : left_out)
    files_->directory().RemoveFile(name).IgnoreError();
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  return root->Sync();
}

}  // namespace fodc::evidence
