// SPDX-License-Identifier: Apache-2.0
// One flight agent's incidents, as far as they have reached the proxy.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/evidence/incident_list.h"
#include "fodc/recorder/log_entry.h"

namespace fodc::fleet {

// Not thread-safe: the proxy's loop owns it.
class AgentIncidents {
 public:
  explicit AgentIncidents(const evidence::IncidentList::Limits& limits)
      : list_(limits) {}

  // The life that the agent is in now. Of what was open in another one nobody
  // can say any more whether it lasts, until this life tells of it, too.
  void Follow(recorder::Incarnation life);

  // See IncidentList::Put. Of what was open in another life the present one
  // knows best, whatever the revision: it may have kept an older one.
  Result<evidence::IncidentList::Outcome> Put(evidence::Incident incident);
  bool DropOldest() { return list_.DropOldest(); }

  // Whether the life that the agent is in has told of it, so that it will tell
  // of its end: of an open one; an ended one is watched by nobody.
  bool IsWatched(const evidence::Incident& incident) const;
  // What the agent need not tell again: all but what is open and not watched.
  std::vector<evidence::IncidentRef> Held() const;

  const evidence::IncidentList& list() const { return list_; }

 private:
  evidence::IncidentList list_;
  recorder::Incarnation life_ = 0;
  // Open when their life ended, and not told of since.
  std::set<std::string, std::less<>> orphans_;
};

}  // namespace fodc::fleet
