// SPDX-License-Identifier: Apache-2.0
// When a request to a store is made again, and how many at a time there are:
// pure, with the time and the dice of its caller. After the advice of the
// stores: exponential backoff with full jitter; additive increase,
// multiplicative decrease.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "fodc/base/clock.h"

namespace fodc::object_store {

// What came of one attempt.
enum class Attempt : std::uint8_t {
  kDone,
  kRefused,      // no further attempt will do
  kTransient,    // the connection or the server failed
  kThrottled,    // the server wants less
  kClockSkewed,  // signed for another time: again at once, with the server's
  kUnsigned,     // credentials have expired: again at once, with new ones
};

// Of an answer's status and the service's own code, such as "SlowDown".
// 0: there was no answer.
Attempt ClassifyAnswer(int status, std::string_view code);

struct RetryOptions {
  std::chrono::nanoseconds base = std::chrono::milliseconds(200);
  std::chrono::nanoseconds most = std::chrono::seconds(20);
  int attempts = 8;
  std::chrono::nanoseconds total = std::chrono::minutes(5);
};

// Of one request. Not thread-safe.
class RetryState {
 public:
  RetryState(const RetryOptions& options, MonotonicTime now)
      : options_(options), began_(now) {}

  // How long to wait before the next attempt, after one that ended so; absent:
  // there is none. `dice` is in [0, 1). What the server wants to be waited
  // (Retry-After) is the least.
  std::optional<std::chrono::nanoseconds> Next(
      Attempt attempt, MonotonicTime now, double dice,
      std::optional<std::chrono::seconds> retry_after);

  int attempts() const { return attempts_; }

 private:
  const RetryOptions options_;
  const MonotonicTime began_;
  int attempts_ = 0;  // that have ended
  bool was_skewed_ = false;
  bool was_unsigned_ = false;
};

// Retries of all requests together: each takes some of what successes give
// back, so that a store that is down is not stormed. Not thread-safe.
class RetryBudget {
 public:
  static constexpr double kMost = 500;
  static constexpr double kPerRetry = 5;
  static constexpr double kPerSuccess = 1;

  // Whether one more retry may be made; it is paid for.
  bool Take();
  void OnSuccess();

 private:
  double left_ = kMost;
};

// How many requests are made at once: half as many when the server wants less,
// one more after each hundred that went well. Not thread-safe.
class Concurrency {
 public:
  explicit Concurrency(std::size_t most) : most_(most), now_(most) {}

  void OnSuccess();
  // Those that were on their way together count once.
  void OnThrottled(MonotonicTime now);

  std::size_t limit() const { return now_; }

 private:
  static constexpr int kSuccesses = 100;
  static constexpr std::chrono::seconds kTogether{1};

  const std::size_t most_;
  std::size_t now_;
  int successes_ = 0;
  std::optional<MonotonicTime> throttled_at_;
};

}  // namespace fodc::object_store
