// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/patient_thread.h"

#include <optional>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"

namespace fodc::capture {

struct PatientThread::State {
  Mutex mutex;
  CondVar changed;
  bool is_ending FODC_GUARDED_BY(mutex) = false;
  bool is_busy FODC_GUARDED_BY(mutex) = false;
  Work work FODC_GUARDED_BY(mutex);
  std::optional<Result<StepText>> result FODC_GUARDED_BY(mutex);

  void Loop();
};

void PatientThread::State::Loop() {
  for (;;) {
    Work mine;
    {
      MutexLock lock(mutex);
      while (!is_ending && !work) changed.Wait(mutex);
      if (is_ending) return;
      mine = std::move(work);
    }
    Result<StepText> text = mine();
    // What it owns goes on this thread, too.
    mine = {};
    MutexLock lock(mutex);
    result = std::move(text);
    is_busy = false;
    changed.NotifyAll();
  }
}

PatientThread::PatientThread()
    : state_(std::make_unique<State>()),
      thread_([state = state_.get()] { state->Loop(); }) {}

PatientThread::~PatientThread() {
  MutexLock lock(state_->mutex);
  state_->is_ending = true;
  state_->changed.NotifyAll();
}

Result<StepText> PatientThread::Run(Work work,
                                    std::chrono::nanoseconds deadline,
                                    const std::stop_token& stop) {
  const MonotonicTime until = SystemClock().Monotonic() + deadline;
  // Ends after the lock does: it may be waiting for that.
  const std::stop_callback wake(stop, [this] {
    MutexLock lock(state_->mutex);
    state_->changed.NotifyAll();
  });
  MutexLock lock(state_->mutex);
  if (state_->is_busy) return Unavailable("an earlier read has not come back");
  state_->result.reset();
  state_->work = std::move(work);
  state_->is_busy = true;
  state_->changed.NotifyAll();
  while (state_->is_busy) {
    if (stop.stop_requested()) return Cancelled("the capture was ended");
    const auto left = until - SystemClock().Monotonic();
    if (left <= std::chrono::nanoseconds(0)) {
      return DeadlineExceeded(
          StrCat("not read within ", FormatGoDuration(deadline)));
    }
    (void)state_->changed.WaitFor(state_->mutex, left);
  }
  return *std::move(state_->result);
}

}  // namespace fodc::capture
