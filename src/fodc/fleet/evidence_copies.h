// SPDX-License-Identifier: Apache-2.0
// The copies of evidence that the proxy keeps off the nodes: declared here,
// implemented by the proxy, so that the API needs no disk.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/fleet/event_book.h"
#include "fodc/fleet/evidence_commander.h"

namespace fodc::fleet {

// The proxy's loop only. Every callback is called once, on the loop, never
// inside the call, and not at all once the copies are gone.
class EvidenceCopies {
 public:
  virtual ~EvidenceCopies() = default;

  // By pod name; each pod once, its newest event first. `agent` is empty: a
  // copy belongs to the pod, whichever agent told of it. What was deleted a
  // moment ago may still be listed.
  virtual std::vector<std::shared_ptr<const NodeEvents>> List() const = 0;
  // Of that pod (case does not count), or null.
  virtual std::shared_ptr<const NodeEvents> Find(
      std::string_view pod_name) const = 0;

  // As EvidenceCommander::Fetch, from the disk. A withdrawal is not heard: the
  // answer is there in a moment.
  // Errors: kNotFound, kOutOfRange for an offset beyond the end, kUnavailable
  // when too many wait for the disk, and those of the disk.
  virtual void Fetch(std::string_view pod_name,
                     const EvidenceQuestion& question,
                     EvidenceCommander::FetchCallback done) = 0;
  // Keeps a copy whatever the retention, or no longer.
  // Errors: as Fetch; kResourceExhausted when too much is pinned.
  virtual void Pin(std::string_view pod_name, const std::string& event_id,
                   bool pinned, EvidenceCommander::DoneCallback done) = 0;
  // What somebody asked for of the event, while its agent has not taken it
  // over; absent: nothing, or it has.
  virtual std::optional<bool> PinWish(std::string_view pod_name,
                                      std::string_view event_id) const = 0;
};

}  // namespace fodc::fleet
