// SPDX-License-Identifier: Apache-2.0
// The routes of evidence: what nodes have, and its bodies as agents send them.
#pragma once

#include <functional>

#include "fodc/api/request_filter.h"
#include "fodc/base/status.h"
#include "fodc/fleet/evidence_commander.h"
#include "fodc/fleet/fleet.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_server.h"

namespace fodc::api {

using FilterParser =
    std::function<Result<NodeFilter>(const net::HttpRequest& request)>;

// Adds /pressure-profiles and what is below it and below /incidents. Everything
// must outlive the server's requests; `commander` may be null: then no body can
// be had, and listings are as they were last told.
void InstallEvidenceRoutes(net::EventLoop& loop, fleet::Fleet& fleet,
                           fleet::EvidenceCommander* commander,
                           FilterParser parse_filter, net::HttpServer* server);

}  // namespace fodc::api
