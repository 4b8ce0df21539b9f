// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/known_evidence.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::api {
namespace {

// All of one pod.
std::vector<KnownNode> Merge(std::vector<NodeEventsRef> told,
                             const NodeEventsRef& copied,
                             const fleet::EvidenceCopies* copies_of) {
  std::map<std::string_view, std::shared_ptr<const fleet::ListedEvent>> alone;
  if (copied != nullptr) {
    for (const auto& copy : copied->events) alone.emplace(copy->id, copy);
  }
  const auto copies = alone;
  std::vector<KnownNode> nodes;
  for (NodeEventsRef& node : told) {
    KnownNode& known = nodes.emplace_back();
    for (const auto& event : node->events) {
      const auto copy = copies.find(event->id);
      known.events.push_back(
          {event, true, copy == copies.end() ? nullptr : copy->second});
      alone.erase(event->id);
    }
    known.node = std::move(node);
  }
  const auto tell_pins = [copies_of](std::vector<KnownNode>& all) {
    for (KnownNode& known : all) {
      for (KnownEvent& e : known.events) {
        e.is_pinned = e.event->is_pinned || (e.copy && e.copy->is_pinned);
        const auto wish =
            copies_of == nullptr || !e.copy
                ? std::optional<bool>()
                : copies_of->PinWish(known.node->pod_name, e.event->id);
        if (wish) e.is_pinned = *wish;
      }
    }
  };
  if (alone.empty()) {
    tell_pins(nodes);
    return nodes;
  }
  if (nodes.empty()) nodes.push_back({copied, {}});
  std::vector<KnownEvent>& events = nodes.front().events;
  for (const auto& [id, copy] : alone) events.push_back({copy, false, copy});
  std::sort(events.begin(), events.end(), [](const auto& a, const auto& b) {
    return a.event->id > b.event->id;  // ids are in the order of their times
  });
  tell_pins(nodes);
  return nodes;
}

}  // namespace

std::vector<KnownNode> ListEvidence(const fleet::EventBook& book,
                                    const fleet::EvidenceCopies* copies) {
  struct Pod {
    std::vector<NodeEventsRef> told;
    NodeEventsRef copied;
  };
  std::map<std::string, Pod> pods;
  for (NodeEventsRef& node : book.List()) {
    pods[ToLower(node->pod_name)].told.push_back(std::move(node));
  }
  if (copies != nullptr) {
    for (NodeEventsRef& node : copies->List()) {
      pods[ToLower(node->pod_name)].copied = std::move(node);
    }
  }
  std::vector<KnownNode> all;
  for (auto& [name, pod] : pods) {
    std::ranges::move(Merge(std::move(pod.told), pod.copied, copies),
                      std::back_inserter(all));
  }
  return all;
}

std::vector<KnownNode> FindEvidence(const fleet::EventBook& book,
                                    const fleet::EvidenceCopies* copies,
                                    std::string_view pod_name) {
  return Merge(book.Find(pod_name),
               copies == nullptr ? nullptr : copies->Find(pod_name), copies);
}

}  // namespace fodc::api
