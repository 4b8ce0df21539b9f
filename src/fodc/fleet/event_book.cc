// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/event_book.h"

#include <algorithm>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/evidence/event_id.h"

namespace fodc::fleet {
namespace {

std::string NameOf(const Agent& agent) {
  std::string name = ToLower(agent.identity.pod_name);
  name.push_back('\0');
  if (agent.status == AgentStatus::kConflict) return StrCat(name, agent.id);
  if (agent.kind == AgentKind::kFlight) name += agent.identity.instance_id;
  return name;
}

bool IsNewer(const std::shared_ptr<const ListedEvent>& a,
             const std::shared_ptr<const ListedEvent>& b) {
  return a->id > b->id;  // ids are in the order of their times
}

std::size_t BytesOf(const std::vector<evidence::IncidentNumber>& numbers) {
  std::size_t bytes = 0;
  for (const auto& n : numbers) bytes += sizeof(n) + n.name.size();
  return bytes;
}

}  // namespace

std::size_t EventBytes(const ListedEvent& event) {
  const evidence::EventMeta& m = event.meta;
  std::size_t bytes = sizeof event + event.id.size() + m.pod_name.size() +
                      m.role.size() + m.source_endpoint.size() +
                      m.incident_id.size() + m.target.size() +
                      m.ramp_up.size() + m.trigger.kind.size() +
                      m.trigger.summary.size() + BytesOf(m.trigger.inputs);
  for (const evidence::EventProfile& p : m.profiles) {
    bytes += sizeof p + p.type.size() + p.filename.size() + p.filepath.size() +
             p.format.size();
  }
  for (const evidence::EventStep& s : m.steps) {
    bytes += sizeof s + s.step.size() + s.file.size() + s.source.size() +
             s.sha256.size() + s.reason.size();
  }
  if (m.death) bytes += m.death->summary.size();
  return bytes;
}

Status EventBook::Check(const ListedEvent& event) {
  Status status = evidence::ParseEventId(event.id).status();
  if (status.ok()) status = evidence::CheckEventMeta(event.meta);
  if (!status.ok()) ++stats_.refused;
  return status;
}

EventBook::Events EventBook::TakeKnown(const Agent& agent,
                                       const std::string& name) {
  Events known;
  for (auto it = nodes_.begin(); it != nodes_.end();) {
    const bool is_its_own = it->second.told->agent == agent.id;
    if (!is_its_own && it->first != name) {
      ++it;
      continue;
    }
    // What the agent itself told is nearer to the truth.
    if (is_its_own || known.empty()) known = it->second.told->events;
    stats_.bytes -= it->second.bytes;
    stats_.events -= it->second.told->events.size();
    it = nodes_.erase(it);
  }
  return known;
}

void EventBook::Keep(const Agent& agent, std::string name, Events events) {
  if (events.empty()) return;
  std::sort(events.begin(), events.end(), IsNewer);
  if (events.size() > limits_.max_events_per_node) {
    stats_.dropped += events.size() - limits_.max_events_per_node;
    events.resize(limits_.max_events_per_node);
  }
  Node node;
  node.number = ++last_number_;
  for (const auto& e : events) node.bytes += EventBytes(*e);
  stats_.bytes += node.bytes;
  stats_.events += events.size();
  node.told = std::make_shared<const NodeEvents>(
      NodeEvents{agent.id, agent.kind, agent.identity.pod_name,
                 agent.identity.role, std::move(events)});
  nodes_.emplace(std::move(name), std::move(node));
  Fit();
}

void EventBook::Drop(std::map<std::string, Node>::iterator it) {
  stats_.bytes -= it->second.bytes;
  stats_.events -= it->second.told->events.size();
  stats_.dropped += it->second.told->events.size();
  nodes_.erase(it);
}

void EventBook::Fit() {
  while (nodes_.size() > limits_.max_nodes) {
    Drop(std::min_element(nodes_.begin(), nodes_.end(),
                          [](const auto& a, const auto& b) {
                            return a.second.number < b.second.number;
                          }));
  }
  while (stats_.bytes > limits_.max_bytes) {
    const auto most = std::max_element(nodes_.begin(), nodes_.end(),
                                       [](const auto& a, const auto& b) {
                                         return a.second.bytes < b.second.bytes;
                                       });
    Node& node = most->second;
    if (node.told->events.size() == 1) {
      Drop(most);
      continue;
    }
    auto less = std::make_shared<NodeEvents>(*node.told);
    const std::size_t bytes = EventBytes(*less->events.back());
    less->events.pop_back();
    node.told = std::move(less);
    node.bytes -= bytes;
    stats_.bytes -= bytes;
    --stats_.events;
    ++stats_.dropped;
  }
}

Status EventBook::Replace(const Agent& agent, std::vector<ListedEvent> events) {
  Status first;
  std::map<std::string, std::shared_ptr<const ListedEvent>> by_id;
  for (ListedEvent& e : events) {
    if (Status status = Check(e); !status.ok()) {
      if (first.ok()) first = std::move(status);
      continue;
    }
    std::string id = e.id;
    by_id[std::move(id)] = std::make_shared<const ListedEvent>(std::move(e));
  }
  Events all;
  all.reserve(by_id.size());
  for (auto& [id, event] : by_id) all.push_back(std::move(event));
  std::string name = NameOf(agent);
  (void)TakeKnown(agent, name);
  if (agent.status != AgentStatus::kConflict) DropElsewhere(name, all);
  Keep(agent, std::move(name), std::move(all));
  return first;
}

void EventBook::DropElsewhere(const std::string& name, const Events& events) {
  const std::string_view pod =
      std::string_view(name).substr(0, name.find('\0') + 1);
  const auto is_told = [&](const std::shared_ptr<const ListedEvent>& e) {
    return std::binary_search(
        events.begin(), events.end(), e,
        [](const auto& a, const auto& b) { return a->id < b->id; });
  };
  for (auto it = nodes_.lower_bound(std::string(pod));
       it != nodes_.end() && it->first.starts_with(pod);) {
    const auto here = it++;
    Node& node = here->second;
    if (here->first == name) continue;
    auto rest = std::make_shared<NodeEvents>(*node.told);
    std::erase_if(rest->events, is_told);
    if (rest->events.size() == node.told->events.size()) continue;
    stats_.bytes -= node.bytes;
    stats_.events -= node.told->events.size() - rest->events.size();
    node.bytes = 0;
    for (const auto& e : rest->events) node.bytes += EventBytes(*e);
    stats_.bytes += node.bytes;
    node.told = std::move(rest);
    if (node.told->events.empty()) nodes_.erase(here);
  }
}

Status EventBook::Put(const Agent& agent, ListedEvent event) {
  FODC_RETURN_IF_ERROR(Check(event));
  std::string name = NameOf(agent);
  Events events = TakeKnown(agent, name);
  std::erase_if(events, [&](const auto& e) { return e->id == event.id; });
  events.push_back(std::make_shared<const ListedEvent>(std::move(event)));
  Keep(agent, std::move(name), std::move(events));
  return OkStatus();
}

void EventBook::Erase(const Agent& agent, std::string_view event_id) {
  std::string name = NameOf(agent);
  Events events = TakeKnown(agent, name);
  std::erase_if(events, [&](const auto& e) { return e->id == event_id; });
  Keep(agent, std::move(name), std::move(events));
}

void EventBook::SetPinned(const AgentId& agent, std::string_view event_id,
                          bool pinned) {
  for (auto& [name, node] : nodes_) {
    if (node.told->agent != agent) continue;
    auto changed = std::make_shared<NodeEvents>(*node.told);
    for (auto& event : changed->events) {
      if (event->id != event_id) continue;
      auto now = std::make_shared<ListedEvent>(*event);
      now->is_pinned = pinned;
      event = std::move(now);
    }
    node.told = std::move(changed);
  }
}

std::vector<std::shared_ptr<const NodeEvents>> EventBook::List() const {
  std::vector<const Node*> nodes;
  nodes.reserve(nodes_.size());
  for (const auto& [name, node] : nodes_) nodes.push_back(&node);
  std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) {
    const int order = a->told->pod_name.compare(b->told->pod_name);
    return order != 0 ? order < 0 : a->number > b->number;
  });
  std::vector<std::shared_ptr<const NodeEvents>> out;
  out.reserve(nodes.size());
  for (const Node* node : nodes) out.push_back(node->told);
  return out;
}

std::vector<std::shared_ptr<const NodeEvents>> EventBook::Find(
    std::string_view pod_name) const {
  std::vector<std::shared_ptr<const NodeEvents>> out = List();
  std::erase_if(out, [&](const auto& node) {
    return !EqualsIgnoreCase(node->pod_name, pod_name);
  });
  return out;
}

std::shared_ptr<const NodeEvents> EventBook::Of(const AgentId& agent) const {
  for (const auto& [name, node] : nodes_) {
    if (node.told->agent == agent) return node.told;
  }
  return nullptr;
}

EventBook::Stats EventBook::stats() const {
  Stats s = stats_;
  s.nodes = nodes_.size();
  return s;
}

}  // namespace fodc::fleet
