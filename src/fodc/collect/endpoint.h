// SPDX-License-Identifier: Apache-2.0
// What is scraped: one page of one node.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::collect {

struct Endpoint {
  std::string url;             // what is asked for
  std::string name;            // the URL without user and password: for labels
  std::string container_name;  // identity label of its series; may be empty
  // Shares its container name, or the lack of one, with another endpoint: its
  // series carry its name as label `endpoint`.
  bool is_labelled = false;
  std::uint16_t port = 0;
  bool is_loopback = false;  // on this machine: not worth compressing
};

// One endpoint. `url` is http:// or https:// with a host; a missing path is
// "/metrics".
// Errors: kInvalidArgument naming the URL (without user and password).
Result<Endpoint> ParseEndpoint(std::string_view url,
                               std::string_view container_name);

// http://localhost:<port>/metrics for each port, in order, then `urls`, paired
// with the names: none, one for each port, or one for each port and URL.
// Errors: kInvalidArgument naming the flag (--poll-metrics-ports,
// --container-names, --poll-metrics-urls), the value and what is allowed; also
// for an endpoint that is named twice.
Result<std::vector<Endpoint>> MakeEndpoints(
    std::span<const std::string> ports,
    std::span<const std::string> container_names,
    std::span<const std::string> urls);

}  // namespace fodc::collect
