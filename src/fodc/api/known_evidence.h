// SPDX-License-Identifier: Apache-2.0
// What there is of evidence, on nodes and in the proxy's copies, as one.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "fodc/fleet/event_book.h"
#include "fodc/fleet/evidence_copies.h"

namespace fodc::api {

using NodeEventsRef = std::shared_ptr<const fleet::NodeEvents>;

struct KnownEvent {
  // As the agent told it; of one that only the proxy has, as it was copied.
  std::shared_ptr<const fleet::ListedEvent> event;
  bool at_agent = false;
  std::shared_ptr<const fleet::ListedEvent> copy;  // null: there is none
  // In one of both places; as it was asked for, if the agent does not know yet.
  bool is_pinned = false;

  bool Is(std::string_view id) const {
    return event->id == id || event->meta.incident_id == id;
  }
};

struct KnownNode {
  // Who and what it is. Without an agent's id if only copies are known.
  NodeEventsRef node;
  std::vector<KnownEvent> events;  // the newest first
};

// `copies` may be null. By pod name; of one pod the node told of last first,
// which has the copies that no node of the pod has itself.
std::vector<KnownNode> ListEvidence(const fleet::EventBook& book,
                                    const fleet::EvidenceCopies* copies);
// Of that pod (case does not count).
std::vector<KnownNode> FindEvidence(const fleet::EventBook& book,
                                    const fleet::EvidenceCopies* copies,
                                    std::string_view pod_name);

}  // namespace fodc::api
