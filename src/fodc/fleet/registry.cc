// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/registry.h"

#include <algorithm>
#include <tuple>

#include "fodc/base/strings.h"

namespace fodc::fleet {

Registry::Registry(const Clock& clock, const Options& options)
    : clock_(clock), options_(options) {}

bool Registry::IsLive(const Entry& e) const {
  return e.connected && e.agent.status != AgentStatus::kOffline &&
         clock_.Monotonic() - e.agent.last_heard <= options_.heartbeat_timeout;
}

// Whether there is room for one more, once those that give way are gone;
// chooses whom to drop if need be.
bool Registry::MakeRoom(const std::set<AgentId>& giving_way,
                        std::optional<AgentId>* evicted) const {
  if (entries_.size() - giving_way.size() < options_.max_agents) return true;
  const Entry* oldest = nullptr;
  for (const auto& [id, e] : entries_) {
    if (IsLive(e) || e.precious || giving_way.contains(id)) continue;
    if (oldest == nullptr || e.agent.last_heard < oldest->agent.last_heard) {
      oldest = &e;
    }
  }
  if (oldest == nullptr) return false;
  *evicted = oldest->agent.id;
  return true;
}

Registry::Admission Registry::Admit(const Claim& claim) {
  Admission out;
  const AgentIdentity& who = claim.identity;
  std::set<AgentId> giving_way;
  bool conflict = false;
  bool heir_is_same_instance = false;
  for (const auto& [id, e] : entries_) {
    const AgentIdentity& old = e.agent.identity;
    // Whatever else it says: one of another pod returns to nothing of this one.
    if (old.pod_name != who.pod_name) continue;
    const bool same_instance =
        !who.instance_id.empty() && old.instance_id == who.instance_id;
    // Two processes may well bear one instance id (a copied directory): who
    // lives is asked.
    const bool dead = !IsLive(e) || claim.found_dead.contains(id);
    if (!dead) {
      if (!claim.found_alive.contains(id)) {
        if (!out.probe) out.probe = id;
        continue;
      }
      conflict = true;
      continue;
    }
    giving_way.insert(id);
    if (claim.kind == AgentKind::kFlight && e.precious &&
        (!out.heir_of || same_instance) && !heir_is_same_instance) {
      out.heir_of = id;
      heir_is_same_instance = same_instance;
    }
  }
  std::optional<AgentId> evicted;
  if (!MakeRoom(giving_way, &evicted)) {
    ++stats_.refused_full;
    out = {};
    out.status = ResourceExhausted(
        StrCat("maximum number of agents (", options_.max_agents, ") reached"));
    return out;
  }
  if (who.role.empty() || who.pod_name.empty()) {
    ++stats_.refused_invalid;
    out = {};
    out.status = InvalidArgument(who.role.empty() ? "node role cannot be empty"
                                                  : "pod name cannot be empty");
    return out;
  }
  if (out.probe) {
    out.heir_of.reset();
    return out;
  }
  for (const AgentId& id : giving_way) {
    entries_.erase(id);
    out.replaced.push_back(id);
    ++stats_.replaced;
  }
  if (evicted) {
    entries_.erase(*evicted);
    out.evicted.push_back(*evicted);
    ++stats_.evicted;
  }
  out.id = NewUuid();
  out.conflict = conflict;
  Entry e;
  e.agent.id = out.id;
  e.agent.kind = claim.kind;
  e.agent.status = conflict ? AgentStatus::kConflict : AgentStatus::kOnline;
  e.agent.identity = who;
  e.agent.version = claim.version;
  e.agent.peer_address = claim.peer_address;
  e.agent.registered_at = clock_.Unix();
  e.precious = out.heir_of.has_value();
  Touch(&e);
  entries_.emplace(out.id, std::move(e));
  ++stats_.admitted;
  if (conflict) ++stats_.conflicts;
  list_.reset();
  return out;
}

void Registry::Touch(Entry* e) {
  e->agent.last_heard = clock_.Monotonic();
  e->agent.last_heartbeat = clock_.Unix();
  list_.reset();
}

Status Registry::Heartbeat(const AgentId& id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) {
    return NotFound(StrCat("agent ", id, " not found"));
  }
  Entry& e = it->second;
  Touch(&e);
  if (e.agent.status == AgentStatus::kOffline && e.connected) {
    // It was silent and speaks again; meanwhile another may have taken over.
    e.agent.status = AgentStatus::kOnline;
    for (const auto& [other_id, other] : entries_) {
      if (other_id != id && IsLive(other) &&
          other.agent.identity.pod_name == e.agent.identity.pod_name &&
          other.agent.status == AgentStatus::kOnline) {
        e.agent.status = AgentStatus::kConflict;
        ++stats_.conflicts;
        break;
      }
    }
  }
  return OkStatus();
}

