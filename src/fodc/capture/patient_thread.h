// SPDX-License-Identifier: Apache-2.0
// Reads that the kernel may hold up for longer than anybody wants to wait: the
// files of a process whose memory map is locked, or of a disk that hangs.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
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

// How many reads hang that nobody waits for any more: each has a thread. Shared
// by those who start such threads; thread-safe.
class LostReads {
 public:
  explicit LostReads(std::size_t max = 4) : max_(max) {}

  // One more; false if there are `max`.
  bool Lose();
  void CameBack() { now_.fetch_sub(1); }
  std::size_t now() const { return now_.load(); }
  std::size_t max() const { return max_; }

 private:
  const std::size_t max_;
  std::atomic<std::size_t> now_{0};
};

// A thread that waits instead of its owner. Run belongs to one thread.
class PatientThread {
 public:
  using Work = net::UniqueFunction<Result<StepText>()>;

  explicit PatientThread(
      std::shared_ptr<LostReads> lost = std::make_shared<LostReads>());
  // Waits for nothing: work that goes on is left to itself.
  ~PatientThread();
  PatientThread(const PatientThread&) = delete;
  PatientThread& operator=(const PatientThread&) = delete;

  // What `work` gives, which must own all that it uses: it may go on when this
  // has returned, and when the PatientThread is gone. Earlier work that goes on
  // is left to itself, and a new thread is begun.
  // Errors: kDeadlineExceeded; kCancelled; kUnavailable, at once, while earlier
  // work goes on and as much as `lost` allows is lost already, or if there is
  // no thread to be had; what `work` says.
  Result<StepText> Run(Work work, std::chrono::nanoseconds deadline,
                       const std::stop_token& stop);

 private:
  struct State;

  void Begin();
  // Ends the thread, or lets it go if it is busy.
  void End();
  Status Renew();

  const std::shared_ptr<LostReads> lost_;
  std::shared_ptr<State> state_;
  std::thread thread_;
};

}  // namespace fodc::capture
