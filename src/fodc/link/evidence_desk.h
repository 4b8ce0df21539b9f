// SPDX-License-Identifier: Apache-2.0
// For this room only: fleet::EvidenceCommander over the sessions that there
// are.
#pragma once

#include <string>
#include <vector>

#include "fodc/fleet/evidence_commander.h"
#include "fodc/link/server_core.h"

namespace fodc::link {

// As the methods of fleet::EvidenceCommander. An agent that has gone stands for
// the one that lives in its pod now.
void RefreshEvents(ServerCore& core, const std::vector<fleet::AgentId>& agents,
                   MonotonicTime deadline,
                   fleet::EvidenceCommander::DoneCallback done);
void FetchEvidence(ServerCore& core, const fleet::AgentId& agent,
                   const fleet::EvidenceQuestion& question,
                   MonotonicTime deadline,
                   fleet::EvidenceCommander::FetchCallback done);
void PinEvent(ServerCore& core, const fleet::AgentId& agent,
              const std::string& event_id, bool pinned, MonotonicTime deadline,
              fleet::EvidenceCommander::DoneCallback done);

}  // namespace fodc::link
