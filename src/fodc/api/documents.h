// SPDX-License-Identifier: Apache-2.0
// The small documents of the proxy itself: /health and /version.
#pragma once

#include <chrono>
#include <string>

#include "fodc/fleet/agent.h"

namespace fodc::api {

std::string HealthDocument(const fleet::AgentList& agents,
                           std::chrono::nanoseconds uptime);
std::string VersionDocument(const std::string& program,
                            const std::string& version,
                            const std::string& revision);

}  // namespace fodc::api
