// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/retry.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace fodc::object_store {
namespace {

template <std::size_t N>
bool IsOneOf(std::string_view code,
             const std::array<std::string_view, N>& codes) {
  return std::ranges::find(codes, code) != codes.end();
}

}  // namespace

Attempt ClassifyAnswer(int status, std::string_view code) {
  // The last one: a key that was taken out of use, for which the files may have
  // another by now.
  constexpr std::array<std::string_view, 6> kExpired = {
      "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired",
      "InvalidToken", "RequestExpired",        "InvalidAccessKeyId"};
  // Conflicts that pass.
  constexpr std::array<std::string_view, 4> kPassing = {
      "RequestTimeout", "OperationAborted", "ConditionalRequestConflict",
      "ContainerBeingDeleted"};
  constexpr std::array<std::string_view, 3> kSkewed = {
      "RequestTimeTooSkewed", "RequestInTheFuture", "SignatureExpired"};
  constexpr std::array<std::string_view, 6> kThrottled = {
      "SlowDown",   "Throttling",      "ThrottlingException",
      "ServerBusy", "TooManyRequests", "RequestLimitExceeded"};
  if (status >= 200 && status < 300) return Attempt::kDone;
  if (IsOneOf(code, kExpired)) return Attempt::kUnsigned;
  if (IsOneOf(code, kSkewed)) return Attempt::kClockSkewed;
  if (IsOneOf(code, kThrottled) || status == 429 || status == 503)
    return Attempt::kThrottled;
  if (status == 401) return Attempt::kUnsigned;
  if (status == 0 || status == 408 || IsOneOf(code, kPassing))
    return Attempt::kTransient;
  // 501 and 505 are what it will ever say.
  if (status >= 500 && status != 501 && status != 505)
    return Attempt::kTransient;
  return Attempt::kRefused;
}

std::optional<std::chrono::nanoseconds> RetryState::Next(
    Attempt attempt, MonotonicTime now, double dice,
    std::optional<std::chrono::seconds> retry_after) {
  ++attempts_;
  if (attempts_ >= options_.attempts || now - began_ >= options_.total)
    return {};
  switch (attempt) {
    case Attempt::kDone:
    case Attempt::kRefused:
      return {};
    case Attempt::kClockSkewed:
      if (std::exchange(was_skewed_, true)) return {};
      return std::chrono::nanoseconds(0);
    case Attempt::kUnsigned:
      if (std::exchange(was_unsigned_, true)) return {};
      return std::chrono::nanoseconds(0);
    case Attempt::kTransient:
    case Attempt::kThrottled:
      break;
  }
  // Full jitter: anything up to what the attempts allow.
  const double most = std::min(
      static_cast<double>(options_.most.count()),
      static_cast<double>(options_.base.count()) * std::exp2(attempts_ - 1));
  std::chrono::nanoseconds wait(static_cast<std::int64_t>(most * dice));
  if (retry_after)
    wait = std::max<std::chrono::nanoseconds>(wait, *retry_after);
  if (now - began_ + wait > options_.total) return {};
  return wait;
}

bool RetryBudget::Take() {
  if (left_ < kPerRetry) return false;
  left_ -= kPerRetry;
  return true;
}

void RetryBudget::OnSuccess() { left_ = std::min(kMost, left_ + kPerSuccess); }

void Concurrency::OnSuccess() {
  if (++successes_ < kSuccesses) return;
  successes_ = 0;
  now_ = std::min(most_, now_ + 1);
}

void Concurrency::OnThrottled(MonotonicTime now) {
  successes_ = 0;
  if (throttled_at_ && now - *throttled_at_ < kTogether) return;
  throttled_at_ = now;
  now_ = std::max<std::size_t>(1, now_ / 2);
}

}  // namespace fodc::object_store
