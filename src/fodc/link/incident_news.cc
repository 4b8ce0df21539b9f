// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/incident_news.h"

#include "fodc/link/flight_codec.h"

namespace fodc::link {
namespace {

// Tag and length of an element of a repeated field.
constexpr std::size_t kElementBytes = 8;

}  // namespace

void IncidentNews::Begin(const flight::v1::Welcome& welcome) {
  has_begun_ = HasFeature(welcome, kIncidentsFeature);
  for (const flight::v1::HeldIncident& held : welcome.incidents()) {
    if (incidents_.Find(held.id()) != nullptr) {
      told_[held.id()] = held.revision();
    }
  }
}

void IncidentNews::Take(std::size_t max_bytes,
                        const std::function<void(std::size_t)>& left_out,
                        flight::v1::Incidents* out) {
  if (!any()) return;
  std::size_t bytes = 0;
  for (const evidence::IncidentRef& incident : incidents_.all()) {
    std::uint32_t& told = told_[incident->id];
    if (told >= incident->revision) continue;
    AppendIncident(*incident, out);
    const int last = out->incidents_size() - 1;
    const std::size_t size =
        out->incidents(last).ByteSizeLong() + kElementBytes;
    const bool is_too_large = size > max_bytes;
    const bool is_full = bytes + size > max_bytes || last == kMaxIncidents;
    if (is_full) out->mutable_incidents()->RemoveLast();
    if (is_full && !is_too_large) return;
    told = incident->revision;
    if (is_too_large) {
      left_out(size);
    } else {
      bytes += size;
    }
  }
  is_looked_at_ = true;
  std::erase_if(told_, [this](const auto& t) {
    return incidents_.Find(t.first) == nullptr;
  });
}

}  // namespace fodc::link
