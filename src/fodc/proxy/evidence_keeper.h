// SPDX-License-Identifier: Apache-2.0
// Copies of the nodes' evidence on the proxy's own disk (--evidence-dir), so
// that it outlives the pod it is of.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/evidence/event_store.h"
#include "fodc/fleet/evidence_copies.h"
#include "fodc/fleet/fleet.h"
#include "fodc/link/evidence_server.h"
#include "fodc/net/event_loop.h"

namespace fodc::proxy {

// Copies what flight agents that are online have, one event at a time, of
// each pod in turn, the newest first; v1 agents have no capsules. A newer
// revision takes the place of the older one. What fails is tried again, later
// each time; what was deleted for want of room is not copied again by this
// process.
//
// Belongs to the loop's thread.
class EvidenceKeeper final : public fleet::EvidenceCopies {
 public:
  struct Options {
    std::string directory;
    evidence::RetentionLimits limits{};
    std::uint64_t keep_free_bytes = 64 << 20;
    // A copy ends within so long, and what its bytes take at that rate: an
    // agent that trickles does not hold up the copies of others.
    std::chrono::nanoseconds copy_grace = std::chrono::seconds(60);
    std::uint64_t least_bytes_per_second = 1 << 20;
    // What has become too old goes this often.
    std::chrono::nanoseconds retain_every = std::chrono::minutes(1);
  };
  // Counters since the start and, where said, present values.
  struct Stats {
    std::size_t copies = 0;     // now
    std::uint64_t bytes = 0;    // now, of their files
    std::size_t waiting = 0;    // now, to be copied or tried again
    std::uint64_t copied = 0;   // newer revisions, too
    std::uint64_t failed = 0;   // attempts
    std::uint64_t refused = 0;  // events that may not be kept at all
    std::uint64_t deleted = 0;  // to stay within the limits
  };
  // No more copies than that, whatever the limits: each one's listing is in
  // memory, in 128 KiB at most.
  static constexpr std::size_t kMaxCopies = 1024;

  // Blocks: for the start of the program. `loop` and `fleet` must outlive it.
  // Errors: those of EventStore::Open, and of a directory that cannot be
  // written.
  static Result<std::unique_ptr<EvidenceKeeper>> Open(net::EventLoop& loop,
                                                      const fleet::Fleet& fleet,
                                                      const Options& options);
  // As Stop.
  ~EvidenceKeeper() override;

  // Copies from now on. `commander` must outlive it or Stop.
  void Start(fleet::EvidenceCommander* commander);
  // Copies no more; one that is under way leaves nothing. What there is can
  // still be had.
  void Stop();

  std::vector<std::shared_ptr<const fleet::NodeEvents>> List() const override;
  std::shared_ptr<const fleet::NodeEvents> Find(
      std::string_view pod_name) const override;
  void Fetch(std::string_view pod_name, const fleet::EvidenceQuestion& question,
             fleet::EvidenceCommander::FetchCallback done) override;
  void Pin(std::string_view pod_name, const std::string& event_id, bool pinned,
           fleet::EvidenceCommander::DoneCallback done) override;

  std::optional<bool> PinWish(std::string_view pod_name,
                              std::string_view event_id) const override;

  Stats stats() const;

 private:
  struct Copying;
  struct ImportResult;
  // What came of the events that are listed, by pod (in lower case) and id.
  using Name = std::pair<std::string, std::string>;
  struct Attempt {
    std::uint32_t revision = 0;
    int failures = 0;
    bool is_settled = false;
    bool is_node_pinned = false;  // as it was listed last
    bool wants_pin = false;       // the copy is to be pinned as well
    bool is_pinning = false;      // that is under way
    MonotonicTime next{};
  };
  using ListedRef = std::shared_ptr<const fleet::ListedEvent>;

  EvidenceKeeper(net::EventLoop& loop, const fleet::Fleet& fleet,
                 const Options& options,
                 std::shared_ptr<evidence::EventStore> store);

  // Begins with the next event that is to be copied, if none is under way.
  void CopyNext();
  // Why it may never be kept; OK: it may.
  Status CheckMayKeep(const fleet::NodeEvents& node,
                      const fleet::ListedEvent& event) const;
  void Begin(const std::shared_ptr<const fleet::NodeEvents>& node,
             const ListedRef& event);
  void OnAnswer(const std::shared_ptr<Copying>& copying,
                Result<fleet::EvidenceAnswer> answer);
  // Errors: kUnavailable: there is no thread to be had.
  Status Import(const std::shared_ptr<Copying>& copying);
  // Goes on with copying number `number`, if it is still the one under way.
  void Pump(std::uint64_t number);
  void OnImported(std::uint64_t number, const ImportResult& result);
  void OnEnd(const Status& status);
  bool IsTooOld(const fleet::ListedEvent& event) const;
  void TakePin(const Name& name);
  // Hands on to an agent that is online again what was asked for meanwhile.
  void HandOnPin(const fleet::AgentId& agent, const Name& name, bool pinned);
  // Deletes what is too old.
  void RetainByAge();
  void OnRetained(std::size_t deleted);
  void Relist(net::Task done);
  void TakeList(std::vector<fleet::ListedEvent> events);
  ListedRef CopyOf(std::string_view pod_name, std::string_view id) const;

  net::EventLoop& loop_;
  const fleet::Fleet& fleet_;
  const Options options_;
  const std::shared_ptr<evidence::EventStore> store_;
  fleet::EvidenceCommander* commander_ = nullptr;  // null: not started
  std::map<std::string, std::shared_ptr<const fleet::NodeEvents>, std::less<>>
      copies_;  // by pod name in lower case
  std::map<Name, Attempt> attempts_;
  // Of copies alone, so that they are as bounded; true: to be pinned.
  std::map<Name, bool> pin_wishes_;
  std::shared_ptr<Copying> copying_;  // null: none is under way
  std::uint64_t copyings_ = 0;        // ever begun
  std::string last_pod_;  // others come first: one that has ever more waits
  Stats stats_;
  net::EventLoop::Handle poll_;
  net::EventLoop::Handle retain_;
  // Waits for the agent and the disk, which the loop's workers must not. It has
  // ended, or is about to, when `is_importing_` is false.
  std::jthread importer_;
  bool is_importing_ = false;
  // Null when the keeper is gone. Other threads hold it, the loop looks into
  // it.
  std::shared_ptr<EvidenceKeeper*> self_ =
      std::make_shared<EvidenceKeeper*>(this);
  // Last: what it calls back uses the rest.
  std::unique_ptr<link::EvidenceServer> server_;
};

}  // namespace fodc::proxy
