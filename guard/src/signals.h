// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>
#include <signal.h>

#include <system_error>
#include <thread>
#include <utility>

#include "fodc/base/status.h"

namespace fodc::guard {

// A thread of the library's that takes none of the host's signals.
// Errors: kResourceExhausted if the system gives none.
template <typename Body>
Status StartThread(std::thread* thread, Body body) {
  sigset_t all;
  sigset_t before;
  (void)sigfillset(&all);
  // The kernel's own are delivered to the thread that caused them.
  for (const int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) {
    (void)sigdelset(&all, s);
  }
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  Status started;
  try {
    *thread = std::thread(std::move(body));
  } catch (const std::system_error&) {
    started = ResourceExhausted("no thread for the guard");
  }
  (void)pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace fodc::guard
