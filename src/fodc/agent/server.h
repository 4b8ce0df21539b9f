// SPDX-License-Identifier: Apache-2.0
// The agent's HTTP servers.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fodc/agent/latest_page.h"
#include "fodc/base/status.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_server.h"

namespace fodc::agent {

// Belongs to the loop's thread.
class Server {
 public:
  struct Options {
    std::string listen_address;
    // Another server for /diagnostics; if equal, the same one.
    std::string diagnosis_address;
    // Whether it is an error that the latter cannot be had.
    bool diagnosis_required = false;
    std::string version;
    std::string revision;
  };
  // What is asked on each request.
  struct Sources {
    std::function<std::unique_ptr<LatestPage>(exposition::Format)> page;
    // Why the agent is not ready; nothing if it is.
    std::function<std::vector<std::string>()> not_ready;
    // JSON: each trigger, armed or why not, and its last decision.
    std::function<std::string()> explain;
  };

  // `loop` must outlive it.
  // Errors: those of Listen, naming the flag.
  static Result<std::unique_ptr<Server>> Start(net::EventLoop& loop,
                                               const Options& options,
                                               Sources sources);

  std::uint16_t port() const { return main_.port(); }
  std::uint16_t diagnosis_port() const;
  const net::HttpServerStats& stats() const { return main_.stats(); }
  const std::vector<net::HttpServer::RouteInfo>& routes() const {
    return main_.routes();
  }
  void Stop(std::chrono::milliseconds grace, net::Task done);

 private:
  Server(net::EventLoop& loop, Sources sources, const Options& options);
  void AddRoutes();
  static void AddDiagnostics(net::HttpServer* server);

  Sources sources_;
  const std::string version_;
  const std::string revision_;
  net::HttpServer main_;
  std::unique_ptr<net::HttpServer> diagnosis_;
};

}  // namespace fodc::agent
