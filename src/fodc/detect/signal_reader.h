// SPDX-License-Identifier: Apache-2.0
// Signals out of the frames of a target's pages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fodc/detect/counter_track.h"
#include "fodc/detect/facts.h"
#include "fodc/detect/signals.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::detect {

// How many series of the newest pages make each signal, and whose built-in map
// found them (empty: none did, or it was given).
struct SignalState {
  std::array<std::size_t, kSignals> series{};
  std::array<std::string, kSignals> products;
};

// Of one target. Not thread-safe.
class SignalReader {
 public:
  static constexpr std::size_t kMaxPages = 16;
  // Of one page; what is beyond is left out.
  static constexpr std::size_t kMaxSeries = 4096;

  // `map` must outlive it.
  explicit SignalReader(const SignalMap& map);
  ~SignalReader();

  // Frames of one source in order. A source beyond kMaxPages is passed over.
  void OnFrame(const recorder::SourceFrame& frame);

  // Writes what the pages said since the last call into `*facts`. A rate that
  // no two frames told since then is the one before, until it is older than
  // `stale_ms`. What no page has, or none that is newer, stays unknown.
  void Take(std::int64_t now_ms, std::int64_t stale_ms, Facts* facts);
  void Forget();  // what was counted so far

  const SignalState& state() const { return state_; }

 private:
  struct Matched {
    const recorder::Series* series = nullptr;
    std::size_t line = 0;
    std::size_t source = 0;  // of the map
    CounterTrack track;
    double level = 0;
  };
  struct Held {
    double rate = 0;
    std::int64_t at_ms = 0;
    bool is_known = false;
  };
  struct Page {
    std::shared_ptr<const std::vector<recorder::SeriesRef>> layout;
    std::vector<Matched> matched;
    std::int64_t newest_ms = 0;
    std::array<Held, kSignals> held;
  };
  void SetLayout(const recorder::SourceFrame& frame, Page* page) const;
  void Count();

  const SignalMap& map_;
  std::map<std::string, Page, std::less<>> pages_;
  SignalState state_;
};

}  // namespace fodc::detect
