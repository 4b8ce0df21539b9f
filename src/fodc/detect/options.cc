// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/options.h"

#include <chrono>
#include <cmath>

#include "fodc/base/strings.h"
#include "fodc/exposition/number.h"

namespace fodc::detect {
namespace {

constexpr double kDay = 86'400;
constexpr double kTebi = 1099511627776.0;

constexpr Bound kBounds[] = {
    {"window", Unit::kDuration, &Options::window_seconds, 0.1, 3600,
     "length of a window"},
    {"factor", Unit::kNumber, &Options::factor, 1.1, 1000,
     "p95 or p99 of a degraded window, over the baseline's"},
    {"min-increase", Unit::kDuration, &Options::min_increase_seconds, 0, 3600,
     "least difference to the baseline"},
    {"min-reads", Unit::kNumber, &Options::min_reads, 1, 1e9,
     "least reads of a window that is judged by its p95; by its p99: five "
     "times as many; by its median: fewer"},
    {"start-windows", Unit::kWindows, &Options::start_windows, 1, 100,
     "consecutive degraded windows that make an incident"},
    {"end-windows", Unit::kWindows, &Options::end_windows, 1, 1000,
     "consecutive windows without degradation that end it"},
    {"history", Unit::kWindows, &Options::history_windows, 3, 10'000,
     "calm windows that the baseline is the median of, at most"},
    {"min-history", Unit::kWindows, &Options::min_history_windows, 3, 10'000,
     "calm windows before anything is judged"},
    {"relearn-after", Unit::kDuration, &Options::relearn_seconds, 1, 365 * kDay,
     "an incident that lasts longer is the new normal"},
    {"update-interval", Unit::kDuration, &Options::update_seconds, 0.1, kDay,
     "how often an open incident is told again"},
    {"stale-after", Unit::kDuration, &Options::stale_seconds, 1, kDay,
     "age beyond which a reading counts as missing"},
    {"up-factor", Unit::kNumber, &Options::up_factor, 1.1, 1000,
     "a rate is up if it is that many times the baseline's, and over its "
     "least"},
    {"churn-pages", Unit::kNumber, &Options::churn_pages, 0, 1e12,
     "page-cache adds a second that are churn (W1)"},
    {"refill-pages", Unit::kNumber, &Options::refill_pages, 0, 1e12,
     "least page-cache adds a second that count as up"},
    {"refault-pages", Unit::kNumber, &Options::refault_pages, 0, 1e12,
     "least refaults of file pages a second that count as up"},
    {"refault-read-ratio", Unit::kNumber, &Options::refault_read_ratio, 0, 1,
     "least refaults that count as up, as a part of the reads of files"},
    {"scan-ratio", Unit::kNumber, &Options::scan_ratio, 1, 1e6,
     "adds over refaults, from which on it is a scan (W3)"},
    {"dontneed-calls", Unit::kNumber, &Options::dontneed_calls, 0, 1e12,
     "least fadvise DONTNEED calls a second that count as up"},
    {"dontneed-bytes", Unit::kBytes, &Options::dontneed_bytes, 0, kTebi,
     "the same in bytes a second"},
    {"reclaim-entries", Unit::kNumber, &Options::reclaim_entries, 0, 1e12,
     "least entries into direct reclaim a second that count as up"},
    {"reclaim-pages", Unit::kNumber, &Options::reclaim_pages, 0, 1e12,
     "least pages scanned by reclaim a second that count as up"},
    {"pressure", Unit::kNumber, &Options::pressure_ratio, 0, 1,
     "least share of time stalled for memory that counts as up"},
    {"memory-growth", Unit::kNumber, &Options::memory_growth_ratio, 0.001, 1,
     "share of the group's memory by which a part of it grew or shrank"},
    {"saturated-latency", Unit::kDuration, &Options::saturated_latency_seconds,
     0, 3600, "p95 of block reads of a saturated disk, together with"},
    {"saturated-pressure", Unit::kNumber, &Options::saturated_pressure_ratio, 0,
     1, "share of time stalled for I/O"},
    {"compaction-bytes", Unit::kBytes, &Options::compaction_bytes, 0, kTebi,
     "least bytes compacted a second that count as up"},
    {"compaction-threads", Unit::kNumber, &Options::compaction_threads, 0, 1e6,
     "least compactions at a time that count as up"},
    {"background-io-bytes", Unit::kBytes, &Options::background_io_bytes, 0,
     kTebi, "least background I/O in bytes a second that counts as up"},
    {"block-cache-misses", Unit::kNumber, &Options::block_cache_misses, 0, 1e12,
     "least misses a second that count as up"},
    {"storage-bytes", Unit::kBytes, &Options::storage_bytes, 0, kTebi,
     "least bytes a second from storage or to it that count as up"},
    {"cpu-wait", Unit::kDuration, &Options::cpu_wait_seconds, 0, 3600,
     "least p95 of the wait for a processor that counts as up"},
    {"cpu-throttled", Unit::kNumber, &Options::cpu_throttled_ratio, 0, 1,
     "least share of time throttled that counts as up"},
};

std::string NumberText(double value) {
  std::string out;
  exposition::AppendNumber(&out, value);
  return out;
}

Result<double> ParseValue(Unit unit, const std::string& text) {
  if (unit == Unit::kDuration) {
    FODC_ASSIGN_OR_RETURN(const auto d, ParseGoDuration(text));
    return std::chrono::duration<double>(d).count();
  }
  if (unit == Unit::kBytes) {
    FODC_ASSIGN_OR_RETURN(const std::uint64_t bytes, ParseBytes(text));
    return static_cast<double>(bytes);
  }
  const auto value = ParseDouble(text);
  if (!value || !std::isfinite(*value))
    return InvalidArgument(StrCat("'", text, "' is not a number"));
  if (unit == Unit::kWindows && std::floor(*value) != *value)
    return InvalidArgument(StrCat("'", text, "' is not a whole number"));
  return *value;
}

Status ParseBound(std::string_view text, Options* options) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return InvalidArgument(
        StrCat("'", text, "' is not NAME=VALUE, such as factor=4"));
  }
  const std::string_view name = Trim(text.substr(0, equals));
  for (const Bound& b : AllBounds()) {
    if (b.name != name) continue;
    auto value = ParseValue(b.unit, std::string(Trim(text.substr(equals + 1))));
    if (!value.ok()) return value.status().WithContext(b.name);
    options->*b.field = *value;
    return OkStatus();
  }
  std::string names;
  for (const Bound& b : AllBounds())
    names += StrCat(names.empty() ? "" : ", ", b.name);
  return InvalidArgument(
      StrCat("'", name, "' is not a bound; there are ", names));
}

}  // namespace

