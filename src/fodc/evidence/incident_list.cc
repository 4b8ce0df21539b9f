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
    bytes += sizeof n + n.name.size();
  }
  for (const std::string& s : incident.missing_signals) {
    bytes += sizeof s + s.size();
  }
  return bytes;
}

Result<IncidentList::Outcome> IncidentList::Put(Incident incident) {
  FODC_RETURN_IF_ERROR(CheckIncident(incident));
  const auto it = std::find_if(
      all_.begin(), all_.end(),
      [&](const IncidentRef& held) { return held->id == incident.id; });
  Outcome outcome = Outcome::kNew;
  if (it != all_.end()) {
    if ((*it)->revision >= incident.revision) return Outcome::kKnown;
    outcome = Outcome::kUpdated;
    bytes_ -= IncidentBytes(**it);
    all_.erase(it);
  }
  const std::size_t bytes = IncidentBytes(incident);
  while (!all_.empty() &&
         (all_.size() >= limits_.incidents || bytes_ + bytes > limits_.bytes)) {
    DropOldest();
  }
  bytes_ += bytes;
  all_.push_back(std::make_shared<const Incident>(std::move(incident)));
  return outcome;
}

bool IncidentList::DropOldest() {
  if (all_.empty()) return false;
  auto it = std::find_if(all_.begin(), all_.end(), [](const IncidentRef& held) {
    return !held->is_open();
  });
  if (it == all_.end()) it = all_.begin();
  bytes_ -= IncidentBytes(**it);
  all_.erase(it);
  ++dropped_;
  return true;
}

IncidentRef IncidentList::Find(std::string_view id) const {
  const auto it =
      std::find_if(all_.begin(), all_.end(),
                   [&](const IncidentRef& held) { return held->id == id; });
  return it == all_.end() ? nullptr : *it;
}

std::size_t IncidentList::open() const {
  return static_cast<std::size_t>(
      std::count_if(all_.begin(), all_.end(),
                    [](const IncidentRef& held) { return held->is_open(); }));
}

}  // namespace fodc::evidence
