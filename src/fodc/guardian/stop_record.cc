// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/stop_record.h"

#include <limits>
#include <optional>

#include "fodc/base/file.h"
#include "fodc/base/kept_text.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"
#include "fodc/guardian/crash_loop.h"

namespace fodc::guardian {
namespace {

using std::chrono::nanoseconds;

constexpr std::string_view kHead = "fodc-guardian-stops 1\n";
constexpr std::size_t kMaxRecordBytes = 8192;

std::optional<nanoseconds> NextNanoseconds(std::string_view* line) {
  const auto n = NextUint(line);
  if (!n || *n > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
    return {};
  return nanoseconds(static_cast<std::int64_t>(*n));
}

std::optional<Stop> ParseStop(std::string_view line) {
  const auto pid = NextUint(&line);
  const auto start = NextUint(&line);
  const auto at = NextNanoseconds(&line);
  const auto age = NextNanoseconds(&line);
  if (!pid || *pid == 0 || *pid > std::numeric_limits<pid_t>::max() || !start ||
      !at || !age || !Trim(line).empty()) {
    return {};
  }
  return Stop{.who = {.pid = static_cast<pid_t>(*pid), .start_ticks = *start},
              .at = MonotonicTime(*at),
              .age = *age};
}

}  // namespace

void AddStop(const Stop& stop, std::vector<Stop>* stops) {
  std::erase_if(*stops, [&](const Stop& s) {
    return stop.at - s.at >= CrashLoop::kWindow;
  });
  if (stops->size() == kMaxStops) stops->erase(stops->begin());
  stops->push_back(stop);
}

std::string EncodeStopRecord(const StopRecord& record) {
  std::string lines = StrCat(record.boot_id, "\n", record.target, "\n");
  for (const Stop& s : record.stops) {
    lines += StrCat(s.who.pid, " ", s.who.start_ticks, " ",
                    s.at.time_since_epoch().count(), " ", s.age.count(), "\n");
  }
  return SealText(kHead, lines);
}

Result<StopRecord> DecodeStopRecord(std::string_view text) {
  FODC_ASSIGN_OR_RETURN(std::string_view rest, UnsealText(kHead, text));
  StopRecord record;
  std::string_view line;
  if (!NextLine(&rest, &line)) return DataLoss("no record of stops");
  record.boot_id = line;
  if (!NextLine(&rest, &line)) return DataLoss("no record of stops");
  record.target = line;
  while (NextLine(&rest, &line)) {
    const auto stop = ParseStop(line);
    const bool is_in_order =
        stop && (record.stops.empty() || stop->at >= record.stops.back().at);
    if (!is_in_order || record.stops.size() == kMaxStops)
      return DataLoss("no record of stops");
    record.stops.push_back(*stop);
  }
  return record;
}

Result<std::vector<Stop>> ReadStops(const std::string& path,
                                    std::string_view boot_id,
                                    std::string_view target,
                                    MonotonicTime now) {
  const auto text = ReadFile(path, kMaxRecordBytes);
  if (text.status().code() == Code::kNotFound) return std::vector<Stop>();
  if (!text.ok()) return text.status();
  FODC_ASSIGN_OR_RETURN(StopRecord record, DecodeStopRecord(*text));
  const bool is_ours =
      !boot_id.empty() && record.boot_id == boot_id && record.target == target;
  if (!is_ours) return std::vector<Stop>();
  if (!record.stops.empty() && record.stops.back().at > now)
    return DataLoss(path + ": a stop that has not been yet");
  return std::move(record.stops);
}

}  // namespace fodc::guardian