std::span<const Bound> AllBounds() { return kBounds; }

std::string BoundText(const Bound& bound, double value) {
  if (bound.unit == Unit::kDuration) {
    return FormatGoDuration(std::chrono::round<std::chrono::nanoseconds>(
        std::chrono::duration<double>(value)));
  }
  if (bound.unit == Unit::kBytes && value >= 1048576 &&
      std::fmod(value, 1048576) == 0) {
    return NumberText(value / 1048576) + "MiB";
  }
  return NumberText(value);
}

Status ParseBounds(std::span<const std::string> texts, Options* options) {
  for (const std::string& text : texts) {
    for (const std::string_view piece : Split(text, ','))
      FODC_RETURN_IF_ERROR(ParseBound(piece, options));
  }
  return OkStatus();
}

Status Options::Check() const {
  for (const Bound& b : kBounds) {
    const double value = this->*b.field;
    if (!(value >= b.min && value <= b.max)) {
      return InvalidArgument(StrCat(b.name, "=", BoundText(b, value),
                                    " is not between ", BoundText(b, b.min),
                                    " and ", BoundText(b, b.max)));
    }
  }
  if (min_history_windows > history_windows) {
    return InvalidArgument(
        StrCat("min-history=", NumberText(min_history_windows),
               " is more than history=", NumberText(history_windows)));
  }
  if (stale_seconds < window_seconds) {
    return InvalidArgument(
        "stale-after is less than window: every reading would be stale");
  }
  return OkStatus();
}

}  // namespace fodc::detect
