// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/recording_reader.h"

#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <string_view>
#include <utility>

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
                         .is_spill = false,
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

// Applies the records of one log, over gaps and around damage.
Status ReadLog(const std::string& directory, OpenedRecording* opened) {
  const auto damaged = [&](std::string text) {
    ++opened->damaged_regions;
    if (opened->damage.size() < recorder::FileReport::kMaxDamage) {
      opened->damage.push_back(std::move(text));
    }
  };
  // What is refused refers to what was lost with a damaged record.
  recorder::LogApplier apply(&opened->recording);
  wal::ReadOptions options;
  options.phase = "offline";
  options.on_damage = [&](const wal::Damage& d) {
    damaged(StrCat(d.path, ": offset ", d.offset, ": ", d.length_bytes,
                   " bytes: ", d.reason));
  };
  const auto summary = wal::ReadOnly(
      directory,
      [&](const wal::Record& record) {
        opened->disk_bytes += record.payload.size() + wal::kRecordOverheadBytes;
        const auto entries = recorder::UnpackEntries(record.payload);
        const Status s =
            entries.ok() ? recorder::ReadEntries(*entries, std::ref(apply))
                         : entries.status();
        if (!s.ok()) {
          damaged(StrCat(directory, ": record ", record.sequence, ": offset ",
                         record.offset, ": ", s.message()));
        }
        return OkStatus();
      },
      options);
  FODC_RETURN_IF_ERROR(summary.status());
  if (summary->tail == wal::Tail::kTorn) {
    damaged(StrCat(directory, ": offset of the end: ", summary->torn_bytes,
                   " bytes: the last write was cut (the agent's next start "
                   "repairs it)"));
  }
  return OkStatus();
}

// What room recorder's Spill keeps, read without its lock.
Result<OpenedRecording> OpenSpill(const std::string& path) {
  OpenedRecording opened{
      .recording = recorder::Recording(1, recorder::FileReadingOptions()),
      .identity = {},
      .is_spill = true,
      .disk_bytes = 0,
      .damage = {},
      .damaged_regions = 0};
  bool found = false;
  for (const char* name : {"/chunks", "/tail"}) {
    const auto exists = wal::Exists(path + name);
    if (!exists.ok() || !*exists) continue;
    found = true;
    FODC_RETURN_IF_ERROR(ReadLog(path + name, &opened));
  }
  if (!found) {
    return NotFound(path +
                    ": no recording in this directory (a --recorder-dir has "
                    "the directories chunks and tail)");
  }
  return opened;
}

}  // namespace

Result<OpenedRecording> OpenRecording(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return ErrnoStatus(errno, "open " + path);
  }
  if (S_ISDIR(info.st_mode)) {
    return OpenSpill(path);
  }
  return OpenFile(path);
}

}  // namespace fodc::ctl
