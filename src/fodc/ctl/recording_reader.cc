// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/recording_reader.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string_view>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/recorder/entry_codec.h"
#include "fodc/recorder/log_applier.h"
#include "fodc/recorder/recording_file.h"
#include "fodc/wal/wal.h"

namespace fodc::ctl {
namespace {

RecordingIdentity IdentityOf(const recorder::FileInfo& info) {
  RecordingIdentity identity;
  for (const auto& [key, value] : info) {
    std::string_view label = key;
    if (!ConsumePrefix(&label, "label.")) continue;
    std::string_view node_label = label;
    if (label == "node_role") {
      identity.role = value;
    } else if (label == "pod_name") {
      identity.pod_name = value;
    } else if (ConsumePrefix(&node_label, "node_")) {
      identity.labels[std::string(node_label)] = value;
    }
  }
  return identity;
}

Result<OpenedRecording> OpenFile(const std::string& path) {
  recorder::FileReport report;
  FODC_ASSIGN_OR_RETURN(recorder::Recording recording,
                        recorder::ReadRecordingFile(
                            path, recorder::FileReadingOptions(), &report));
  OpenedRecording opened{.recording = std::move(recording),
                         .identity = IdentityOf(report.info),
                         .disk_bytes = report.file_bytes,
                         .damage = {},
                         .damaged_regions = report.damaged_regions};
  for (const recorder::FileDamage& d : report.damage) {
    opened.damage.push_back(StrCat(path, ": offset ", d.offset, ": ",
                                   d.length_bytes, " bytes: ", d.reason));
  }
  if (!report.complete && report.damaged_regions == 0) {
    opened.damage.push_back(StrCat(path, ": offset ", report.file_bytes,
                                   ": the file is cut, or was never finished"));
    ++opened.damaged_regions;
  }
  return opened;
}

// What room recorder's Spill keeps, read without its lock.
class SpillReader {
 public:
  SpillReader(std::string path, OpenedRecording* opened)
      : path_(std::move(path)),
        opened_(*opened),
        applier_(&opened->recording) {}

  // The tail is read first, but applied last: what the agent seals meanwhile
  // is in both, and not in neither.
  Status Read(const std::function<void()>& between) {
    struct Kept {
      std::string payload;
      std::string where;
    };
    std::vector<Kept> tail;
    bool found = false;
    FODC_RETURN_IF_ERROR(ReadLog("/tail", &found, [&](const wal::Record& r) {
      tail.push_back({std::string(r.payload), WhereOf("/tail", r)});
    }));
    if (between) between();
    FODC_RETURN_IF_ERROR(ReadLog("/chunks", &found, [&](const wal::Record& r) {
      Apply(r.payload, WhereOf("/chunks", r));
    }));
    for (const Kept& record : tail) Apply(record.payload, record.where);
    if (!found) {
      return NotFound(path_ +
                      ": no recording in this directory (a --recorder-dir has "
                      "the directories chunks and tail)");
    }
    // Otherwise they refer to what was lost, which is told already.
    if (applier_.refused() > 0 && opened_.damaged_regions == 0) {
      Damaged(StrCat(path_, ": ", applier_.Refusals()));
    }
    return OkStatus();
  }

 private:
  void Damaged(std::string text) {
    ++opened_.damaged_regions;
    if (opened_.damage.size() < recorder::FileReport::kMaxDamage) {
      opened_.damage.push_back(std::move(text));
    }
  }
  std::string WhereOf(std::string_view log, const wal::Record& record) const {
    return StrCat(path_, log, ": record ", record.sequence, ": offset ",
                  record.offset);
  }
  void Apply(std::string_view payload, std::string_view where) {
    const auto entries = recorder::UnpackEntries(payload);
    const Status s = entries.ok()
                         ? recorder::ReadEntries(*entries, std::ref(applier_))
                         : entries.status();
    if (!s.ok()) Damaged(StrCat(where, ": ", s.message()));
  }
  // Not told if the directory cannot be listed: it can be read, at least.
  void FindSetAside(const std::string& directory) {
    auto names = ListDirectory(directory);
    if (!names.ok()) return;
    std::sort(names->begin(), names->end());
    for (const std::string& name : *names) {
      if (name.find(".damaged-") == std::string::npos) continue;
      const std::string path = StrCat(directory, "/", name);
      struct stat info {};
      if (::stat(path.c_str(), &info) != 0) continue;
      opened_.set_aside.push_back(
          {path, static_cast<std::uint64_t>(info.st_size)});
    }
  }
  Status ReadLog(std::string_view log, bool* found,
                 const std::function<void(const wal::Record&)>& take) {
    const std::string directory = StrCat(path_, log);
    const auto exists = wal::Exists(directory);
    if (!exists.ok() || !*exists) return OkStatus();
    *found = true;
    FindSetAside(directory);
    wal::ReadOptions options;
    options.phase = "offline";
    options.on_damage = [&](const wal::Damage& d) {
      Damaged(StrCat(d.path, ": offset ", d.offset, ": ", d.length_bytes,
                     " bytes: ", d.reason));
    };
    const auto summary = wal::ReadOnly(
        directory,
        [&](const wal::Record& record) {
          opened_.disk_bytes +=
              record.payload.size() + wal::kRecordOverheadBytes;
          take(record);
          return OkStatus();
        },
        options);
    FODC_RETURN_IF_ERROR(summary.status());
    if (summary->tail == wal::Tail::kTorn) {
      Damaged(StrCat(directory, ": offset of the end: ", summary->torn_bytes,
                     " bytes: the last write was cut (the agent's next start "
                     "repairs it)"));
    }
    return OkStatus();
  }

  const std::string path_;
  OpenedRecording& opened_;
  recorder::LogApplier applier_;
};

Result<OpenedRecording> OpenSpill(const std::string& path,
                                  const std::function<void()>& between) {
  OpenedRecording opened{
      .recording = recorder::Recording(1, recorder::FileReadingOptions()),
      .identity = {},
      .disk_bytes = 0,
      .damage = {},
      .damaged_regions = 0};
  FODC_RETURN_IF_ERROR(SpillReader(path, &opened).Read(between));
  return opened;
}

}  // namespace

Result<OpenedRecording> OpenRecording(const std::string& path,
                                      const std::function<void()>& between) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return ErrnoStatus(errno, "open " + path);
  }
  if (S_ISDIR(info.st_mode)) {
    return OpenSpill(path, between);
  }
  return OpenFile(path);
}

}  // namespace fodc::ctl
