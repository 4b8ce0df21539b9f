// SPDX-License-Identifier: Apache-2.0
// "Why did it not fire?": each trigger of each target, whether it is armed, and
// its last decision with all that it was made of.
#pragma once

#include <string>
#include <vector>

#include "fodc/agent/first_response.h"
#include "fodc/program/own_metrics.h"

namespace fodc::agent {

// What GET /explain answers: one JSON object. `response` null: it is switched
// off.
std::string ExplainJson(const FirstResponse* response);

// Where `response` is null only the counters, at 0.
void AddFirstResponseMetrics(program::OwnMetrics* metrics,
                             const FirstResponse* response);

}  // namespace fodc::agent
