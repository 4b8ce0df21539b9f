// SPDX-License-Identifier: Apache-2.0
// The thread that looks at the targets' memory and says when evidence is to be
// captured. It is one of its own: the loop of a program packs, compresses and
// answers for tens of milliseconds at a time, in which a target can fill what
// is left of its limit.
//
// It looks as often as the room to the next line and the fastest growth of the
// last minute want it, and whenever the kernel tells of a crossing or a stall.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/forecast.h"
#include "fodc/base/status.h"
#include "fodc/detect/memory_row.h"
#include "fodc/detect/memory_source.h"
#include "fodc/detect/pressure_trigger.h"

namespace fodc::detect {

struct PressureFiring {
  std::size_t row = 0;
  pid_t pid = 0;  // 0: only a page tells of it
  std::uint64_t start_ticks = 0;
  PressureDecision decision;
  std::optional<double> seconds_to_limit;
  std::uint64_t ramp = 0;  // names the ramp-up, of this life and row
  MonotonicTime decided_at;
};

struct MemoryWatchOptions {
  PressureOptions pressure;
  CadenceOptions cadence;
  std::size_t rows = 1;
};

// Thread-safe.
class MemoryWatch {
 public:
  // Events of a cgroup may come by thousands a second: so long after a look
  // there is none because of them.
  static constexpr std::chrono::milliseconds kEventPause{2};

  // Both are called by the watching thread, and hold it up as long as they
  // take.
  struct Callbacks {
    // A capture is to begin: OnCaptured must follow.
    std::function<void(const PressureFiring&)> on_fire;
    // A target that made it fire is well below the line again.
    std::function<void(std::size_t row)> on_calm;
  };

  // Starts the thread. `clock` must outlive it. Errors: as eventfd(2).
  static Result<std::unique_ptr<MemoryWatch>> Start(
      const MemoryWatchOptions& options, const Clock& clock,
      Callbacks callbacks);
  // Joins.
  ~MemoryWatch();
  MemoryWatch(const MemoryWatch&) = delete;
  MemoryWatch& operator=(const MemoryWatch&) = delete;

  // From now on that process is the row's.
  void Follow(std::size_t row, std::unique_ptr<MemorySource> source);
  // The row has none that can be read: kNoTarget or kUnreadable, and in words.
  void LetGo(std::size_t row, PressureReason why, std::string problem);
  // A scrape of the row's endpoints has ended; what its page told.
  void OnScrape(std::size_t row, std::optional<PagePair> page);
  void OnCaptured(std::size_t row, bool has_evidence);
  // An earlier life's last capture with evidence.
  void Restore(std::size_t row, std::chrono::nanoseconds ago,
               std::uint64_t captured_bytes);

  // The row's target dies again and again: see PressureTrigger.
  void SetDiesAgain(std::size_t row, bool dies_again);

  // Whether a page of the row's would be looked at: its cgroup is not seen.
  bool UsesPage(std::size_t row) const;

  // Of each row, as of its last look.
  std::vector<MemoryState> States() const;

 private:
  struct Impl;
  explicit MemoryWatch(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::detect
