// SPDX-License-Identifier: Apache-2.0
// Reads that the kernel may hold up for longer than anybody wants to wait: the
// files of a process whose memory map is locked, or of a disk that hangs.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "fodc/base/status.h"
#include "fodc/net/unique_function.h"

namespace fodc::capture {

// What a step reads: readable text, and whether something is missing in it.
struct StepText {
  std::string text{};
  std::string cut_reason{};  // empty: it is all there
};

// A thread that waits instead of its owner. Run belongs to one thread.
class PatientThread {
 public:
  using Work = net::UniqueFunction<Result<StepText>()>;

  PatientThread();
  // Waits for what still runs, as long as the kernel holds it up.
  ~PatientThread();
  PatientThread(const PatientThread&) = delete;
  PatientThread& operator=(const PatientThread&) = delete;

  // What `work` gives, which must own all that it uses: it may go on when this
  // has returned. Errors: kDeadlineExceeded; kCancelled; kUnavailable, at once,
  // while earlier work goes on; what `work` says.
  Result<StepText> Run(Work work, std::chrono::nanoseconds deadline,
                       const std::stop_token& stop);

 private:
  struct State;
  const std::unique_ptr<State> state_;
  std::jthread thread_;
};

}  // namespace fodc::capture
