// SPDX-License-Identifier: Apache-2.0
#include "examples/kvload/crew.h"

#include <cmath>
#include <thread>
#include <vector>

namespace kvload {

using std::chrono::duration;
using std::chrono::duration_cast;
using std::chrono::nanoseconds;

fodc::MonotonicTime Pace::Next() {
  const fodc::MonotonicTime now = fodc::SystemClock().Monotonic();
  if (rate_ <= 0) return now;
  // Of a rate that grows evenly, the time of the nth request is a square root.
  const double n = static_cast<double>(n_++);
  const double ramp_seconds = duration<double>(ramp_over_).count();
  const double seconds =
      ramp_seconds > 0 ? std::sqrt(2 * n * ramp_seconds / rate_) : n / rate_;
  const fodc::MonotonicTime due =
      start_ + duration_cast<nanoseconds>(duration<double>(seconds));
  if (due > now) std::this_thread::sleep_for(due - now);
  return due;
}

Crew::Crew(const LoadOptions& options)
    : options_(options), start_(fodc::SystemClock().Monotonic()) {}

void Crew::Run(const std::function<void(std::size_t)>& work) const {
  std::vector<std::jthread> threads;
  for (std::int64_t i = 0; i < options_.connections; ++i) {
    threads.emplace_back([&work, i] { work(static_cast<std::size_t>(i)); });
  }
}

bool Crew::TimeIsOver() const { return elapsed() >= options_.duration; }

bool Crew::More() {
  if (TimeIsOver()) return false;
  return options_.count == 0 || ++begun_ <= options_.count;
}

Pace Crew::MakePace(bool ramp) const {
  return {options_.rate / static_cast<double>(options_.connections),
          ramp ? options_.duration : nanoseconds(0), start_};
}

nanoseconds Crew::elapsed() const {
  return fodc::SystemClock().Monotonic() - start_;
}

void PauseAfterFailure() {
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

}  // namespace kvload
