// SPDX-License-Identifier: Apache-2.0
// Reading samples out of a recording.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/recorder/recording.h"

namespace fodc::recorder {

// A series as a reader sees it. Views live as long as the snapshot.
struct SeriesView {
  const Series* series =
      nullptr;  // stable identity: equal pointers, equal series
  std::string_view source_name;
  std::string_view container_name;
};
// Text of a series: see series.h.

// Chooses series; an empty function takes all.
using SeriesFilter = std::function<bool(const SeriesView&)>;

// Inclusive, wall-clock time at append.
struct TimeRange {
  std::int64_t from_unix_ms = INT64_MIN;
  std::int64_t to_unix_ms = INT64_MAX;
};

// The newest frame of one source at some instant.
struct SourceFrame {
  std::string_view source_name;
  std::string_view container_name;
  FrameName name;
  FrameTime time;
  // Same length; `series` is the same pointer value for as long as the set of
  // series does not change, so that a reader may cache what it rendered. None
  // of them is null: a log defines what it refers to.
  std::shared_ptr<const std::vector<SeriesRef>> series;
  std::vector<double> values;
};

class Snapshot {
 public:
  // The newest frame of each source of the newest life. No chunk is decoded.
  std::vector<SourceFrame> Latest() const;

  // Each source's newest frame at or before `unix_ms`, if it is no older than
  // `max_age_ms`.
  Result<std::vector<SourceFrame>> At(std::int64_t unix_ms,
                                      std::int64_t max_age_ms) const;

  // Calls `sink` once for each series that the filter takes and that has
  // samples in the range, with its samples in the order of the wall clock
  // (where it was set back that is not the order of the log). Decodes
  // the columns asked for, one series at a time: memory does not grow with the
  // range beyond one decompressed window. Stops when `sink` returns false.
  // A damaged chunk is passed over and counted in *damaged, if given.
  using SeriesSink = std::function<bool(const SeriesView&,
                                        std::span<const std::int64_t> unix_ms,
                                        std::span<const double> values)>;
  void ReadSeries(TimeRange range, const SeriesFilter& filter,
                  const SeriesSink& sink, int* damaged = nullptr) const;

  // The same, resumable: for answers that are streamed piece by piece; see
  // series_reader.h.
  class SeriesReader;
  std::unique_ptr<SeriesReader> OpenSeriesReader(
      TimeRange range, const SeriesFilter& filter) const;

  // Calls `sink` for each frame in the range, in the order of the log, whole.
  using FrameSink = std::function<bool(const SourceFrame&)>;
  void ReadFrames(TimeRange range, const FrameSink& sink,
                  int* damaged = nullptr) const;

  Snapshot(const Snapshot&);
  Snapshot(Snapshot&&) noexcept;
  Snapshot& operator=(const Snapshot&);
  Snapshot& operator=(Snapshot&&) noexcept;
  ~Snapshot();

  struct State;  // snapshot_state.h, for this room
  explicit Snapshot(std::shared_ptr<const State> state);
  const State& state() const { return *state_; }

 private:
  std::shared_ptr<const State> state_;
};

}  // namespace fodc::recorder
