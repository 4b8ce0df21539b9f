// SPDX-License-Identifier: Apache-2.0
// Has the kernel tell when work stalls for memory. Linux,
// Documentation/accounting/psi.rst. It sees a thrashing process; a sudden
// growth without swap is over before any stall: never the only trigger.
#pragma once

#include <cstdint>
#include <string>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc {

struct PsiTriggerSpec {
  bool full = false;  // all tasks at once; else some
  std::uint64_t stall_us = 150'000;
  std::uint64_t window_us = 2'000'000;

  friend bool operator==(const PsiTriggerSpec&,
                         const PsiTriggerSpec&) = default;
};

struct PsiTrigger {
  UniqueFd fd;          // POLLPRI: the stall was reached; POLLERR: it is gone
  PsiTriggerSpec spec;  // in force
};

// What the kernel takes from a process without CAP_SYS_RESOURCE: the window
// rounded up to a multiple of 2 s, the stall scaled with it.
PsiTriggerSpec Unprivileged(const PsiTriggerSpec& spec);

// Opens the file (a cgroup's memory.pressure, /proc/pressure/memory) and sets
// the trigger; if the kernel refuses the window (EINVAL), once more with
// Unprivileged(spec).
// Errors: as open(2) and write(2); kUnimplemented with PSI off.
Result<PsiTrigger> OpenPsiTrigger(const std::string& path,
                                  const PsiTriggerSpec& spec);

}  // namespace fodc
