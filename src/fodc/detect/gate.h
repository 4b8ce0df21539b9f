// SPDX-License-Identifier: Apache-2.0
// Whether a target's reads have become slow. Nothing else opens an incident.
#pragma once

#include <cstdint>

#include "fodc/detect/facts.h"
#include "fodc/detect/options.h"

namespace fodc::detect {

enum class Judgement : std::uint8_t {
  kFewReads,  // too few to say
  kNormal,
  kDegraded,
};

// A window against what is usual. Its p95 or its p99 is degraded when it is at
// least `factor` times as long as usual, and at least `min_increase` longer;
// each only with enough reads: five must lie above the quantile. `held`: the
// window before was degraded; then a tenth of the reads is enough, for what is
// slow makes few.
Judgement Judge(const Window& window, const Window& typical, bool held,
                const Options& options);

// Opens after so many consecutive degraded windows, closes after so many
// consecutive others. Not thread-safe.
class Gate {
 public:
  // `options` must outlive it.
  explicit Gate(const Options& options) : options_(options) {}

  enum class Change : std::uint8_t { kNone, kOpened, kClosed };
  Change OnWindow(Judgement judgement);
  void Close();  // and forget

  bool is_open() const { return is_open_; }
  // Whether the newest window was degraded, or the gate is open.
  bool is_held() const { return is_open_ || degraded_ > 0; }

 private:
  const Options& options_;
  bool is_open_ = false;
  double degraded_ = 0;  // consecutive windows
  double others_ = 0;
};

}  // namespace fodc::detect
