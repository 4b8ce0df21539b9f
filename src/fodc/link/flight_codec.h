// SPDX-License-Identifier: Apache-2.0
// For this room only: entries of the log, identities and incidents, to and from
// the wire.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/evidence/incident.h"
#include "fodc/fleet/agent.h"
#include "fodc/flight/v1/flight.pb.h"
#include "fodc/recorder/log_entry.h"

namespace fodc::link {

inline constexpr std::uint32_t kFlightProtocol = 1;

// What Hello and Welcome say when they have it.
inline constexpr std::string_view kIncidentsFeature = "incidents";
inline constexpr std::string_view kEvidenceFeature = "evidence";
template <typename Greeting>
bool HasFeature(const Greeting& greeting, std::string_view feature) {
  return std::find(greeting.features().begin(), greeting.features().end(),
                   feature) != greeting.features().end();
}

recorder::Incarnation IncarnationOf(const recorder::LogEntry& entry);

// Appends the entry; its incarnation is that of the message.
void AppendEntry(recorder::LogEntry entry, flight::v1::Entries* out);
// What AppendEntry adds to the encoded message, at most.
std::size_t EntryBytes(const recorder::LogEntry& entry);

// Entries of kinds that this version does not know are left out.
// Errors: kInvalidArgument for numbers out of range and for names that no page
// can bear; nothing is taken then.
Result<std::vector<recorder::LogEntry>> TakeEntries(flight::v1::Entries* from);

void PutIdentity(const fleet::AgentIdentity& identity,
                 flight::v1::Identity* out);
// Errors: kInvalidArgument naming what is missing or too long.
Result<fleet::AgentIdentity> TakeIdentity(const flight::v1::Identity& from);

// Of one message.
inline constexpr int kMaxIncidents = 128;

// Appends one that CheckIncident takes.
void AppendIncident(const evidence::Incident& incident,
                    flight::v1::Incidents* out);
// They are still to be checked (CheckIncident).
// Errors: kInvalidArgument for more than kMaxIncidents; nothing is taken then.
Result<std::vector<evidence::Incident>> TakeIncidents(
    flight::v1::Incidents* from);

}  // namespace fodc::link
