// SPDX-License-Identifier: Apache-2.0
// What the kernel counts for one target, as a source of the recording.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "fodc/collect/readings.h"
#include "fodc/kernel/reading.h"
#include "fodc/recorder/recording.h"

namespace fodc::collect {

// Sources of kernel telemetry begin with it, the target's name follows.
inline constexpr std::string_view kKernelSource = "kernel ";

// The families ktm_*; docs/reference/metrics.md. Belongs to the loop's thread.
// What is absent in a reading is absent in its frame.
// Memory: for each series its labels, about 100 KiB a target (400 KiB with fine
// buckets). After the first frames it allocates nothing.
class KernelSamples {
 public:
  struct Options {
    // All four buckets of an octave, not one.
    bool fine_buckets = false;
    // Put the target's name into each series, as `target`: where container
    // names do not tell targets apart.
    bool label_target = false;
  };

  // `recording` must outlive it.
  KernelSamples(recorder::Recording& recording, std::string_view target,
                std::string_view container_name, const Options& options);

  // Appends one frame.
  void Record(const kernel::TargetReading& reading,
              const kernel::Overview& overview, recorder::FrameTime time);
  // What the next frames say of the newest deaths.
  void OnEvent(const kernel::KernelEvent& event);

 private:
  class Walk;
  static void Visit(const kernel::TargetReading& reading,
                    const kernel::Overview& overview,
                    const kernel::KernelEvent* victim,
                    const kernel::KernelEvent* exit, Walk& walk);

  const Options options_;
  const std::string target_;
  Readings readings_;
  kernel::KernelEvent last_victim_;
  kernel::KernelEvent last_exit_;
  bool has_victim_ = false;
  bool has_exit_ = false;
};

}  // namespace fodc::collect
