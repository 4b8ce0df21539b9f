// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/event_store.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "fodc/base/directory.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/event_files.h"
#include "fodc/evidence/event_id.h"
#include "fodc/evidence/sha256.h"
#include "fodc/evidence/store_core.h"

namespace fodc::evidence {
namespace {

constexpr std::string_view kProbeFile = ".write-probe";
// Beyond it a root is not ours alone; the names would take megabytes.
constexpr std::size_t kMaxRootNames = 65536;
// A second holds more nanoseconds than one trigger has events.
constexpr int kMaxTriesForAnId = 1000;

// The ids in the root, the newest first.
Result<std::vector<std::string>> ListIds(const Directory& root) {
  FODC_ASSIGN_OR_RETURN(std::vector<std::string> names,
                        root.List(kMaxRootNames));
  std::erase_if(names,
                [](const std::string& n) { return !ParseEventId(n).ok(); });
  std::sort(names.begin(), names.end(), std::greater<>());
  return names;
}

Result<Directory> OpenEvent(const Directory& root, std::string_view id) {
  FODC_RETURN_IF_ERROR(ParseEventId(id).status());
  return root.OpenDirectory(id);
}

// Sizes of what a capture left in it. What goes away meanwhile counts nothing.
std::uint64_t SizeOfFiles(const Directory& event) {
  const auto names = event.List(kMaxDirectoryNames);
  if (!names.ok()) return 0;
  std::uint64_t bytes = 0;
  for (const std::string& name : *names) {
    if (name.starts_with(kMetaFile)) continue;
    const auto st = event.Stat(name);
    if (st.ok() && S_ISREG(st->st_mode))
      bytes += static_cast<std::uint64_t>(st->st_size);
  }
  return bytes;
}

Result<EventMeta> ReadMeta(const Directory& event) {
  auto text = event.ReadFile(kMetaFile, kMaxMetaBytes);
  if (!text.ok()) {
    // A link, a directory, or too large: as damaged as bad text.
    if (text.status().code() == Code::kInvalidArgument ||
        text.status().code() == Code::kResourceExhausted)
      return DataLoss(text.status().message());
    return text.status();
  }
  return DecodeEventMeta(*text).WithContext(event.path());
}

EventInfo MakeInfo(std::string_view id, const Directory& event,
                   EventMeta meta) {
  return {.id = std::string(id),
          .meta = std::move(meta),
          .bytes = SizeOfFiles(event),
          .is_pinned = event.Stat(kPinFile).ok()};
}

// What one event, or a part of one, needs at the start.
void SweepEvent(const Directory& root, const std::string& id,
                SweepReport* report) {
  const auto event = root.OpenDirectory(id);
  if (!event.ok()) return;  // no directory: not ours
  const auto meta = event->Stat(kMetaFile);
  if (!PartOf(id).empty() ||
      (!meta.ok() && meta.status().code() == Code::kNotFound)) {
    Status status = RemoveEvent(root, id, *event);
    if (status.ok())
      report->removed.push_back(id);
    else
      report->failures.push_back(std::move(status));
    return;
  }
  const auto names = event->List(kMaxDirectoryNames);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (PartOf(name).empty() && name != kMetaTempFile) continue;
    Status status = event->RemoveFile(name);
    if (status.ok())
      ++report->leftovers;
    else
      report->failures.push_back(std::move(status));
  }
}

SweepReport Sweep(const Directory& root) {
  SweepReport report;
  // Held together by all who have the root open, and alone for a sweep.
  report.is_alone = ::flock(root.fd(), LOCK_EX | LOCK_NB) == 0;
  if (report.is_alone) {
    if (const auto names = root.List(kMaxRootNames); names.ok()) {
      for (const std::string& name : *names) {
        if (ParseEventId(name).ok() || ParseEventId(PartOf(name)).ok())
          SweepEvent(root, name, &report);
      }
    } else {
      report.failures.push_back(names.status());
    }
  }
  (void)::flock(root.fd(), LOCK_SH | LOCK_NB);
  return report;
}

}  // namespace

EventStore::EventStore(std::shared_ptr<StoreCore> core, SweepReport sweep)
    : core_(std::move(core)), sweep_(std::move(sweep)) {}
EventStore::~EventStore() = default;

const std::string& EventStore::root() const { return core_->path(); }

namespace {

// Where everybody may make directories, as in /tmp, anybody may have made ours
// first, and may read, replace and delete what is put into it.
Status CheckOwner(const Directory& root, const std::string& path) {
  struct stat info {};
  if (::fstat(root.fd(), &info) != 0) return ErrnoStatus(errno, path);
  if (info.st_uid == 0 || info.st_uid == ::geteuid()) return OkStatus();
  return PermissionDenied(StrCat(path, " belongs to user ", info.st_uid,
                                 ", neither to root nor to this process (user ",
                                 ::geteuid(), ")"));
}

}  // namespace

