// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/incident_list.h"

#include <algorithm>
#include <utility>

namespace fodc::evidence {

std::size_t IncidentBytes(const Incident& incident) {
  std::size_t bytes = sizeof(Incident);
  for (const std::string* text :
       {&incident.id, &incident.detector, &incident.verdict, &incident.cause,
        &incident.target, &incident.summary, &incident.advice}) {
    bytes += text->size();
  }
  for (const IncidentNumber& n : incident.numbers) {
    bytes += sizeof(IncidentNumber) + n.name.size();
  }
  for (const std::string& s : incident.missing_signals) {
    bytes += sizeof(std::string) + s.size();
  }
  return bytes;
}

IncidentList::Place IncidentList::PlaceOf(std::string_view id) const {
  return std::find_if(all_.begin(), all_.end(),
                      [id](const IncidentRef& held) { return held->id == id; });
}

void IncidentList::Erase(Place place) {
  bytes_ -= IncidentBytes(**place);
  all_.erase(place);
}

Result<IncidentList::Outcome> IncidentList::Put(Incident incident) {
  FODC_RETURN_IF_ERROR(CheckIncident(incident));
  Outcome outcome = Outcome::kNew;
  if (const Place held = PlaceOf(incident.id); held != all_.end()) {
    if ((*held)->revision >= incident.revision) return Outcome::kKnown;
    outcome = Outcome::kUpdated;
    Erase(held);
  }
  Append(std::make_shared<const Incident>(std::move(incident)));
  return outcome;
}

void IncidentList::PutEarlier(std::vector<Incident> earlier) {
  const std::vector<IncidentRef> later = std::exchange(all_, {});
  bytes_ = 0;
  for (Incident& incident : earlier) (void)Put(std::move(incident));
  for (const IncidentRef& incident : later) {
    const Place held = PlaceOf(incident->id);
    if (held != all_.end()) Erase(held);
    Append(incident);
  }
}

// Of one that was checked, and whose id is not there.
void IncidentList::Append(IncidentRef incident) {
  const std::size_t bytes = IncidentBytes(*incident);
  while (!all_.empty() &&
         (all_.size() >= limits_.incidents || bytes_ + bytes > limits_.bytes)) {
    DropOldest();
  }
  bytes_ += bytes;
  all_.push_back(std::move(incident));
}

bool IncidentList::DropOldest() {
  if (all_.empty()) return false;
  const Place ended =
      std::find_if(all_.cbegin(), all_.cend(),
                   [](const IncidentRef& held) { return !held->is_open(); });
  Erase(ended == all_.end() ? all_.begin() : ended);
  ++dropped_;
  return true;
}

void IncidentList::EndAllUnseen() {
  const std::vector<IncidentRef> before = all_;
  for (const IncidentRef& held : before) {
    if (!held->is_open()) continue;
    Incident incident = *held;
    EndUnseen(&incident);
    // One that ended a moment ago may have taken its room.
    const Place place = PlaceOf(held->id);
    if (place == all_.end()) continue;
    Erase(place);
    Append(std::make_shared<const Incident>(std::move(incident)));
  }
}

IncidentRef IncidentList::Find(std::string_view id) const {
  const Place held = PlaceOf(id);
  return held == all_.end() ? nullptr : *held;
}

std::size_t IncidentList::open() const {
  return static_cast<std::size_t>(
      std::count_if(all_.begin(), all_.end(),
                    [](const IncidentRef& held) { return held->is_open(); }));
}

}  // namespace fodc::evidence
