// SPDX-License-Identifier: Apache-2.0
// The registry: which agents there are, which of them are alive, and who may
// take whose place. Rules only: no streams, no timers.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/fleet/agent.h"

namespace fodc::fleet {

// Not thread-safe: the proxy's loop owns it.
class Registry {
 public:
  struct Options {
    std::chrono::nanoseconds heartbeat_timeout = std::chrono::seconds(30);
    // Offline for longer: the entry goes. Must exceed heartbeat_timeout.
    std::chrono::nanoseconds cleanup_timeout = std::chrono::minutes(5);
    std::size_t max_agents = 1000;
  };

  struct Claim {
    AgentKind kind = AgentKind::kV1;
    AgentIdentity identity;
    std::string version;
    std::string peer_address;
    // Agents that were probed for this claim and answered, or did not.
    std::set<AgentId> found_alive;
    std::set<AgentId> found_dead;
  };

  // What becomes of a claim.
  struct Admission {
    // Refused: says why, in the words of v1. The registry is unchanged.
    Status status;
    // To be probed: this agent looks alive and has the same pod name. Ask it,
    // then claim again with the outcome. The registry is unchanged.
    std::optional<AgentId> probe;
    // Admitted under this id.
    AgentId id;
    bool conflict = false;
    // Entries that gave way: their streams are to be closed.
    std::vector<AgentId> replaced;
    // The one of `replaced` whose recording the newcomer goes on with; none for
    // a v1 agent.
    std::optional<AgentId> heir_of;
    // Offline entries that went to make room.
    std::vector<AgentId> evicted;
  };

  // Counters since the start.
  struct Stats {
    std::uint64_t admitted = 0;
    std::uint64_t replaced = 0;
    std::uint64_t conflicts = 0;
    std::uint64_t refused_full = 0;
    std::uint64_t refused_invalid = 0;
    std::uint64_t expired = 0;  // by cleanup_timeout
    std::uint64_t evicted = 0;  // offline, to make room
  };

  // `clock` must outlive the registry.
  Registry(const Clock& clock, const Options& options);

  // One agent per pod. When nobody is alive behind the old entry, the newcomer
  // takes its place, and a flight agent its recording, that of its own instance
  // before another's; a second live one is admitted beside it, in conflict.
  // Errors, in v1's order: kResourceExhausted when full, kInvalidArgument for
  // an empty role or pod name.
  Admission Admit(const Claim& claim);

  // A sign of life. kNotFound, "agent <id> not found", for an id that is gone.
  Status Heartbeat(const AgentId& id);
  // A v1 heartbeat also refreshes role and labels: a role that is empty or
  // unspecified never replaces a known one, and with it stay the labels; no
  // labels at all never replace labels.
  Status RefreshRole(const AgentId& id, const std::string& role,
                     const Labels& labels);
  // A flight agent tells its whole identity anew. Instance, incarnation and pod
  // name stay what they were at registration.
  Status UpdateIdentity(const AgentId& id, const AgentIdentity& identity);
  void SetRoundTrip(const AgentId& id, std::chrono::microseconds rtt);

  // Its stream has ended: offline at once. An agent that was in conflict with
  // it is so no more, and replaces it if there is no recording to keep.
  void Disconnect(const AgentId& id);
  // As if it had never come (its registration could not be answered).
  void Remove(const AgentId& id);

  // The proxy itself was silent for so long that live agents may hang up, only
  // to come back.
  void Await(MonotonicTime until);

  // Turns silent agents offline and drops those silent for cleanup_timeout.
  // Call it every heartbeat_timeout / 2. Returns what was dropped.
  std::vector<AgentId> Sweep();
  // Of an offline entry: whether something (a recording) makes it worth keeping
  // when room is needed.
  void SetPrecious(const AgentId& id, bool precious);

  const Agent* Find(const AgentId& id) const;
  // The list at this moment; the same object until something changes, as it
  // does with each heartbeat.
  AgentList List() const;
  std::size_t size() const { return entries_.size(); }
  const Stats& stats() const { return stats_; }
  const Options& options() const { return options_; }

 private:
  struct Entry {
    Agent agent;
    bool connected = true;
    bool precious = false;
  };
  bool IsLive(const Entry& e) const;
  bool SettleConflicts(const std::string& pod_name);
  void Touch(Entry* e);
  bool MakeRoom(const std::set<AgentId>& giving_way,
                std::optional<AgentId>* evicted) const;

  const Clock& clock_;
  const Options options_;
  std::map<AgentId, Entry> entries_;
  mutable AgentList list_;  // null: to be built
  Stats stats_;
};

}  // namespace fodc::fleet
