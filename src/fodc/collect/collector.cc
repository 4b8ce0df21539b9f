// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/collector.h"

#include <utility>

#include "fodc/base/log.h"

namespace fodc::collect {

Collector::Collector(std::vector<Endpoint> endpoints,
                     const ScrapeOptions& options, net::EventLoop& loop,
                     net::HttpClient& client, recorder::Recording& recording)
    : options_(options), loop_(loop), clock_watch_(loop.clock()) {
  for (Endpoint& e : endpoints) {
    auto scraper = std::make_unique<Scraper>(std::move(e), options_, loop,
                                             client, recording);
    scraper->set_on_recorded([this] {
      if (on_recorded_) on_recorded_();
    });
    scrapers_.push_back(std::move(scraper));
  }
}

Collector::~Collector() { Stop(); }

void Collector::AddReader(std::function<void(recorder::FrameTime)> reader) {
  readers_.push_back(std::move(reader));
}

void Collector::set_on_recorded(std::function<void()> callback) {
  on_recorded_ = std::move(callback);
}

void Collector::Start() {
  timer_ = loop_.RunEvery(
      options_.interval,
      [this](const net::EventLoop::Tick& tick) { OnTick(tick); },
      loop_.clock().Monotonic());
}

void Collector::Stop() {
  timer_.Cancel();
  for (const auto& scraper : scrapers_) scraper->Cancel();
}

void Collector::OnTick(const net::EventLoop::Tick& tick) {
  ++ticks_;
  missed_ += tick.missed;
  const recorder::FrameTime time = {
      .monotonic_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                          loop_.clock().Monotonic().time_since_epoch())
                          .count(),
      .unix_ms = ToUnixMillis(loop_.clock().Unix())};
  if (const auto step = clock_watch_.Look(); step.count() != 0) {
    LogWarn("the wall clock stepped",
            {{"by_seconds", std::chrono::duration<double>(step).count()}});
  }
  for (const auto& scraper : scrapers_)
    scraper->Scrape(tick.planned + options_.interval);
  for (const auto& reader : readers_) reader(time);
  if (!readers_.empty() && on_recorded_) on_recorded_();
}

std::size_t Collector::memory_bytes() const {
  std::size_t bytes = 0;
  for (const auto& scraper : scrapers_) bytes += scraper->memory_bytes();
  return bytes;
}

}  // namespace fodc::collect
