// SPDX-License-Identifier: Apache-2.0
// The events that an agent, or a proxy that keeps copies, has on disk: one
// directory each below a root, named by its id (docs/formats/capsule.md says
// what lies in it). Whatever is asked for is named by id and artifact, is
// looked for beneath the root's descriptor, and is never a link.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/evidence/artifact_reader.h"
#include "fodc/evidence/capsule_reader.h"
#include "fodc/evidence/event_meta.h"
#include "fodc/evidence/event_writer.h"
#include "fodc/evidence/retention.h"

namespace fodc::evidence {

class ByteBudget;
class StoreCore;

struct EventInfo {
  std::string id;
  EventMeta meta;
  std::uint64_t bytes = 0;  // of the files in it, but meta.json
  bool is_pinned = false;
};

// What was found at the start, and what was done about it.
struct SweepReport {
  // False: another process has the root open, so what looks unfinished may be
  // in its hands. Nothing was removed.
  bool is_alone = false;
  std::vector<std::string> removed;  // events and copies without an end
  std::size_t leftovers = 0;         // half-written files in finished events
  std::vector<Status> failures;
};

struct RetentionReport {
  std::vector<std::string> deleted;
  // Events that were to go and did not, or not wholly.
  std::vector<Status> failures;
};

// Every function blocks as long as the disk does, and is for the pool, never
// for the loop. Thread-safe: what is asked for at once for one event either
// agrees or fails with kUnavailable, and no lock is held over the disk. Two
// processes may have one root open; only the first sweeps.
// After somebody removed the root it is made anew by whoever asks next.
class EventStore {
 public:
  struct Options {
    std::string root;  // made (0750) if it is not there
    // What captures leave free on the file system.
    std::uint64_t keep_free_bytes = 64 << 20;
  };

  // Sweeps. An event whose meta.json is damaged stays: it is not listed, but
  // retention knows it.
  // Errors: as mkdir(2) and open(2); kPermissionDenied for a root that belongs
  // neither to root nor to this process. A root that is readable and no more is
  // opened: what lies there can still be had.
  static Result<std::unique_ptr<EventStore>> Open(const Options& options);
  ~EventStore();
  EventStore(const EventStore&) = delete;
  EventStore& operator=(const EventStore&) = delete;

  // Absolute. An artifact is `root`/<id>/<name>, which v1 peers want to know.
  const std::string& root() const;
  const SweepReport& sweep() const { return sweep_; }
  // Writes a file, `.write-probe`, and removes it. Errors: why it cannot.
  Status CheckWritable() const;

  // A new event. If there is one of `at` it takes the next nanosecond that is
  // free. The writer outlives the store if need be.
  // Errors: kResourceExhausted if `budget.min_bytes` are not to be had beyond
  // keep_free_bytes; as mkdir(2).
  Result<std::unique_ptr<EventWriter>> Begin(UnixTime at,
                                             const EventBudget& budget);
  // One that is finished, for a further revision. The files that it has are
  // part of `budget.max_bytes`.
  // Errors: as Read and Begin; kUnavailable while it is written or deleted.
  Result<std::unique_ptr<EventWriter>> Reopen(std::string_view id,
                                              const EventBudget& budget);

  // A copy of another store's event, from its capsule. It is there when all of
  // it is known to be right. One that is there in an older revision is replaced
  // at once, and stays pinned. `accept`, if any, sees it before it takes
  // anyone's place, and may refuse it: a capsule says itself which event it is.
  // Errors: as ReadCapsule, Begin and `accept`; kAlreadyExists if it is there
  // in this revision or a newer one; kUnavailable while it is written or
  // deleted.
  using AcceptCapsule = std::function<Status(const CapsuleContent&)>;
  Result<CapsuleContent> Import(const ReadBytes& read,
                                const EventBudget& budget,
                                const AcceptCapsule& accept = {});

  // Events with a valid meta.json, the newest first, `max` at most.
  Result<std::vector<EventInfo>> List(std::size_t max = 1024) const;
  // Errors: kInvalidArgument for what is no id or leads elsewhere; kNotFound,
  // also for an unfinished event; kDataLoss if its meta.json is damaged.
  Result<EventInfo> Read(std::string_view id) const;
  // One that the event's meta.json lists. What was opened stays readable when
  // the event is deleted. Errors: as Read, of the artifact, too.
  Result<ArtifactReader> OpenArtifact(std::string_view id,
                                      std::string_view name) const;

  // A pinned event is not deleted by Retain. It is a file in the event, so that
  // Go's events can be pinned and a full disk does not prevent it.
  // Errors: as Read; kResourceExhausted if MayPin says no.
  Status Pin(std::string_view id, const RetentionLimits& limits);
  Status Unpin(std::string_view id);

  // Deletes the files of one event, meta.json first, and its directory.
  // Directories in it, and what links in it lead to, are nothing of ours: if
  // there are any, kFailedPrecondition, and what is left is swept at the next
  // start. Errors: kUnavailable while it is in use.
  Status Delete(std::string_view id);
  // Deletes what ChooseEventsToDelete chooses. After a commit, not before: a
  // capture that fails is to cost nothing.
  Result<RetentionReport> Retain(const RetentionLimits& limits, UnixTime now);

  // What captures may take: free bytes less keep_free_bytes.
  Result<std::uint64_t> FreeBytes() const;

 private:
  EventStore(std::shared_ptr<StoreCore> core, SweepReport sweep);

  Result<std::vector<KeptEvent>> KeptEvents() const;
  // What an event gets of the disk.
  Result<std::shared_ptr<ByteBudget>> Grant(const EventBudget& budget) const;

  std::shared_ptr<StoreCore> core_;
  SweepReport sweep_;
};

}  // namespace fodc::evidence
