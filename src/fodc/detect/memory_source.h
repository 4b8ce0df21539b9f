// SPDX-License-Identifier: Apache-2.0
// The memory of one process as whoever watches for pressure reads it, and the
// events by which the kernel says that it is time to look.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/memory_gauge.h"
#include "fodc/base/psi_trigger.h"
#include "fodc/base/status.h"
#include "fodc/base/threshold_events.h"
#include "fodc/base/unique_fd.h"
#include "fodc/detect/pressure_trigger.h"

namespace fodc::detect {

// The seam to the kernel. Not thread-safe.
class MemorySource {
 public:
  virtual ~MemorySource() = default;
  virtual pid_t pid() const = 0;
  virtual std::uint64_t start_ticks() const = 0;
  virtual bool HasEnded() const = 0;

  // What ReadBytes gives: kCharge under a cgroup limit, else kResident.
  virtual PressureMeasure measure() const = 0;
  // Its cgroup is not visible, so that a limit may be there that is not seen.
  virtual bool is_blind() const = 0;
  // Nothing if it cannot be read; `Why` says why.
  virtual std::optional<std::uint64_t> ReadBytes() = 0;
  virtual std::string Why() const = 0;
  virtual std::uint64_t limit_bytes() const = 0;
  // Reads the limits anew, and puts the events at the lines that follow.
  virtual void ReadLimits() = 0;

  // Each -1 if there is none. Readable when it has ended; ...
  virtual int pidfd() const = 0;
  // ... readable when usage crossed a line, in either direction; ...
  virtual int event_fd() const = 0;
  virtual void DrainEvents() = 0;
  // ... urgent when work stalled for memory.
  virtual int stall_fd() const = 0;
  // It told of an error: it is not to be waited for any more.
  virtual void DropStall() = 0;
  // Why there is no event_fd or no stall_fd, as the kernel said it; empty if
  // there are both.
  virtual std::string EventsProblem() const = 0;
};

struct KernelMemoryOptions {
  std::string proc_root = "/proc";
  std::string sys_root = {};  // before cgroup mount points (tests)
  // Where v1 is to tell of crossings, of the limit; 0: nowhere.
  int trigger_percent = 75;
  int hard_percent = 90;
  // Events of v1, and of PSI, are asked for. Without them it is the clock that
  // finds out.
  bool has_events = true;
};

class KernelMemory final : public MemorySource {
 public:
  // Opens all that it needs. Events that the kernel refuses are no error.
  // Errors: kNotFound if the process is gone or the pid another's; those of
  // MemoryGauge::Open.
  static Result<std::unique_ptr<KernelMemory>> Open(
      pid_t pid, std::uint64_t start_ticks, const KernelMemoryOptions& options);

  pid_t pid() const override { return pid_; }
  std::uint64_t start_ticks() const override { return start_ticks_; }
  bool HasEnded() const override;
  PressureMeasure measure() const override {
    return gauge_.has_cgroup_limit() ? PressureMeasure::kCharge
                                     : PressureMeasure::kResident;
  }
  bool is_blind() const override { return !gauge_.group(); }
  std::optional<std::uint64_t> ReadBytes() override {
    return gauge_.ReadBytes();
  }
  std::string Why() const override { return gauge_.last_error().message(); }
  std::uint64_t limit_bytes() const override { return gauge_.limit_bytes(); }
  void ReadLimits() override;
  int pidfd() const override { return pidfd_.get(); }
  int event_fd() const override { return events_.fd(); }
  void DrainEvents() override { events_.Drain(); }
  int stall_fd() const override { return stall_.fd.get(); }
  void DropStall() override {
    stall_.fd = UniqueFd();
    stall_problem_ = "the kernel told of an error";
  }
  std::string EventsProblem() const override;

 private:
  KernelMemory(pid_t pid, std::uint64_t start_ticks, UniqueFd pidfd,
               MemoryGauge gauge, const KernelMemoryOptions& options);
  void OpenEvents();
  void OpenStall();

  const pid_t pid_;
  const std::uint64_t start_ticks_;
  const KernelMemoryOptions options_;
  const UniqueFd pidfd_;
  MemoryGauge gauge_;
  // Of which the events are.
  std::string events_group_;
  std::uint64_t events_limit_ = 0;
  ThresholdEvents events_;
  std::string events_problem_;
  PsiTrigger stall_;
  std::string stall_problem_;
};

}  // namespace fodc::detect
