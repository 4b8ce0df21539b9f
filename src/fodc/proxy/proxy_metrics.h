// SPDX-License-Identifier: Apache-2.0
// What the proxy says of itself: fodc_proxy_* (docs/reference/metrics.md).
#pragma once

#include "fodc/api/api.h"
#include "fodc/fleet/fleet.h"
#include "fodc/link/server.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_server.h"
#include "fodc/program/own_metrics.h"
#include "fodc/proxy/evidence_keeper.h"

namespace fodc::proxy {

// Adds callbacks that read the parts when the metrics are collected. The parts
// must outlive the last Collect; `keeper` may be null.
void AddProxyMetrics(const net::EventLoop& loop, const fleet::Fleet& fleet,
                     const link::LinkServer& link, const api::Api& api,
                     const net::HttpServer& http, const EvidenceKeeper* keeper,
                     program::OwnMetrics* metrics);

}  // namespace fodc::proxy
