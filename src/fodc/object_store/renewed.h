// SPDX-License-Identifier: Apache-2.0
// What expires, such as a token: kept, and found anew some minutes before.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/base/status.h"

namespace fodc::object_store {

template <typename T>
struct Expiring {
  T value{};
  std::optional<UnixTime> expires{};  // absent: it never does
};

// One thread at a time finds; those that come meanwhile get what it got, a
// failure too. Thread-safe.
template <typename T>
class Renewed {
 public:
  // Before it expires: an upload may take that long.
  static constexpr std::chrono::minutes kEarly{5};
  // Never called by two threads at once.
  using Find = std::function<Result<Expiring<T>>(const std::stop_token& stop)>;

  // `clock` must outlive it.
  Renewed(Find find, const Clock& clock)
      : find_(std::move(find)), clock_(clock) {}

  // `renew`: what was found before is not taken any more.
  // Errors: those of Find; kCancelled.
  Result<T> Get(bool renew, const std::stop_token& stop) {
    {
      MutexLock lock(mutex_);
      const std::uint64_t before = ends_;
      while (is_finding_) {
        if (stop.stop_requested()) return Cancelled("stopped");
        (void)changed_.wait_for(mutex_, stop, std::chrono::seconds(1),
                                [] { return false; });
      }
      const bool has_waited = ends_ != before;
      const bool is_new = has_waited && failure_.ok();
      if ((!renew || is_new) && Holds(kEarly)) return kept_->value;
      // Not of one that was stopped: that says nothing of the service.
      if (has_waited && !failure_.ok() && failure_.code() != Code::kCancelled) {
        return !renew && Holds({}) ? Result<T>(kept_->value) : failure_;
      }
      is_finding_ = true;
    }
    auto found = find_(stop);
    const MutexLock lock(mutex_);
    is_finding_ = false;
    ++ends_;
    failure_ = found.status();
    if (found.ok()) kept_ = *std::move(found);
    changed_.notify_all();
    // What expires soon is better than nothing.
    if (failure_.ok() || (!renew && Holds({}))) return kept_->value;
    return failure_;
  }

 private:
  bool Holds(std::chrono::nanoseconds early) const FODC_REQUIRES(mutex_) {
    return kept_ &&
           (!kept_->expires || clock_.Unix() + early < *kept_->expires);
  }

  const Find find_;
  const Clock& clock_;
  Mutex mutex_;
  std::condition_variable_any changed_;
  bool is_finding_ FODC_GUARDED_BY(mutex_) = false;
  std::uint64_t ends_ FODC_GUARDED_BY(mutex_) = 0;  // of finding
  Status failure_ FODC_GUARDED_BY(mutex_);          // of the last, if it failed
  std::optional<Expiring<T>> kept_ FODC_GUARDED_BY(mutex_);
};

}  // namespace fodc::object_store
