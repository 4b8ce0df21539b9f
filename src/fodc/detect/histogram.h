// SPDX-License-Identifier: Apache-2.0
// Latency histograms as pages have them: cumulative counters by upper bound.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace fodc::detect {

// How many events fell under each bound, during some time.
struct Buckets {
  std::vector<double> bounds;  // ascending; the last is +Inf
  std::vector<double> counts;  // of that bucket alone; as many

  double total() const;
  // Linear inside of a bucket, so exact to the width of one. Of the last
  // bucket, which has no end, its lower bound: the truth is not below.
  // Nothing without events.
  std::optional<double> Quantile(double q) const;
};

// Follows one histogram from frame to frame, and adds up what came. Not
// thread-safe.
class HistogramTrack {
 public:
  struct Column {
    double bound = 0;
    std::size_t line = 0;  // of the frame
  };
  static constexpr std::size_t kMaxBuckets = 1024;

  // What the next frames have. Bounds of any kind and order: NaN, a bound that
  // is there twice or more than kMaxBuckets make it a histogram that is not
  // there. With other bounds than before, counting starts anew.
  void SetColumns(std::vector<Column> columns);
  bool is_there() const { return !columns_.empty(); }

  enum class Step {
    kNothing,  // not there, or the first frame, or values that are no counts
    kCounted,
    kReset,  // a counter went back: nothing is counted, the next frame is
  };
  Step Read(std::span<const double> values);
  // Whether any frame was counted since the last Take.
  bool has_counted() const { return has_counted_; }
  // What was counted since then.
  Buckets Take();

 private:
  std::vector<Column> columns_;   // by bound
  std::vector<double> previous_;  // cumulative; empty before the first frame
  std::vector<double> current_;
  std::vector<double> counted_;  // cumulative
  bool has_counted_ = false;
};

}  // namespace fodc::detect
