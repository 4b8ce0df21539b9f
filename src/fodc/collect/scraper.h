// SPDX-License-Identifier: Apache-2.0
// One endpoint: asks for its page, records it, and says how that went.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "fodc/collect/endpoint.h"
#include "fodc/collect/page.h"
#include "fodc/collect/readings.h"
#include "fodc/collect/scrape_error.h"
#include "fodc/exposition/page_stats.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_client.h"
#include "fodc/recorder/recording.h"

namespace fodc::collect {

// Whether to ask an endpoint for a compressed page.
enum class PageCompression : std::uint8_t {
  kAuto,  // unless it is on this machine, where it costs more than it saves
  kAlways,
  kNever,
};

struct ScrapeOptions {
  std::chrono::nanoseconds interval{std::chrono::seconds(10)};
  // For one whole scrape; 0: the interval, at most 5 s.
  std::chrono::nanoseconds timeout{0};
  std::size_t max_page_bytes = 16u << 20;
  std::size_t max_lines = 400'000;  // of a page, comments included
  PageCompression compression = PageCompression::kAuto;

  std::chrono::nanoseconds EffectiveTimeout() const {
    const std::chrono::nanoseconds longest =
        timeout.count() > 0 ? timeout : std::chrono::seconds(5);
    return longest < interval ? longest : interval;
  }
};

// How an endpoint is doing; counters since the start.
struct EndpointStatus {
  bool tried = false;  // whether a scrape has ended
  bool up = false;     // whether the last one gave a page
  ScrapeError last_error = ScrapeError::kNone;
  std::uint64_t scrapes = 0;
  std::array<std::uint64_t, kScrapeErrors> errors{};  // by ScrapeError
  std::uint64_t errors_total = 0;
  std::uint64_t late = 0;  // begun after their tick: the one before still ran
  // Lines that cost themselves, by exposition::LineProblem; as kTruncated also
  // pages without their "# EOF".
  std::array<std::uint64_t, exposition::kLineProblems> bad_lines{};
  std::uint64_t bad_lines_total = 0;
  // Of pages, and not recorded: samples' own times, exemplars.
  std::uint64_t timestamps = 0;
  std::uint64_t exemplars = 0;
  std::uint64_t samples = 0;        // of the last page
  std::uint64_t refused_lines = 0;  // of them: no room in the recording
  std::uint64_t page_bytes = 0;
  std::chrono::nanoseconds duration{0};
};

// Belongs to the loop's thread.
class Scraper {
 public:
  // All but `endpoint` must outlive it.
  Scraper(Endpoint endpoint, const ScrapeOptions& options, net::EventLoop& loop,
          net::HttpClient& client, recorder::Recording& recording);
  // Gives up what is in flight.
  ~Scraper();
  Scraper(const Scraper&) = delete;
  Scraper& operator=(const Scraper&) = delete;

  // Begins a scrape, or, if one is still in flight, lets the next begin as soon
  // as that one ends. `next_tick` bounds the deadline: a scrape never runs into
  // the one after it.
  void Scrape(MonotonicTime next_tick);
  void Cancel();

  // Called after each scrape, when its frames are in the recording.
  void set_on_recorded(std::function<void()> callback);

  const Endpoint& endpoint() const { return endpoint_; }
  const EndpointStatus& status() const { return status_; }
  // Page, layout and buffers.
  std::size_t memory_bytes() const;

 private:
  struct Flight;

  void Begin(MonotonicTime next_tick);
  void Finish(Flight& flight, const net::HttpClientResult& result);
  void CountBadLines();
  void NoteRefused();
  void NoteChange(ScrapeError error, const Status& why);
  void AppendOwn(recorder::FrameTime time);

  const Endpoint endpoint_;
  const ScrapeOptions options_;
  net::EventLoop& loop_;
  net::HttpClient& client_;
  Page page_;
  Readings own_;
  Readings::Index up_, duration_, samples_, errors_, bad_lines_, page_bytes_;
  EndpointStatus status_;
  // Of bad lines, by reason: whether the last page had any, and what the log
  // was told last.
  struct Trouble {
    bool is_there = false;
    std::optional<MonotonicTime> logged_at;
  };
  std::array<Trouble, exposition::kLineProblems> troubles_;
  std::shared_ptr<Flight> flight_;  // shared with the client's thread
  std::optional<MonotonicTime> pending_;
  std::function<void()> on_recorded_;
};

}  // namespace fodc::collect
