// SPDX-License-Identifier: Apache-2.0
// Windows out of the frames of one target.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "fodc/detect/counter_track.h"
#include "fodc/detect/facts.h"
#include "fodc/detect/histogram.h"
#include "fodc/detect/options.h"
#include "fodc/detect/signal_reader.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::detect {

// What the agent itself reads of a target comes in frames of these sources,
// with the target's name behind the prefix.
enum class OwnSource : std::uint8_t { kKernel, kTarget };
inline constexpr std::string_view kKernelSourcePrefix = "kernel ";
inline constexpr std::string_view kTargetSourcePrefix = "target ";

// Frames of each source in order; a frame that is older than the one before is
// passed over. Not thread-safe.
class FactReader {
 public:
  // Both must outlive it.
  FactReader(const Options& options, const SignalMap& signals);

  struct Outcome {
    // Its process is another than before, or its container: what was in work
    // is dropped.
    bool restarted = false;
    // Its process ran in the frame before, and does not now, as the agent says.
    // (It may never have seen one: readings of a group need none.)
    bool ended = false;
    std::optional<Window> window;  // that ended with this frame
  };
  // A window ends with the first frame with read latencies that is at least as
  // long after its begin as Options has it, less half of the interval of these
  // frames; it is dropped when nothing came for StaleMs().
  Outcome OnOwnFrame(OwnSource source, const recorder::SourceFrame& frame);
  void OnPageFrame(const recorder::SourceFrame& frame) {
    signals_.OnFrame(frame);
  }

  // Whether the newest frames have read latencies.
  bool has_latency() const { return reads_.is_there(); }
  // When the newest frame with them came, by the monotonic clock.
  std::int64_t newest_latency_ms() const { return newest_latency_ms_; }
  // Age beyond which a reading counts as missing: what Options say, and at
  // least three intervals of the frames with read latencies. Of their two
  // newest intervals the shorter one, so that a gap is none.
  double StaleMs() const;
  const SignalState& signals() const { return signals_.state(); }

 private:
  struct Row {
    std::optional<OwnSource> source;  // that has it
    std::size_t line = 0;
    CounterTrack track;
    double value = 0;  // the level, or the newest rate
    std::int64_t at_ms = 0;
    bool is_known = false;
  };
  struct Own {
    std::shared_ptr<const std::vector<recorder::SeriesRef>> layout;
    std::int64_t newest_ms = 0;
    std::optional<std::size_t> pid, start, restarts, up;  // lines
  };
  void SetLayout(OwnSource source, const recorder::SourceFrame& frame);
  bool HasRestarted(const Own& own, const recorder::SourceFrame& frame);
  void DropWork();
  void ReadRows(OwnSource source, const recorder::SourceFrame& frame);
  Outcome OnLatency(const recorder::SourceFrame& frame);
  Window TakeWindow(const recorder::SourceFrame& frame);

  const Options& options_;
  std::array<Own, 2> own_;
  std::vector<Row> rows_;                   // of AllFactSeries()
  std::vector<HistogramTrack> histograms_;  // of AllFactHistograms()
  std::vector<std::optional<OwnSource>> histogram_sources_;
  HistogramTrack reads_;
  std::optional<OwnSource> reads_source_;
  SignalReader signals_;
  std::optional<double> pid_, start_, restarts_;
  bool is_up_ = false;
  std::optional<std::int64_t> window_from_ms_;
  std::int64_t frames_in_window_ = 0;
  std::int64_t newest_latency_ms_ = 0;
  // The newest two between frames with latencies; 0: not known.
  std::array<std::int64_t, 2> intervals_ms_{};
};

}  // namespace fodc::detect
