// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/store_client.h"

#include <array>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/object_store/http_date.h"

namespace fodc::object_store {
namespace {

constexpr std::size_t kMaxShownBytes = 300;
// Not every service says why it takes no signature: one of another time is
// none.
constexpr std::chrono::minutes kSkewed{5};

// What makes the same request no better next time.
bool IsWorthAnother(Code code) {
  return code == Code::kUnavailable || code == Code::kDeadlineExceeded;
}

std::optional<std::chrono::seconds> RetryAfter(const HttpAnswer& answer) {
  const auto seconds = ParseUint(answer.Header("Retry-After"));
  if (!seconds || *seconds > 86'400) return {};
  return std::chrono::seconds(*seconds);
}

bool IsOfAnotherTime(const HttpAnswer& answer, UnixTime signed_at) {
  const auto theirs = ParseHttpDate(answer.Header("Date"));
  return theirs && std::chrono::abs(*theirs - signed_at) > kSkewed;
}

// Of the attempt before.
std::string_view ReasonOf(Attempt attempt) {
  switch (attempt) {
    case Attempt::kDone:
    case Attempt::kRefused:
      return "";
    case Attempt::kTransient:
      return "failed";
    case Attempt::kThrottled:
      return "throttled";
    case Attempt::kClockSkewed:
      return "clock";
    case Attempt::kUnsigned:
      return "credentials";
  }
  return "";
}

std::string Shown(std::string_view text) {
  return ToValidUtf8(text.substr(0, kMaxShownBytes));
}

}  // namespace

Code CodeOfAnswer(int status, std::string_view service_code) {
  constexpr std::array<std::string_view, 6> kDamaged = {
      "BadDigest",     "XAmzContentSHA256Mismatch",
      "InvalidDigest", "Md5Mismatch",
      "Crc64Mismatch", "XAmzContentChecksumMismatch"};
  constexpr std::array<std::string_view, 4> kFull = {
      "QuotaExceeded", "quotaExceeded", "InsufficientStorage",
      "XMinioStorageFull"};
  for (const std::string_view code : kDamaged) {
    if (service_code == code) return Code::kDataLoss;
  }
  for (const std::string_view code : kFull) {
    if (service_code == code) return Code::kResourceExhausted;
  }
  switch (status) {
    case 400:
    case 411:
    case 416:
      return Code::kInvalidArgument;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
    case 410:
      return Code::kNotFound;
    case 409:
    case 412:
      return Code::kAlreadyExists;
    case 413:
    case 507:
      return Code::kResourceExhausted;
    default:
      return status == 408 || status == 429 || (status >= 500 && status != 501)
                 ? Code::kUnavailable
                 : Code::kFailedPrecondition;
  }
}

class StoreClient::Place {
 public:
  explicit Place(StoreClient* client) : client_(client) {}
  ~Place() { client_->Leave(); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

 private:
  StoreClient* const client_;
};

StoreClient::StoreClient(Options options, Service service, Transport& transport,
                         const Clock& clock)
    : options_(std::move(options)),
      service_(std::move(service)),
      transport_(transport),
      clock_(clock),
      concurrency_(options_.concurrency),
      random_(std::random_device()()) {}

Status StoreClient::Enter(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (under_way_ >= concurrency_.limit()) {
    if (stop.stop_requested()) return Cancelled("stopped");
    (void)changed_.wait_for(mutex_, stop, std::chrono::seconds(1),
                            [] { return false; });
  }
  ++under_way_;
  return OkStatus();
}

void StoreClient::Leave() {
  const MutexLock lock(mutex_);
  --under_way_;
  changed_.notify_all();
}

Status StoreClient::Wait(std::chrono::nanoseconds time,
                         const std::stop_token& stop) {
  MutexLock lock(mutex_);
  (void)changed_.wait_for(mutex_, stop, time, [] { return false; });
  return stop.stop_requested() ? Cancelled("stopped") : OkStatus();
}

double StoreClient::Dice() {
  const MutexLock lock(mutex_);
  return std::uniform_real_distribution<>(0, 1)(random_);
}

void StoreClient::Heed(Attempt attempt, const HttpAnswer& answer) {
  const MutexLock lock(mutex_);
  if (attempt == Attempt::kDone) {
    budget_.OnSuccess();
    concurrency_.OnSuccess();
    changed_.notify_all();
  } else if (attempt == Attempt::kThrottled) {
    concurrency_.OnThrottled(clock_.Monotonic());
  } else if (attempt == Attempt::kClockSkewed) {
    if (const auto theirs = ParseHttpDate(answer.Header("Date")))
      skew_ = *theirs - clock_.Unix();
  }
}

Status StoreClient::Failure(const Call& call, const HttpAnswer& answer,
                            const ServiceError& error, int attempts) const {
  std::string text = StrCat(options_.store, ": ", call.operation, " ",
                            Shown(call.key), ": HTTP ", answer.status);
  if (!error.code.empty()) text += " " + Shown(error.code);
  if (!error.message.empty()) text += ": " + Shown(error.message);
  if (!error.request_id.empty())
    text += StrCat(" (request ", Shown(error.request_id), ")");
  if (attempts > 1) text += StrCat(", after ", attempts, " attempts");
  return {CodeOfAnswer(answer.status, error.code), std::move(text)};
}

Result<HttpAnswer> StoreClient::Do(Call call) {
  FODC_RETURN_IF_ERROR(Enter(call.transfer.stop));
  const Place place(this);
  bool is_begun = false;  // its sink has had a piece
  if (auto sink = std::move(call.transfer.sink)) {
    call.transfer.sink = [sink, &is_begun](std::string_view piece) {
      is_begun = true;
      return sink(piece);
    };
  }
  RetryState state(options_.retry, clock_.Monotonic());
  Attempt before = Attempt::kDone;
  for (;;) {
    if (options_.requests != nullptr) {
      FODC_RETURN_IF_ERROR(
          Wait(options_.requests->Reserve(1), call.transfer.stop));
    }
    HttpRequest request = call.request;
    UnixTime now = clock_.Unix();
    {
      const MutexLock lock(mutex_);
      now += skew_;
    }
    if (call.write) {
      FODC_RETURN_IF_ERROR(
          call.write(now, call.transfer.stop, &request)
              .WithContext(StrCat(options_.store, ": ", call.operation)));
    }
    FODC_RETURN_IF_ERROR(
        service_.sign(now, call.transfer.stop, &request)
            .WithContext(StrCat(options_.store, ": ", call.operation)));
    const MonotonicTime began = clock_.Monotonic();
    auto answer = transport_.Perform(request, call.transfer);
    const int status = answer.ok() ? answer->status : 0;
    if (options_.on_attempt) {
      options_.on_attempt({.store = options_.store,
                           .operation = call.operation,
                           .status = status,
                           .took = clock_.Monotonic() - began,
                           .retry_reason = ReasonOf(before)});
    }
    Attempt attempt = Attempt::kTransient;
    Status failure;
    HttpAnswer nothing;
    if (!answer.ok()) {
      failure = answer.status().WithContext(
          StrCat(options_.store, ": ", call.operation, " ", Shown(call.key)));
      if (!IsWorthAnother(failure.code())) return failure;
    } else {
      const bool is_good =
          (status >= 200 && status < 300) || status == call.also_good;
      ServiceError error;
      if (!is_good) {
        error = service_.read_error(*answer);
      } else if (service_.find_late_error) {
        error = service_.find_late_error(*answer);
      }
      // What fails in a good answer is a failure of the server.
      const int meaning = !is_good ? status : error.code.empty() ? 200 : 500;
      attempt = ClassifyAnswer(meaning, error.code);
      if (attempt == Attempt::kRefused && status == 403 &&
          IsOfAnotherTime(*answer, now)) {
        attempt = Attempt::kClockSkewed;
      }
      if (attempt != Attempt::kDone)
        failure = Failure(call, *answer, error, state.attempts() + 1);
    }
    Heed(attempt, answer.ok() ? *answer : nothing);
    if (attempt == Attempt::kDone) return answer;
    const bool is_expired = attempt == Attempt::kUnsigned;
    if (is_begun || (call.is_once && !is_expired)) return failure;
    const auto wait =
        state.Next(attempt, clock_.Monotonic(), Dice(),
                   answer.ok() ? RetryAfter(*answer) : std::nullopt);
    if (!wait) return failure;
    {
      const MutexLock lock(mutex_);
      if (!budget_.Take()) return failure;
    }
    if (is_expired) {
      if (!service_.refresh) return failure;
      const Status s = service_.refresh(call.transfer.stop);
      if (!s.ok()) return s.code() == Code::kCancelled ? s : failure;
    }
    before = attempt;
    FODC_RETURN_IF_ERROR(Wait(*wait, call.transfer.stop));
  }
}

}  // namespace fodc::object_store
