// SPDX-License-Identifier: Apache-2.0
// For this room only: what the sessions of the server share.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/fleet/evidence_commander.h"
#include "fodc/fleet/fleet.h"
#include "fodc/link/server.h"
#include "fodc/link/server_stream.h"
#include "fodc/net/event_loop.h"

namespace fodc::link {

// One agent's registration, from its first stream on. Kept alive by the core
// until End.
class AgentSession : public std::enable_shared_from_this<AgentSession> {
 public:
  explicit AgentSession(std::string peer) : peer_(std::move(peer)) {}
  virtual ~AgentSession() = default;

  const fleet::AgentId& id() const { return id_; }  // empty: not admitted yet
  const std::string& peer() const { return peer_; }

  // Asks the agent whether it lives. `done` is called exactly once.
  virtual void Probe(std::function<void(bool alive)> done) = 0;
  // Its entry is gone, or the server closes: ends all its streams.
  virtual void Dismiss(const Status& status, std::uint32_t retry_after_ms) = 0;
  // Every tick_period.
  virtual void Tick(MonotonicTime now) = 0;
  virtual void AddStats(LinkServer::Stats* stats) const = 0;

  // Of a v1 agent. `done` may be called within, and after the session's end.
  virtual void RefreshEvents(MonotonicTime deadline,
                             std::function<void(const Status&)> done) = 0;
  // As fleet::EvidenceCommander has them, but callbacks may come within.
  virtual void Fetch(const fleet::EvidenceQuestion& question,
                     MonotonicTime deadline,
                     fleet::EvidenceCommander::FetchCallback done) = 0;
  virtual void Pin(const std::string& event_id, bool pinned,
                   MonotonicTime deadline,
                   fleet::EvidenceCommander::DoneCallback done) = 0;

 protected:
  fleet::AgentId id_;
  const std::string peer_;
};

// The loop counts; the stream's thread looks.
struct Downloads {
  std::size_t open = 0;
  std::atomic<std::size_t> hurried = 0;
};

// One that is under way as long as this lives: hurried, until somebody says
// that its reader is slower than its agent. The loop only.
class Download {
 public:
  explicit Download(std::shared_ptr<Downloads> all);
  ~Download();
  Download(const Download&) = delete;
  Download& operator=(const Download&) = delete;

  void SetHurried(bool is_hurried);

 private:
  const std::shared_ptr<Downloads> all_;  // the core may go first
  bool is_hurried_ = false;
};

class ServerCore {
 public:
  ServerCore(net::EventLoop& l, fleet::Fleet& f, LinkServer::Options o)
      : loop(l), fleet(f), options(std::move(o)) {}

  MonotonicTime Now() const { return loop.clock().Monotonic(); }

  // Settles a claim, with probes if need be; closes the sessions of those that
  // give way. `alive` tells whether the claimant is still there after a probe.
  void Admit(const std::shared_ptr<fleet::Registry::Claim>& claim,
             const std::string& peer, std::function<bool()> alive,
             std::function<void(const fleet::Registry::Admission&)> done);

  void Begin(std::shared_ptr<AgentSession> session);
  void Registered(const std::shared_ptr<AgentSession>& session);
  void End(AgentSession* session);
  AgentSession* Find(const fleet::AgentId& id) const;

  // Ends a stream in good order, or by force after close_timeout. Nothing more
  // is heard of it.
  void CloseSoon(std::shared_ptr<Stream> stream, const Status& status);
  // In the log: an agent left. It said so, or was told to go, if `in_order`.
  void TellLeft(const fleet::AgentId& id, const Status& status, bool in_order);
  // In the log: this agent claims the pod of another, which lives.
  void TellConflict(const fleet::AgentId& id);
  void Tick();
  // Of the fleet, every half of its heartbeat timeout.
  void Sweep();
  LinkServer::Stats TakeStats() const;
  // Under way, and those of them that are hurried.
  const std::shared_ptr<Downloads>& downloads() const { return downloads_; }
  // While it is not 0, messages are read as they come. For the stream's thread.
  std::shared_ptr<const std::atomic<std::size_t>> hurries() const {
    return {downloads_, &downloads_->hurried};
  }

  net::EventLoop& loop;
  fleet::Fleet& fleet;
  const LinkServer::Options options;
  LinkServer::Stats stats;
  bool draining = false;
  std::set<std::shared_ptr<AgentSession>> sessions;
  std::size_t unregistered = 0;
  std::chrono::nanoseconds tick_period{0};

 private:
  struct Bucket {
    double tokens = 0;
    MonotonicTime at;
  };
  Status CheckRate(const std::string& peer);
  void Settle(const std::shared_ptr<fleet::Registry::Claim>& claim,
              std::function<bool()> alive,
              std::function<void(const fleet::Registry::Admission&)> done);

  std::unordered_map<fleet::AgentId, std::shared_ptr<AgentSession>> by_id_;
  std::map<std::string, std::size_t> agents_per_peer_;
  std::map<std::string, Bucket> buckets_;
  std::vector<std::pair<std::shared_ptr<Stream>, MonotonicTime>> closing_;
  MonotonicTime last_tick_;
  const std::shared_ptr<Downloads> downloads_ = std::make_shared<Downloads>();
};

}  // namespace fodc::link
