// SPDX-License-Identifier: Apache-2.0
// The proxy's HTTP surface (docs/reference/http.md).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fodc/api/line_cache.h"
#include "fodc/base/status.h"
#include "fodc/exposition/metric.h"
#include "fodc/fleet/agent_commander.h"
#include "fodc/fleet/evidence_commander.h"
#include "fodc/fleet/fleet.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_server.h"

namespace fodc::api {

// Takes one sample of the program's own metrics.
using OwnSink =
    std::function<void(const exposition::SeriesDesc& series, double value)>;

struct ApiOptions {
  // For /version.
  std::string program = "fodc-proxy";
  std::string version;
  std::string revision;
  // Hands out the own metrics, sorted by family.
  std::function<void(const OwnSink&)> own_metrics;
  // OK, or why the program does not serve: /readyz.
  std::function<Status()> ready;
  // Gets the seconds that each answer of a v1 agent took.
  std::function<void(double)> observe_v1_seconds;
  // A page waits so long for v1 agents, or for four fifths of the time that
  // the scraper says it has, if that is less.
  std::chrono::nanoseconds page_deadline = std::chrono::seconds(5);
  // A window waits so long, or for the time that v1 gives, if that is less.
  std::chrono::nanoseconds window_deadline = std::chrono::seconds(10);
  // Asked for the bodies of evidence; must outlive the api. Null: there are
  // none to be had.
  fleet::EvidenceCommander* evidence = nullptr;
  std::size_t line_cache_bytes = 64u << 20;
  // Answers at work at a time. Each holds what it shows, however slowly its
  // reader takes it. Beyond: 503.
  std::size_t max_pages = 128;
  std::size_t max_windows = 16;
  std::size_t max_incident_lists = 16;
  std::size_t max_profile_lists = 16;
  std::size_t max_downloads = 32;  // bodies of evidence
  // What the answers of v1 agents to one request may hold together.
  std::size_t v1_answer_bytes = 1u << 30;
};

struct ApiStats {
  std::uint64_t pages = 0;
  std::uint64_t page_samples = 0;
  std::uint64_t windows = 0;
  // Answers of any kind, for there were too many of it.
  std::uint64_t refused = 0;
  std::uint64_t v1_silent = 0;     // v1 agents that did not answer in time
  std::uint64_t v1_too_large = 0;  // ... for whose answers there was no room
  std::uint64_t stale_nodes = 0;   // of the newest page: only `up` 0 was shown
  std::uint64_t catching_up_nodes = 0;  // ... of which it had nothing yet
  LineCacheStats lines;
};

// Belongs to the loop's thread.
class Api {
 public:
  // Everything must outlive it.
  Api(net::EventLoop& loop, fleet::Fleet& fleet,
      fleet::AgentCommander& commander, ApiOptions options);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // Adds the routes. The server must be stopped before the api goes.
  void Install(net::HttpServer* server);

  ApiStats stats() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace fodc::api
