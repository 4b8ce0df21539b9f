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

// A window against what is usual. A quantile is degraded when it is at least
// `factor` times as long as usual, and at least `min_increase` longer. It is
// judged if at least five reads lie above it: p95 from `min_reads` on, p99 from
// five times as many. A window with fewer than `min_reads`, where there are
// usually more (a baseline is learned of such windows only), is judged by its
// median, from a tenth of them on; and from one on, if reads took half of its
// time: they are few because each takes so long.
Judgement Judge(const Window& window, const Window& typical,
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

 private:
  const Options& options_;
  bool is_open_ = false;
  double degraded_ = 0;  // consecutive windows
  double others_ = 0;
};

}  // namespace fodc::detect
