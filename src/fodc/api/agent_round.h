// SPDX-License-Identifier: Apache-2.0
// One question to many v1 agents at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/fleet/agent.h"
#include "fodc/fleet/agent_commander.h"
#include "fodc/net/unique_function.h"

namespace fodc::api {

struct AgentAnswer {
  fleet::Agent agent;
  std::shared_ptr<const fleet::MetricsAnswer> answer;  // null: none came
  std::chrono::nanoseconds took{0};
  bool too_large = false;  // it came, and there was no room for it
};

// Calls `done` when every agent has answered, failed, or let the deadline pass:
// at once if there are none. Answers are in the order of the agents. Together
// they hold no more than `max_bytes`: what comes beyond that is let go.
void AskAgents(fleet::AgentCommander& commander, const Clock& clock,
               std::vector<fleet::Agent> agents,
               const fleet::MetricsQuestion& question, MonotonicTime deadline,
               std::size_t max_bytes,
               net::UniqueFunction<void(std::vector<AgentAnswer>)> done);

}  // namespace fodc::api
