// SPDX-License-Identifier: Apache-2.0
// The kernel's own numbers of processes, by which its programs go, from those
// that the agent sees.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/kernel/kernel_view.h"

namespace fodc::kernel {

// In the first process namespace they are the same. In another one the kernel
// is asked each time, by an iterator over its tasks. Not thread-safe.
class ProcessNumbers {
 public:
  // What is refused is tried again after `retry_interval`. `kernel` and `clock`
  // must outlive the object.
  ProcessNumbers(const KernelView& kernel, const Clock& clock,
                 std::chrono::nanoseconds retry_interval)
      : kernel_(kernel),
        clock_(clock),
        retry_interval_(retry_interval),
        space_(kernel.Namespace()) {}

  // Of those of `processes` that live. None where no program at all can be
  // loaded, which is for those to tell who load the others.
  // Errors: kFailedPrecondition if /proc is not of our namespace, or with what
  // the kernel said.
  Result<std::vector<pid_t>> Of(std::span<const pid_t> processes);

  // Whether what /proc shows are our processes.
  bool AreOurs() const { return space_ != ProcessNamespace::kNotOurs; }

 private:
  Status Load();
  // By our number.
  Result<std::map<pid_t, pid_t>> ReadAll() const;

  const KernelView& kernel_;
  const Clock& clock_;
  const std::chrono::nanoseconds retry_interval_;
  const ProcessNamespace space_;
  UniqueFd link_;
  Status refused_;
  std::optional<MonotonicTime> try_again_at_;
};

}  // namespace fodc::kernel
