// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/patient_thread.h"

#include <optional>
#include <system_error>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"

namespace fodc::capture {

bool LostReads::Lose() {
  std::size_t now = now_.load();
  while (now < max_) {
    if (now_.compare_exchange_weak(now, now + 1)) return true;
  }
  return false;
}

// Shared with the thread, which may outlive its owner.
struct PatientThread::State {
  explicit State(std::shared_ptr<LostReads> lost_reads)
      : lost(std::move(lost_reads)) {}

  const std::shared_ptr<LostReads> lost;
  Mutex mutex;
  CondVar changed;
  bool is_ending FODC_GUARDED_BY(mutex) = false;
  bool is_lost FODC_GUARDED_BY(mutex) = false;
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
      if (is_ending) break;
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
  MutexLock lock(mutex);
  if (is_lost) lost->CameBack();
}

PatientThread::PatientThread(std::shared_ptr<LostReads> lost)
    : lost_(std::move(lost)) {
  Begin();
}

PatientThread::~PatientThread() { End(); }

void PatientThread::Begin() {
  auto state = std::make_shared<State>(lost_);
  thread_ = std::thread([state] { state->Loop(); });
  state_ = std::move(state);
}

void PatientThread::End() {
  if (!thread_.joinable()) return;
  bool is_busy = false;
  {
    MutexLock lock(state_->mutex);
    state_->is_ending = true;
    is_busy = state_->is_busy;
    state_->changed.NotifyAll();
  }
  if (is_busy)
    thread_.detach();
  else
    thread_.join();
}

Status PatientThread::Renew() {
  {
    MutexLock lock(state_->mutex);
    if (!state_->is_busy && thread_.joinable()) return OkStatus();
    // It may be lost already, where no thread was to be had in its place.
    if (state_->is_busy && !state_->is_lost) {
      if (!lost_->Lose()) {
        return Unavailable(
            StrCat(lost_->max() + 1, " earlier reads have not come back"));
      }
      state_->is_lost = true;
    }
  }
  End();
  try {
    Begin();
  } catch (const std::system_error& e) {
    return Unavailable(StrCat("no thread: ", e.what()));
  }
  return OkStatus();
}

Result<StepText> PatientThread::Run(Work work,
                                    std::chrono::nanoseconds deadline,
                                    const std::stop_token& stop) {
  const MonotonicTime until = SystemClock().Monotonic() + deadline;
  FODC_RETURN_IF_ERROR(Renew());
  State& state = *state_;
  // Ends after the lock does: it may be waiting for that.
  const std::stop_callback wake(stop, [&state] {
    MutexLock lock(state.mutex);
    state.changed.NotifyAll();
  });
  MutexLock lock(state.mutex);
  state.result.reset();
  state.work = std::move(work);
  state.is_busy = true;
  state.changed.NotifyAll();
  while (state.is_busy) {
    if (stop.stop_requested()) return Cancelled("the capture was ended");
    const auto left = until - SystemClock().Monotonic();
    if (left <= std::chrono::nanoseconds(0)) {
      return DeadlineExceeded(
          StrCat("not read within ", FormatGoDuration(deadline)));
    }
    (void)state.changed.WaitFor(state.mutex, left);
  }
  return *std::move(state.result);
}

}  // namespace fodc::capture
