// SPDX-License-Identifier: Apache-2.0
// The scrape loop: at each tick every endpoint and every own reading, made into
// frames of one recording.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "fodc/collect/clock_watch.h"
#include "fodc/collect/endpoint.h"
#include "fodc/collect/scraper.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_client.h"
#include "fodc/recorder/recording.h"

namespace fodc::collect {

// Belongs to the loop's thread.
class Collector {
 public:
  // All references must outlive it.
  Collector(std::vector<Endpoint> endpoints, const ScrapeOptions& options,
            net::EventLoop& loop, net::HttpClient& client,
            recorder::Recording& recording);
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  // Called at each tick, after the scrapes have begun: appends further frames
  // of own readings (targets, the agent itself) with this time.
  void AddReader(std::function<void(recorder::FrameTime)> reader);
  // Called when frames have been appended.
  void set_on_recorded(std::function<void()> callback);

  // The first tick comes at once, the others at start + n * interval.
  void Start();
  // Ends the ticks and gives up the scrapes in flight.
  void Stop();

  const std::vector<std::unique_ptr<Scraper>>& scrapers() const {
    return scrapers_;
  }
  const ClockWatch& clock_watch() const { return clock_watch_; }
  std::uint64_t ticks() const { return ticks_; }
  // Skipped because the loop was too late for them.
  std::uint64_t missed_ticks() const { return missed_; }
  // Pages, layouts and buffers.
  std::size_t memory_bytes() const;

 private:
  void OnTick(const net::EventLoop::Tick& tick);

  const ScrapeOptions options_;
  net::EventLoop& loop_;
  ClockWatch clock_watch_;
  std::vector<std::unique_ptr<Scraper>> scrapers_;
  std::vector<std::function<void(recorder::FrameTime)>> readers_;
  std::function<void()> on_recorded_;
  std::uint64_t ticks_ = 0;
  std::uint64_t missed_ = 0;
  net::EventLoop::Handle timer_;
};

}  // namespace fodc::collect
