// SPDX-License-Identifier: Apache-2.0
// Which handler answers a path.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/net/http_server.h"

namespace fodc::net {

class Router {
 public:
  struct Entry {
    HttpServer::RouteInfo info;
    std::vector<std::string> segments;  // "{x}" for a placeholder
    HttpHandler handler;
  };
  struct Match {
    const Entry* entry = nullptr;          // null: see `path_known`
    bool path_known = false;               // some method has this path
    std::vector<std::string> path_values;  // decoded
  };

  // Aborts on a pattern that is none, or is there already.
  void Add(HttpServer::RouteInfo info, HttpHandler handler);
  // `path` is clean and still encoded. Its segments are decoded one by one, so
  // that %2F may be part of a value.
  // Errors: kInvalidArgument for bad percent encoding.
  Result<Match> Find(std::string_view method, std::string_view path) const;

  const std::vector<HttpServer::RouteInfo>& routes() const { return infos_; }

 private:
  std::vector<std::unique_ptr<Entry>> entries_;  // their places stay
  std::vector<HttpServer::RouteInfo> infos_;
};

}  // namespace fodc::net
