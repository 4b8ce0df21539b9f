// SPDX-License-Identifier: Apache-2.0
// For this room only: which incidents of an agent one proxy has yet to be told.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "fodc/evidence/incident_list.h"
#include "fodc/flight/v1/flight.pb.h"

namespace fodc::link {

// Of one session. Nothing is queued: the list itself is the queue.
class IncidentNews {
 public:
  // `incidents` must outlive it.
  explicit IncidentNews(const evidence::IncidentList& incidents)
      : incidents_(incidents) {}

  // From now on there is news: all that `welcome` does not list. To a proxy
  // without the feature nothing is told.
  void Begin(const flight::v1::Welcome& welcome);
  // The list has changed.
  void OnChanged() { is_looked_at_ = false; }
  // Whether Take may find something.
  bool any() const { return has_begun_ && !is_looked_at_; }

  // Appends what is to be told next, the change that is longest ago first, up
  // to `max_bytes` when encoded. One that is larger by itself is never told:
  // `left_out` gets its bytes.
  void Take(std::size_t max_bytes,
            const std::function<void(std::size_t bytes)>& left_out,
            flight::v1::Incidents* out);

 private:
  const evidence::IncidentList& incidents_;
  bool has_begun_ = false;
  bool is_looked_at_ = false;  // and there was nothing more
  // By id, the revision that the proxy has, or was told, of what the list has.
  std::map<std::string, std::uint32_t, std::less<>> told_;
};

}  // namespace fodc::link
