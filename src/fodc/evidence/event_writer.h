// SPDX-License-Identifier: Apache-2.0
// One event on its way to disk.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/evidence/artifact_sink.h"
#include "fodc/evidence/event_meta.h"

namespace fodc::evidence {

class EventFilesOnDisk;
class StoreCore;

// What an event may take of the disk.
struct EventBudget {
  std::uint64_t max_bytes = 256 << 20;
  // With less it is not worth to begin. What is free may be less than twice
  // `max_bytes`, and half of it is then the budget, so that another event can
  // begin beside this one.
  std::uint64_t min_bytes = 1 << 20;
};

inline constexpr std::size_t kMaxEventFiles = 128;

// Every function blocks as long as the disk does, the destructor, too. One
// owner at a time; the sinks that it gives out may be on other threads.
class EventWriter {
 public:
  // Removes what was not committed: the whole event, or, of one that was
  // committed before, the artifacts since.
  ~EventWriter();
  EventWriter(const EventWriter&) = delete;
  EventWriter& operator=(const EventWriter&) = delete;

  const std::string& id() const { return id_; }
  UnixTime at() const { return at_; }
  // As last committed; of a new event empty.
  const EventMeta& meta() const { return meta_; }
  std::uint64_t budget_left_bytes() const;

  // A new file (0600) of the event. It is not there under its name before it
  // is finished, and not for others before the commit.
  // Errors: kInvalidArgument for its name; kAlreadyExists; kResourceExhausted
  // beyond kMaxEventFiles; as open(2).
  Result<std::unique_ptr<ArtifactSink>> OpenArtifact(std::string_view name,
                                                     std::uint64_t max_bytes);

  // The event is there, or has a further revision: files and directory are
  // synced, and meta.json is replaced by rename, last. Files that it does not
  // name, and the revision before did, are then removed. Sets `captured_at`,
  // `revision` and each profile's `filepath`. Can be called again: for what
  // came later, or after an error, which leaves the event as it was.
  // Errors: kFailedPrecondition while a sink is open, and if the event's
  // directory was removed or replaced; kInvalidArgument if CheckEventMeta
  // refuses, or a file that came since the last commit is not there in the
  // size that `meta` says; as open(2) and fsync(2).
  Status Commit(EventMeta meta);

 private:
  friend class EventStore;
  // `meta` of an event that was committed before.
  EventWriter(std::shared_ptr<StoreCore> core, std::string id, UnixTime at,
              std::shared_ptr<EventFilesOnDisk> files,
              std::optional<EventMeta> meta);

  Status CheckFiles(const EventMeta& meta) const;
  Status CheckPlace() const;

  const std::shared_ptr<StoreCore> core_;
  const std::string id_;
  const UnixTime at_;
  const std::shared_ptr<EventFilesOnDisk> files_;
  bool is_committed_;
  EventMeta meta_;
};

}  // namespace fodc::evidence