Status Registry::RefreshRole(const AgentId& id, const std::string& role,
                             const Labels& labels) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) {
    return NotFound(StrCat("agent ", id, " not found"));
  }
  if (role.empty() || role == kRoleUnspecified) return OkStatus();
  AgentIdentity& identity = it->second.agent.identity;
  identity.role = role;
  if (!labels.empty()) identity.labels = labels;
  list_.reset();
  return OkStatus();
}

Status Registry::UpdateIdentity(const AgentId& id,
                                const AgentIdentity& identity) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) {
    return NotFound(StrCat("agent ", id, " not found"));
  }
  AgentIdentity& held = it->second.agent.identity;
  AgentIdentity next = identity;
  next.instance_id = held.instance_id;
  next.incarnation = held.incarnation;
  next.pod_name = held.pod_name;
  if (next.role.empty()) next.role = held.role;
  held = std::move(next);
  list_.reset();
  return OkStatus();
}

void Registry::SetRoundTrip(const AgentId& id, std::chrono::microseconds rtt) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  it->second.agent.round_trip = rtt;
  list_.reset();
}

void Registry::SetPrecious(const AgentId& id, bool precious) {
  const auto it = entries_.find(id);
  if (it != entries_.end()) it->second.precious = precious;
}

// If nobody online has this pod name, the longest registered of those in
// conflict is in conflict no more. Whether anybody is online then.
bool Registry::SettleConflicts(const std::string& pod_name) {
  Entry* first = nullptr;
  for (auto& [id, e] : entries_) {
    if (e.agent.identity.pod_name != pod_name || !IsLive(e)) continue;
    if (e.agent.status == AgentStatus::kOnline) return true;
    if (first == nullptr ||
        e.agent.registered_at < first->agent.registered_at) {
      first = &e;
    }
  }
  if (first != nullptr) first->agent.status = AgentStatus::kOnline;
  return first != nullptr;
}

void Registry::Disconnect(const AgentId& id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  it->second.connected = false;
  it->second.agent.status = AgentStatus::kOffline;
  list_.reset();
  const std::string pod_name = it->second.agent.identity.pod_name;
  if (SettleConflicts(pod_name) && !it->second.precious) {
    // Its successor was there before its end was seen: no ghost.
    entries_.erase(it);
    ++stats_.replaced;
  }
}

void Registry::Remove(const AgentId& id) {
  const auto it = entries_.find(id);
  if (it == entries_.end()) return;
  const std::string pod_name = it->second.agent.identity.pod_name;
  entries_.erase(it);
  list_.reset();
  SettleConflicts(pod_name);
}

void Registry::Await(MonotonicTime until) {
  for (auto& [id, e] : entries_) {
    if (e.connected && e.agent.status != AgentStatus::kOffline) {
      e.agent.awaited_until = until;
    }
  }
  list_.reset();
}

std::vector<AgentId> Registry::Sweep() {
  const MonotonicTime now = clock_.Monotonic();
  std::vector<AgentId> dropped;
  std::vector<std::string> pods;
  for (auto it = entries_.begin(); it != entries_.end();) {
    Entry& e = it->second;
    const auto silence = now - e.agent.last_heard;
    if (silence > options_.cleanup_timeout) {
      dropped.push_back(it->first);
      it = entries_.erase(it);
      ++stats_.expired;
      list_.reset();
      continue;
    }
    if (silence > options_.heartbeat_timeout &&
        e.agent.status != AgentStatus::kOffline) {
      e.agent.status = AgentStatus::kOffline;
      pods.push_back(e.agent.identity.pod_name);
      list_.reset();
    }
    ++it;
  }
  for (const std::string& pod : pods) SettleConflicts(pod);
  return dropped;
}

const Agent* Registry::Find(const AgentId& id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second.agent;
}

AgentList Registry::List() const {
  if (list_ == nullptr) {
    auto list = std::make_shared<std::vector<Agent>>();
    list->reserve(entries_.size());
    for (const auto& [id, e] : entries_) list->push_back(e.agent);
    std::sort(list->begin(), list->end(), [](const Agent& a, const Agent& b) {
      const bool a_waits = a.status != AgentStatus::kOnline;
      const bool b_waits = b.status != AgentStatus::kOnline;
      return std::tie(a.identity.pod_name, a_waits, a.registered_at, a.id) <
             std::tie(b.identity.pod_name, b_waits, b.registered_at, b.id);
    });
    list_ = std::move(list);
  }
  return list_;
}

}  // namespace fodc::fleet
