// SPDX-License-Identifier: Apache-2.0
// One target: its windows, what is usual for it, and its incident.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fodc/detect/baseline.h"
#include "fodc/detect/deaths.h"
#include "fodc/detect/fact_reader.h"
#include "fodc/detect/gate.h"
#include "fodc/detect/options.h"
#include "fodc/detect/signals.h"
#include "fodc/detect/verdict.h"
#include "fodc/evidence/incident.h"

namespace fodc::detect {

enum class Phase : std::uint8_t {
  kNoReadings,  // of file reads, now
  kLearning,    // what is usual
  kFewReads,    // the newest window says nothing
  kCalm,
  kDegraded,  // the newest window, but not for long enough
  kIncident,  // one is open
};
inline constexpr std::size_t kPhases = 6;
std::string_view PhaseName(Phase phase);  // "no_readings", "learning", ...

// What is known of a target now.
struct TargetState {
  std::string target;
  std::string container_name;
  Phase phase = Phase::kNoReadings;
  // Why no incident can come now; empty if one can.
  std::string reason;
  // The open incident's, or W1, W2 or none of the newest calm windows.
  Verdict verdict = Verdict::kNone;
  std::string cause;
  std::string summary;
  std::uint64_t windows = 0;          // ever
  std::uint64_t learned_windows = 0;  // that the baseline is made of
  // What speaks for the verdict, by name: Numbers(newest, typical).
  Window newest;
  Window typical;
  std::string open_id;  // of the incident; empty: none is open
  // Incidents that were given the verdict; one whose verdict changed counts
  // for both.
  std::array<std::uint64_t, kVerdicts> incidents_total{};
  SignalState signals;
};

// Not thread-safe.
class TargetWatch {
 public:
  using Incidents = std::vector<evidence::Incident>;

  // All must outlive it.
  TargetWatch(std::string name, const Options& options,
              const SignalMap& signals);

  // Frames in the order of the log. Appends each revision of an incident that
  // comes of it.
  void OnOwnFrame(OwnSource source, const recorder::SourceFrame& frame,
                  Incidents* out);
  void OnPageFrame(const recorder::SourceFrame& frame);
  // Any frame of any source came: time has passed.
  void OnTime(const recorder::FrameTime& time, Incidents* out);

  const std::string& container_name() const { return container_name_; }
  TargetState State() const;

 private:
  void OnWindow(const Window& window, recorder::FrameName frame,
                Incidents* out);
  void Start(const Window& window, recorder::FrameName frame, Incidents* out);
  void OnOpenWindow(const Window& window, Judgement judgement, Incidents* out);
  void Adopt(const Finding& finding);
  void RefreshLatencies();
  void Tell(std::int64_t now_ms, Incidents* out);
  void End(std::int64_t now_ms, std::string_view why, Incidents* out);
  void EndOfProcess(std::int64_t now_ms, Incidents* out);
  void StartAnew(std::int64_t now_ms, std::string_view why, Incidents* out);
  std::int64_t UnixAt(std::int64_t now_ms) const;
  bool IsSilent() const;

  const std::string name_;
  const Options& options_;
  FactReader reader_;
  Deaths deaths_;
  Baseline baseline_;
  Gate gate_;
  std::string container_name_;
  std::int64_t now_ms_ = 0;
  std::vector<Window> degraded_;  // the newest, at most start_windows
  std::vector<Window> calm_;      // likewise; of one kind, the other is empty,
                                  // unless an incident is open
  std::uint64_t windows_ = 0;
  Window newest_;
  Judgement judgement_ = Judgement::kFewReads;
  Finding finding_;
  std::array<std::uint64_t, kVerdicts> incidents_total_{};

  // While an incident is open.
  std::optional<evidence::Incident> open_;
  std::int64_t started_ms_ = 0;  // monotonic, as those below
  std::int64_t slow_until_ms_ = 0;
  std::int64_t told_ms_ = 0;
  double worst_p95_ = 0;
  double worst_p99_ = 0;
  std::array<bool, kVerdicts> counted_{};
  std::optional<Finding> other_;  // that the window before had found
  // Its process is not there any more, and what the kernel saw of that comes
  // with the next frame of kernel telemetry.
  struct Ending {
    bool restarted = false;
    std::int64_t at_ms = 0;
  };
  std::optional<Ending> ending_;
};

}  // namespace fodc::detect
