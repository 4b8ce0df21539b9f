// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/clock.h"

#include <time.h>

#include <array>
#include <cstdio>

namespace fodc {
namespace {

using std::chrono::nanoseconds;

nanoseconds Read(clockid_t id) {
  timespec ts{};
  // Cannot fail for these two clocks (clock_gettime(2)).
  (void)clock_gettime(id, &ts);
  return std::chrono::seconds(ts.tv_sec) + nanoseconds(ts.tv_nsec);
}

class RealClock final : public Clock {
 public:
  MonotonicTime Monotonic() const override {
    return MonotonicTime(Read(CLOCK_MONOTONIC));
  }
  UnixTime Unix() const override { return UnixTime(Read(CLOCK_REALTIME)); }
};

// Takes exactly `count` digits from the front of `text`.
bool TakeDigits(std::string_view* text, std::size_t count, int* value) {
  if (text->size() < count) return false;
  int v = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const char c = (*text)[i];
    if (c < '0' || c > '9') return false;
    v = v * 10 + (c - '0');
  }
  text->remove_prefix(count);
  *value = v;
  return true;
}

bool TakeChar(std::string_view* text, char upper) {
  if (text->empty()) return false;
  const char c = text->front();
  if (c != upper && !(upper >= 'A' && c == upper + ('a' - 'A'))) return false;
  text->remove_prefix(1);
  return true;
}

}  // namespace

const Clock& SystemClock() {
  static const RealClock clock;
  return clock;
}

FakeClock::FakeClock()
    : monotonic_(std::chrono::seconds(1000)),
      unix_(FromUnixMillis(1767225600000)) {}

MonotonicTime FakeClock::Monotonic() const {
  MutexLock lock(mutex_);
  return monotonic_;
}

UnixTime FakeClock::Unix() const {
  MutexLock lock(mutex_);
  return unix_;
}

void FakeClock::Advance(nanoseconds by) {
  MutexLock lock(mutex_);
  monotonic_ += by;
  unix_ += by;
}

void FakeClock::StepUnix(nanoseconds by) {
  MutexLock lock(mutex_);
  unix_ += by;
}

std::int64_t ToUnixMillis(UnixTime t) {
  return std::chrono::floor<std::chrono::milliseconds>(t.time_since_epoch())
      .count();
}

UnixTime FromUnixMillis(std::int64_t ms) {
  return UnixTime(std::chrono::milliseconds(ms));
}

std::string FormatRfc3339(UnixTime t, int digits) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day ymd(day);
  const std::chrono::hh_mm_ss<nanoseconds> hms(t - day);
  std::array<char, 48> buffer{};
  const int n = std::snprintf(
      buffer.data(), buffer.size(), "%04d-%02u-%02uT%02d:%02d:%02d",
      static_cast<int>(ymd.year()), static_cast<unsigned>(ymd.month()),
      static_cast<unsigned>(ymd.day()), static_cast<int>(hms.hours().count()),
      static_cast<int>(hms.minutes().count()),
      static_cast<int>(hms.seconds().count()));
  std::string s(buffer.data(), static_cast<std::size_t>(n));
  if (digits > 0) {
    (void)std::snprintf(buffer.data(), buffer.size(), ".%09lld",
                        static_cast<long long>(hms.subseconds().count()));
    s.append(buffer.data(), static_cast<std::size_t>(digits) + 1);
  }
  s += 'Z';
  return s;
}

Result<UnixTime> ParseRfc3339(std::string_view text) {
  const auto bad = [text] {
    return InvalidArgument("\"" + std::string(text.substr(0, 64)) +
                           "\" is not an RFC 3339 time such as "
                           "2026-11-21T07:31:13Z");
  };
  std::string_view rest = text;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!TakeDigits(&rest, 4, &year) || !TakeChar(&rest, '-') ||
      !TakeDigits(&rest, 2, &month) || !TakeChar(&rest, '-') ||
      !TakeDigits(&rest, 2, &day) || !TakeChar(&rest, 'T') ||
      !TakeDigits(&rest, 2, &hour) || !TakeChar(&rest, ':') ||
      !TakeDigits(&rest, 2, &minute) || !TakeChar(&rest, ':') ||
      !TakeDigits(&rest, 2, &second)) {
    return bad();
  }
  std::int64_t fraction_ns = 0;
  if (TakeChar(&rest, '.')) {
    std::int64_t scale = 100'000'000;
    std::size_t digits = 0;
    while (!rest.empty() && rest.front() >= '0' && rest.front() <= '9') {
      fraction_ns += (rest.front() - '0') * scale;
      scale /= 10;
      ++digits;
      rest.remove_prefix(1);
    }
    if (digits == 0) return bad();
  }
  int offset_minutes = 0;
  if (!TakeChar(&rest, 'Z')) {
    const bool minus = !rest.empty() && rest.front() == '-';
    int oh = 0, om = 0;
    if (!(minus || (!rest.empty() && rest.front() == '+'))) return bad();
    rest.remove_prefix(1);
    if (!TakeDigits(&rest, 2, &oh) || !TakeChar(&rest, ':') ||
        !TakeDigits(&rest, 2, &om) || oh > 23 || om > 59) {
      return bad();
    }
    offset_minutes = (oh * 60 + om) * (minus ? -1 : 1);
  }
  const std::chrono::year_month_day ymd{
      std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
      std::chrono::day(static_cast<unsigned>(day))};
  // Second 60 is a leap second; UnixTime has none, so it is the next second.
  if (!rest.empty() || !ymd.ok() || hour > 23 || minute > 59 || second > 60 ||
      year < 1678 || year > 2261) {
    return bad();
  }
  return UnixTime(std::chrono::sys_days(ymd)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute - offset_minutes) +
         std::chrono::seconds(second) + nanoseconds(fraction_ns);
}

}  // namespace fodc
