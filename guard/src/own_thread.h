// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

#include "fault_signals.h"
#include "fodc/base/status.h"
#include "fodc/guard/crash.h"
#include "thread_asker.h"

namespace fodc::guard {

// A thread of the library's, called `name` (15 bytes at most, static), that
// takes none of the host's signals. It tells its stack like any other, if that
// signal was taken before it began.
// Errors: kResourceExhausted if the system gives none.
template <typename Body>
Status StartThread(std::thread* thread, const char* name, Body body) {
  sigset_t mask;
  sigset_t before;
  FillAllButFaults(&mask);
  for (int s = SIGRTMIN; s <= SIGRTMAX; ++s) {
    if (IsThreadSignal(s)) (void)::sigdelset(&mask, s);
  }
  (void)::pthread_sigmask(SIG_SETMASK, &mask, &before);
  Status started;
  try {
    *thread = std::thread([body = std::move(body)]() mutable {
      // Hosts are called on it. Without a stack all but an overflow is told.
      CoverThisThread().IgnoreError();
      body();
    });
    (void)::pthread_setname_np(thread->native_handle(), name);
  } catch (...) {  // no thread, or no memory for one
    started = ResourceExhausted("no thread for the guard");
  }
  (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace fodc::guard
