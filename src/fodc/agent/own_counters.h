// SPDX-License-Identifier: Apache-2.0
// What the agent counts about its own work: shown on its /metrics, not
// recorded.
#pragma once

#include <functional>

#include "fodc/collect/collector.h"
#include "fodc/link/agent_link.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_server.h"
#include "fodc/node/node_query.h"
#include "fodc/program/own_metrics.h"

namespace fodc::agent {

// Whose counters are shown. All must outlive the metrics' last Collect, which
// belongs to the loop's thread.
void AddCollectorMetrics(program::OwnMetrics* metrics,
                         const collect::Collector* collector);
void AddLinkMetrics(program::OwnMetrics* metrics, const link::AgentLink* link);
void AddNodeMetrics(program::OwnMetrics* metrics, const node::NodeQuery* query);
void AddServerMetrics(program::OwnMetrics* metrics,
                      std::function<const net::HttpServerStats&()> stats);
void AddLoopMetrics(program::OwnMetrics* metrics, const net::EventLoop* loop);

}  // namespace fodc::agent
