// SPDX-License-Identifier: Apache-2.0
// What is usual for a target.
#pragma once

#include <cstddef>
#include <vector>

#include "fodc/detect/facts.h"
#include "fodc/detect/options.h"

namespace fodc::detect {

// The median of the newest calm windows, number by number: half of them may be
// anything without moving it far. Memory: Options::history_windows windows of
// some 300 bytes. Not thread-safe.
class Baseline {
 public:
  // `options` must outlive it.
  explicit Baseline(const Options& options) : options_(options) {}

  // The caller says what is calm.
  void Learn(const Window& calm);
  void Clear();

  std::size_t windows() const { return ring_.size(); }
  bool is_ready() const;
  // A number that too few of the windows had is NaN, but a fact only if none
  // had it.
  const Window& typical() const { return typical_; }

 private:
  const Options& options_;
  std::vector<Window> ring_;
  std::size_t next_ = 0;  // the oldest, once the ring is full
  Window typical_;
};

}  // namespace fodc::detect
