// SPDX-License-Identifier: Apache-2.0
// Asks a proxy over HTTP.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/ctl/command_line.h"
#include "fodc/net/http_client.h"

namespace fodc::ctl {

// `path` with the query's filters and `parameters`, encoded.
std::string BuildUrl(
    const ProxyQuery& query, std::string_view path,
    const std::vector<std::pair<std::string, std::string>>& parameters);

// "/incidents/<a>/<b>" of {"incidents", a, b}: each piece encoded. None may be
// "." or "..", which lead elsewhere.
std::string BuildPath(std::span<const std::string_view> pieces);

// Keeps its connection between requests. Blocks; one thread at a time.
class ProxyClient {
 public:
  ProxyClient();

  // The body, whole. Errors name the URL, and give the proxy's own sentence if
  // it sent one.
  Result<std::string> Get(const std::string& url,
                          std::chrono::nanoseconds timeout);
  // The same of a POST without a body.
  Result<std::string> Post(const std::string& url,
                           std::chrono::nanoseconds timeout);
  // The body piece by piece, on another thread, while this one waits; 16 GiB
  // at most.
  Status Stream(const std::string& url, std::chrono::nanoseconds timeout,
                std::function<Status(std::string_view)> sink);

 private:
  net::HttpClient client_;
};

}  // namespace fodc::ctl
