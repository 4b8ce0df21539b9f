// SPDX-License-Identifier: Apache-2.0
// For this room only: the directory of an event that is being written, shared
// by its writer and its sinks; and how one is removed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/directory.h"
#include "fodc/base/mutex.h"
#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/evidence/artifact_sink.h"
#include "fodc/evidence/store_core.h"

namespace fodc::evidence {

inline constexpr std::string_view kMetaFile = "meta.json";
inline constexpr std::string_view kMetaTempFile = "meta.json.tmp";
inline constexpr std::string_view kPinFile = ".pinned";
// No event of ours has so many files; a stranger's directory is not read whole.
inline constexpr std::size_t kMaxDirectoryNames = 4096;

// An artifact, or a copy of an event, that is not finished.
std::string PartName(std::string_view name);
// Of what it is a part; empty if it is none.
std::string_view PartOf(std::string_view name);

// Removes the files of the event, meta.json first, and then `id` from `root`.
// Errors: see EventStore::Delete.
Status RemoveEvent(const Directory& root, std::string_view id,
                   const Directory& event);

// Thread-safe.
class EventFilesOnDisk : public std::enable_shared_from_this<EventFilesOnDisk> {
 public:
  EventFilesOnDisk(Directory directory, std::shared_ptr<ByteBudget> budget)
      : directory_(std::move(directory)), budget_(std::move(budget)) {}

  const Directory& directory() const { return directory_; }
  ByteBudget& budget() const { return *budget_; }

  Result<std::unique_ptr<ArtifactSink>> Open(std::string_view name,
                                             std::uint64_t max_bytes);

  // Of a sink: its file got its name, or is gone.
  void Finished(const std::string& name, UniqueFd fd);
  void Discarded();

  bool has_open_sinks() const;
  // fsync of what was finished since the last Committed.
  Status SyncFinished();
  void Committed();
  // Removes what was finished since the last Committed.
  void RemoveFinished();

 private:
  const Directory directory_;
  const std::shared_ptr<ByteBudget> budget_;
  mutable Mutex mutex_;
  std::size_t opened_ FODC_GUARDED_BY(mutex_) = 0;
  std::size_t open_ FODC_GUARDED_BY(mutex_) = 0;
  struct File {
    std::string name;
    std::shared_ptr<UniqueFd> fd;
  };
  std::vector<File> finished_ FODC_GUARDED_BY(mutex_);
};

}  // namespace fodc::evidence
