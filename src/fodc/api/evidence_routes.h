// SPDX-License-Identifier: Apache-2.0
// The routes of evidence: what nodes have, and its bodies as agents send them.
#pragma once

#include <functional>
#include <memory>

#include "fodc/api/request_filter.h"
#include "fodc/api/slots.h"
#include "fodc/base/status.h"
#include "fodc/fleet/evidence_commander.h"
#include "fodc/fleet/fleet.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_server.h"

namespace fodc::api {

using FilterParser =
    std::function<Result<NodeFilter>(const net::HttpRequest& request)>;

struct EvidenceRouteOptions {
  // Asked for bodies. Null: none can be had, and listings are as they were last
  // told.
  fleet::EvidenceCommander* commander = nullptr;
  FilterParser parse_filter;
  // Lists of profiles, and bodies, at work at a time.
  std::shared_ptr<Slots> lists;
  std::shared_ptr<Slots> downloads;
};

// Adds /pressure-profiles and what is below it and below /incidents. Everything
// must outlive the server's requests.
void InstallEvidenceRoutes(net::EventLoop& loop, fleet::Fleet& fleet,
                           EvidenceRouteOptions options,
                           net::HttpServer* server);

}  // namespace fodc::api
