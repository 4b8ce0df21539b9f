// SPDX-License-Identifier: Apache-2.0
// Which agents speak for their nodes.
#pragma once

#include <vector>

#include "fodc/fleet/agent.h"

namespace fodc::api {

// On a page each series may be there once: of the agents of one pod one
// speaks, the one that is online, else the one that was heard last; one in
// conflict never. In the order given, which is by pod name.
std::vector<fleet::Agent> Speakers(const std::vector<fleet::Agent>& agents);

}  // namespace fodc::api
