// SPDX-License-Identifier: Apache-2.0
// For this room only: entries of the log and identities, to and from the wire.
#pragma once

#include <cstddef>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/fleet/agent.h"
#include "fodc/flight/v1/flight.pb.h"
#include "fodc/recorder/log_entry.h"

namespace fodc::link {

inline constexpr std::uint32_t kFlightProtocol = 1;

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

}  // namespace fodc::link