Result<std::unique_ptr<EventStore>> EventStore::Open(const Options& options) {
  std::error_code error;
  const std::string path =
      std::filesystem::absolute(options.root, error).lexically_normal();
  if (error || options.root.empty()) {
    return InvalidArgument(
        StrCat("\"", options.root, "\" is no directory for events"));
  }
  FODC_RETURN_IF_ERROR(MakeDirectories(path));
  FODC_ASSIGN_OR_RETURN(Directory root, Directory::Open(path));
  FODC_RETURN_IF_ERROR(CheckOwner(root, path));
  SweepReport sweep = Sweep(root);
  if (!sweep.is_alone) {
    LogWarn(
        "another process keeps evidence in the same directory: give each "
        "its own, for each deletes by its limits what the other keeps",
        {{"directory", path}});
  }
  // The first digest costs the library's user a megabyte: better now than when
  // memory is short.
  (void)Sha256().Hex();
  return std::unique_ptr<EventStore>(new EventStore(
      std::make_shared<StoreCore>(std::move(root), options.keep_free_bytes),
      std::move(sweep)));
}

Status EventStore::CheckWritable() const {
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_RETURN_IF_ERROR(root->RemoveFile(kProbeFile));
  FODC_ASSIGN_OR_RETURN(const UniqueFd fd, root->CreateFile(kProbeFile));
  Status status = WriteAll(fd.get(), "probe", root->path());
  root->RemoveFile(kProbeFile).IgnoreError();
  FODC_RETURN_IF_ERROR(status);
  // As much as a capture needs to begin.
  FODC_ASSIGN_OR_RETURN(const std::uint64_t free, FreeBytes());
  const std::uint64_t needed = EventBudget().min_bytes;
  if (free >= needed) return OkStatus();
  return ResourceExhausted(StrCat(
      root->path(), ": the disk has ", free, " bytes beside the ",
      core_->keep_free_bytes(), " that stay free; a capture needs ", needed));
}

Result<std::uint64_t> EventStore::FreeBytes() const {
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_ASSIGN_OR_RETURN(const std::uint64_t bytes, root->FreeBytes());
  return bytes - std::min(bytes, core_->keep_free_bytes());
}

Result<std::shared_ptr<ByteBudget>> EventStore::Grant(
    const EventBudget& budget) const {
  FODC_ASSIGN_OR_RETURN(const std::uint64_t bytes, FreeBytes());
  return core_->Grant(bytes, budget.max_bytes, budget.min_bytes);
}

Result<std::unique_ptr<EventWriter>> EventStore::Begin(
    UnixTime at, const EventBudget& budget) {
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_ASSIGN_OR_RETURN(const auto bytes, Grant(budget));
  for (int i = 0; i < kMaxTriesForAnId;
       ++i, at += std::chrono::nanoseconds(1)) {
    const std::string id = MakeEventId(at);
    auto claim = Claimed::Make(core_.get(), id, Use::kWrite);
    if (!claim.ok()) continue;  // of the same nanosecond
    const Status made = root->MakeDirectory(id);
    if (made.code() == Code::kAlreadyExists) continue;
    FODC_RETURN_IF_ERROR(made);
    FODC_ASSIGN_OR_RETURN(Directory event, root->OpenDirectory(id));
    claim->Leave();
    return std::unique_ptr<EventWriter>(new EventWriter(
        core_, id, at,
        std::make_shared<EventFilesOnDisk>(std::move(event), bytes),
        std::nullopt));
  }
  return AlreadyExists("there is an event of each nanosecond from " +
                       MakeEventId(at));
}

Result<std::unique_ptr<EventWriter>> EventStore::Reopen(
    std::string_view id, const EventBudget& budget) {
  FODC_ASSIGN_OR_RETURN(const UnixTime at, ParseEventId(id));
  FODC_ASSIGN_OR_RETURN(auto claim,
                        Claimed::Make(core_.get(), id, Use::kWrite));
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_ASSIGN_OR_RETURN(Directory event, root->OpenDirectory(id));
  FODC_ASSIGN_OR_RETURN(EventMeta meta, ReadMeta(event));
  EventBudget rest = budget;
  rest.max_bytes -= std::min(rest.max_bytes, SizeOfFiles(event));
  FODC_ASSIGN_OR_RETURN(const auto bytes, Grant(rest));
  claim.Leave();
  return std::unique_ptr<EventWriter>(new EventWriter(
      core_, std::string(id), at,
      std::make_shared<EventFilesOnDisk>(std::move(event), bytes),
      std::move(meta)));
}

Result<std::vector<EventInfo>> EventStore::List(std::size_t max) const {
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_ASSIGN_OR_RETURN(const auto ids, ListIds(*root));
  std::vector<EventInfo> events;
  for (const std::string& id : ids) {
    if (events.size() == max) break;
    const auto event = root->OpenDirectory(id);
    if (!event.ok()) continue;
    auto meta = ReadMeta(*event);
    if (meta.ok()) events.push_back(MakeInfo(id, *event, *std::move(meta)));
  }
  return events;
}

