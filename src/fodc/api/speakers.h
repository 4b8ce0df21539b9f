// SPDX-License-Identifier: Apache-2.0
// Which agents speak for their nodes.
#pragma once

#include <functional>
#include <vector>

#include "fodc/fleet/agent.h"

namespace fodc::api {

// On a page each series may be there once: of the agents of one pod one
// speaks, the one that is online, else the one that was heard last; one in
// conflict never. In the order given, which is by pod name. With `can_speak`,
// of those of whom it says so: who came later cannot speak of the past.
std::vector<fleet::Agent> Speakers(
    const std::vector<fleet::Agent>& agents,
    const std::function<bool(const fleet::Agent&)>& can_speak = {});

}  // namespace fodc::api
