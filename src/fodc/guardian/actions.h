// SPDX-License-Identifier: Apache-2.0
// What the guardian did, counted: fodc_agent_guardian_actions_total.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fodc::guardian {

// An action and what came of it.
enum class Action : std::uint8_t {
  kCaptureRaised,
  kCaptureInCooldown,
  kTermSent,
  kTermFailed,
  kKillSent,
  kKillFailed,
  kRaiseDone,     // the limit of a target that stands at it
  kRaiseRefused,  // the machine has not that much
  kRaiseFailed,
  kDryRunCapture,
  kDryRunTerm,
  kDryRunKill,
  kSuppressedByCrashLoop,
};
inline constexpr std::size_t kActions =
    static_cast<std::size_t>(Action::kSuppressedByCrashLoop) + 1;

struct ActionLabels {
  std::string_view action;
  std::string_view result;
};
constexpr ActionLabels LabelsOf(Action action) {
  constexpr std::array<ActionLabels, kActions> kLabels = {
      {{"capture", "raised"},
       {"capture", "cooldown"},
       {"term", "sent"},
       {"term", "failed"},
       {"kill", "sent"},
       {"kill", "failed"},
       {"raise", "done"},
       {"raise", "refused"},
       {"raise", "failed"},
       {"dry_run", "capture"},
       {"dry_run", "term"},
       {"dry_run", "kill"},
       {"suppressed", "crash_loop"}}};
  return kLabels[static_cast<std::size_t>(action)];
}

// Thread-safe. All are there from the start, at 0.
class ActionCounts {
 public:
  void Add(Action action) {
    counts_[static_cast<std::size_t>(action)].fetch_add(
        1, std::memory_order_relaxed);
  }
  std::uint64_t of(Action action) const {
    return counts_[static_cast<std::size_t>(action)].load(
        std::memory_order_relaxed);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kActions> counts_{};
};

}  // namespace fodc::guardian
