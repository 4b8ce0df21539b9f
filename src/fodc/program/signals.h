// SPDX-License-Identifier: Apache-2.0
// Signals as events of the loop.
#pragma once

#include <memory>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/net/event_loop.h"

namespace fodc::program {

// Blocks SIGINT, SIGTERM and SIGHUP and ignores SIGPIPE. In main, before the
// first thread, so that every thread inherits it.
void BlockSignals();

// Calls `on_signal` on the loop for each SIGINT, SIGTERM and SIGHUP from its
// making to its end. Needs BlockSignals.
class SignalWatch {
 public:
  // `loop` must outlive it.
  static Result<SignalWatch> Create(
      net::EventLoop& loop, net::UniqueFunction<void(int signal)> on_signal);

 private:
  UniqueFd fd_;
  net::EventLoop::Handle watch_;  // of fd_: goes first
};

}  // namespace fodc::program
