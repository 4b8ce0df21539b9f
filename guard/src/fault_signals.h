// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

namespace fodc::guard {

// The kernel sends them to the thread that did what they tell of. A thread that
// blocks one and causes it ends the process, and no handler is called.
inline constexpr int kFaultSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE,
                                        SIGABRT, SIGSYS, SIGTRAP};

// Async-signal-safe.
inline void FillAllButFaults(sigset_t* set) {
  (void)::sigfillset(set);
  for (const int s : kFaultSignals) (void)::sigdelset(set, s);
}

}  // namespace fodc::guard
