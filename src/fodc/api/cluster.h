// SPDX-License-Identifier: Apache-2.0
// Who is there and how they are: the documents of /cluster and /sd.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/api/node_frames.h"
#include "fodc/fleet/agent.h"
#include "fodc/fleet/mirror.h"

namespace fodc::api {

// Appends one element of `nodes`. `mirror` and `news` are null for a v1 agent;
// a silent node is shown as it last was, but down; `share_bytes` is what each
// recording may hold if all are alike.
void AppendClusterNode(const fleet::Agent& agent, const fleet::Mirror* mirror,
                       const NodeNews* news, std::optional<double> cpu_cores,
                       std::size_t share_bytes, std::string* out);

// Appends one group of Prometheus' HTTP service discovery.
void AppendDiscoveredAgent(const fleet::Agent& agent, std::string* out);

}  // namespace fodc::api
