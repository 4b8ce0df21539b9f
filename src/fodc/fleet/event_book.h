// SPDX-License-Identifier: Apache-2.0
// The events that the nodes of a fleet have, as their agents told. A listing
// belongs to the node, not to a stream: it stays when the agent goes, and does
// not double when it returns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/evidence/event_meta.h"
#include "fodc/fleet/agent.h"

namespace fodc::fleet {

// One event as an agent told of it.
struct ListedEvent {
  std::string id;
  // `filepath`s are of the agent's disk: v1 agents want them back.
  evidence::EventMeta meta;
  std::uint64_t bytes = 0;
  bool is_pinned = false;
};

// Of one node. Immutable: may be kept and read on any thread.
struct NodeEvents {
  AgentId agent;  // who told last; may be gone from the registry
  AgentKind kind = AgentKind::kV1;
  std::string pod_name;
  std::string role;
  std::vector<std::shared_ptr<const ListedEvent>> events;  // newest first
};

// Not thread-safe: the proxy's loop owns it.
class EventBook {
 public:
  struct Limits {
    std::size_t max_nodes = 4096;
    std::size_t max_events_per_node = 256;
    std::size_t max_bytes = 64u << 20;  // of all, about
  };
  struct Stats {
    std::size_t nodes = 0;
    std::size_t events = 0;
    std::size_t bytes = 0;
    std::uint64_t refused = 0;  // events that broke a rule or a bound
    std::uint64_t dropped = 0;  // gave way to others
  };

  explicit EventBook(const Limits& limits) : limits_(limits) {}

  // All events that the node has now, in one step. Those that break
  // CheckEventMeta, or whose id is none, are left out: the first failure is
  // returned, the rest taken in. Of one id the last holds. Beyond a limit the
  // oldest events go: of a node its own, of all those of the node that has
  // most; of nodes the one told of longest ago.
  Status Replace(const Agent& agent, std::vector<ListedEvent> events);
  // One that is new or has changed; or is gone.
  Status Put(const Agent& agent, ListedEvent event);
  void Erase(const Agent& agent, std::string_view event_id);
  // What `agent` told last has this event pinned, or not, from now on: known
  // before it tells so itself. No effect if there is none.
  void SetPinned(const AgentId& agent, std::string_view event_id, bool pinned);

  // By pod name, then the one told of last first. Nodes without events are not
  // listed.
  std::vector<std::shared_ptr<const NodeEvents>> List() const;
  // Of that pod (case does not count), the one told of last first.
  std::vector<std::shared_ptr<const NodeEvents>> Find(
      std::string_view pod_name) const;
  // What this agent told, or null.
  std::shared_ptr<const NodeEvents> Of(const AgentId& agent) const;

  Stats stats() const;

 private:
  using Events = std::vector<std::shared_ptr<const ListedEvent>>;
  struct Node {
    std::shared_ptr<const NodeEvents> told;
    std::uint64_t number = 0;  // grows with each telling
    std::size_t bytes = 0;
  };

  Status Check(const ListedEvent& event);
  // What was known of the agent's node, which is named `name` from now on.
  Events TakeKnown(const Agent& agent, const std::string& name);
  void Keep(const Agent& agent, std::string name, Events events);
  // Those of `events`, in the order of their ids, that other agents of the pod
  // of `name` told of before: one and the same directory, as when a node's
  // agent was replaced by one of the other kind.
  void DropElsewhere(const std::string& name, const Events& events);
  void Drop(std::map<std::string, Node>::iterator it);
  void Fit();

  const Limits limits_;
  // By pod and, of a flight agent, instance: what a returning agent finds
  // again. One in conflict is apart until the other has gone.
  std::map<std::string, Node> nodes_;
  Stats stats_;
  std::uint64_t last_number_ = 0;
};

// What it takes in memory, about.
std::size_t EventBytes(const ListedEvent& event);

}  // namespace fodc::fleet
