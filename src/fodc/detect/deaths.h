// SPDX-License-Identifier: Apache-2.0
// What the kernel said of processes of a target that died.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/evidence/incident.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::detect {

// The series of the agent's own that tell it.
struct DeathSeries {
  std::string_view family;
  bool is_oom;      // of an OOM victim; else of an exit by signal
  bool is_counter;  // else of the newest one
};
inline constexpr std::size_t kDeathSeries = 5;
std::span<const DeathSeries, kDeathSeries> AllDeathSeries();

// Follows them from frame to frame. It knows processes of the target, not which
// of them: their ids are not recorded. Not thread-safe.
class Deaths {
 public:
  struct Account {
    std::string clauses;  // "; ..." each; empty if nobody died
    std::vector<evidence::IncidentNumber> numbers;  // "oom_kills", ...
  };
  static constexpr std::size_t kMaxNumbers = 4;

  // Frames of kernel telemetry, in order.
  void OnFrame(const recorder::SourceFrame& frame);
  // Whether the newest frame would tell deaths.
  bool is_told() const { return is_told_; }
  // Of the newest victim and exit that a frame at `from_ms` or later told.
  Account Since(std::int64_t from_ms) const;

 private:
  void SetLayout(const recorder::SourceFrame& frame);

  std::shared_ptr<const std::vector<recorder::SeriesRef>> layout_;
  std::array<std::vector<std::size_t>, kDeathSeries> lines_;
  std::array<std::optional<double>, kDeathSeries> values_;
  bool is_told_ = false;
  std::optional<std::int64_t> oom_ms_, exit_ms_;  // when they came
  double oom_kills_ = 0;                          // with that frame
};

}  // namespace fodc::detect