Result<EventInfo> EventStore::Read(std::string_view id) const {
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_ASSIGN_OR_RETURN(const Directory event, OpenEvent(*root, id));
  FODC_ASSIGN_OR_RETURN(EventMeta meta, ReadMeta(event));
  return MakeInfo(id, event, std::move(meta));
}

Result<ArtifactReader> EventStore::OpenArtifact(std::string_view id,
                                                std::string_view name) const {
  FODC_RETURN_IF_ERROR(CheckArtifactName(name));
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_ASSIGN_OR_RETURN(const Directory event, OpenEvent(*root, id));
  FODC_ASSIGN_OR_RETURN(const EventMeta meta, ReadMeta(event));
  const std::vector<std::string> files = EventFiles(meta);
  if (std::find(files.begin(), files.end(), name) == files.end())
    return NotFound(StrCat("event ", id, " has no artifact ", name));
  FODC_ASSIGN_OR_RETURN(UniqueFd fd, event.OpenFile(name));
  const auto step =
      std::find_if(meta.steps.begin(), meta.steps.end(),
                   [name](const EventStep& s) { return s.file == name; });
  return ArtifactReader::Make(
      std::move(fd), step == meta.steps.end() ? std::string() : step->sha256);
}

Result<std::vector<KeptEvent>> EventStore::KeptEvents() const {
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_ASSIGN_OR_RETURN(const auto ids, ListIds(*root));
  std::vector<KeptEvent> events;
  for (const std::string& id : ids) {
    KeptEvent e;
    e.id = id;
    e.at = ParseEventId(id).value();
    e.is_busy = core_->IsBusy(id);
    const auto event = root->OpenDirectory(id);
    // Without meta.json it is unfinished, perhaps in another's hands.
    if (!event.ok() || !event->Stat(kMetaFile).ok()) continue;
    e.bytes = SizeOfFiles(*event);
    e.is_pinned = event->Stat(kPinFile).ok();
    if (auto meta = ReadMeta(*event); meta.ok()) {
      e.rss_bytes = meta->rss_bytes;
      e.pod = std::move(meta->pod_name);
      e.target = std::move(meta->target);
      e.ramp_up = std::move(meta->ramp_up);
      e.has_death = meta->death.has_value();
      if (e.has_death) e.died_at = meta->death->at;
    }
    events.push_back(std::move(e));
  }
  return events;
}

Status EventStore::Pin(std::string_view id, const RetentionLimits& limits) {
  FODC_ASSIGN_OR_RETURN(const EventInfo info, Read(id));
  if (info.is_pinned) return OkStatus();
  FODC_ASSIGN_OR_RETURN(const auto events, KeptEvents());
  if (!MayPin(events, info.bytes, limits)) {
    return ResourceExhausted(
        StrCat("event ", id, ": pinned events may have half of the ",
               limits.max_events, " events and of the ", limits.max_bytes,
               " bytes that are kept; unpin another"));
  }
  FODC_ASSIGN_OR_RETURN(const auto claim,
                        Claimed::Make(core_.get(), id, Use::kMark));
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_ASSIGN_OR_RETURN(const Directory event, OpenEvent(*root, id));
  // Not of one that was deleted since it was read.
  FODC_RETURN_IF_ERROR(event.Stat(kMetaFile).status());
  Status made = event.CreateFile(kPinFile).status();
  if (!made.ok() && made.code() != Code::kAlreadyExists) return made;
  return event.Sync();
}

Status EventStore::Unpin(std::string_view id) {
  FODC_ASSIGN_OR_RETURN(const EventInfo info, Read(id));
  if (!info.is_pinned) return OkStatus();
  FODC_ASSIGN_OR_RETURN(const auto claim,
                        Claimed::Make(core_.get(), id, Use::kMark));
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_ASSIGN_OR_RETURN(const Directory event, OpenEvent(*root, id));
  FODC_RETURN_IF_ERROR(event.RemoveFile(kPinFile));
  return event.Sync();
}

Status EventStore::Delete(std::string_view id) {
  FODC_ASSIGN_OR_RETURN(const auto root, core_->Root());
  FODC_ASSIGN_OR_RETURN(const Directory event, OpenEvent(*root, id));
  FODC_ASSIGN_OR_RETURN(const auto claim,
                        Claimed::Make(core_.get(), id, Use::kDelete));
  return RemoveEvent(*root, id, event);
}

Result<RetentionReport> EventStore::Retain(const RetentionLimits& limits,
                                           UnixTime now) {
  FODC_ASSIGN_OR_RETURN(const auto events, KeptEvents());
  RetentionReport report;
  for (const std::string& id : ChooseEventsToDelete(events, limits, now)) {
    Status status = Delete(id);
    if (status.ok())
      report.deleted.push_back(id);
    else
      report.failures.push_back(status.WithContext("event " + id));
  }
  return report;
}

}  // namespace fodc::evidence
