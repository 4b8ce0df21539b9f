// SPDX-License-Identifier: Apache-2.0
// The node: store, log, API, and the loop that they live on.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <thread>

#include "examples/kvnode/api.h"
#include "examples/kvnode/commit_log.h"
#include "examples/kvnode/guard_parts.h"
#include "examples/kvnode/node_metrics.h"
#include "examples/kvnode/options.h"
#include "examples/kvnode/snapshots.h"
#include "examples/kvnode/store.h"
#include "fodc/base/status.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_server.h"
#include "fodc/program/signals.h"

namespace kvnode {

// The main thread's.
class Node {
 public:
  struct Host {
    NodeMetrics* metrics = nullptr;
    GuardParts* guard = nullptr;        // null: without
    fodc::guard::Life* life = nullptr;  // likewise
  };
  // Opens the store, replays the log into it, and serves. All of `host` must
  // outlive the node.
  static fodc::Result<std::unique_ptr<Node>> Start(const Options& options,
                                                   const Host& host);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Until a signal, the guard or a failure of the log asks for the end; then
  // stops in good order. The log is closed last, with all that was answered on
  // disk. Errors: the failure.
  fodc::Status Run();

 private:
  Node(const Options& options, const Host& host);
  fodc::Status OpenStore();
  fodc::Status OpenLog();
  void StartBackground();
  void Migrate(const std::stop_token& stop);
  fodc::Status Serve();
  void BeginStop();

  const Options options_;
  const Host host_;
  // What is last goes first: nobody may work on a store that is closed.
  std::unique_ptr<Store> store_;
  std::unique_ptr<Snapshots> snapshots_;
  std::unique_ptr<CommitLog> log_;
  std::jthread background_;
  fodc::net::EventLoop loop_;
  Workers readers_;        // post to the loop
  Workers heavy_readers_;  // as many as there are slots
  std::unique_ptr<Api> api_;
  std::unique_ptr<fodc::net::HttpServer> server_;
  std::optional<fodc::program::SignalWatch> signals_;
  fodc::net::EventLoop::Handle lateness_;
  bool is_stopping_ = false;
  fodc::Status failure_;  // set before the stop is asked for
};

}  // namespace kvnode
