// SPDX-License-Identifier: Apache-2.0
#include "life_text.h"

#include <array>
#include <cmath>

#include "fodc/base/kept_text.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"
#include "small_text.h"

namespace fodc::guard {
namespace {

constexpr std::string_view kHead = "fodc-life 1\n";
constexpr std::string_view kEnd = "end ";

// Those that a life itself can claim.
constexpr std::array kCauses = {ExitCause::kStop, ExitCause::kPressure,
                                ExitCause::kError, ExitCause::kCrash};

std::int64_t Millis(double seconds) { return std::llround(seconds * 1000); }

std::optional<LastExit> ParseEnd(std::string_view line) {
  LastExit e;
  const std::string_view cause = NextField(&line);
  for (const ExitCause c : kCauses) {
    if (cause == ExitCauseName(c)) e.cause = c;
  }
  const std::optional<std::uint64_t> unix_ms = NextUint(&line);
  const std::optional<std::uint64_t> run_ms = NextUint(&line);
  const std::optional<std::uint64_t> rss = NextUint(&line);
  const std::optional<std::uint64_t> limit = NextUint(&line);
  const std::optional<std::uint64_t> threshold = NextUint(&line);
  if (e.cause == ExitCause::kNone || !unix_ms || !run_ms || !rss || !limit ||
      !threshold || NextField(&line) != ".") {
    return {};
  }
  e.unix_ms = static_cast<std::int64_t>(*unix_ms);
  e.run_seconds = static_cast<double>(*run_ms) / 1000;
  e.numbers = {*rss, *limit, *threshold};
  return e;
}

}  // namespace

std::string FormatLifeBegin(const LifeBegin& b) {
  return SealText(
      kHead, StrCat("unix_ms ", b.unix_ms, "\nboot_id ", b.boot_id, "\ngroup ",
                    b.group, "\noom_kills ", b.oom_kills, "\npressure_streak ",
                    b.pressure_streak, "\n"));
}

Result<LifeRecord> ParseLife(std::string_view text) {
  LifeRecord r;
  // A group's name may hold anything but a line feed, so the end is looked for
  // behind the last line of the sealed part.
  const std::size_t end = text.rfind(StrCat("\n", kEnd));
  std::string_view sealed = text;
  if (end != std::string_view::npos && end > text.rfind("\ncrc32c ")) {
    std::string_view line = text.substr(end + 1 + kEnd.size());
    sealed = text.substr(0, end + 1);
    r.end = ParseEnd(line.substr(0, line.find('\n')));
  }
  FODC_ASSIGN_OR_RETURN(std::string_view lines, UnsealText(kHead, sealed));
  std::string_view line;
  while (NextLine(&lines, &line)) {
    const std::string_view key = NextField(&line);
    const std::string_view value = Trim(line);
    if (key == "unix_ms") r.begin.unix_ms = ParseInt(value).value_or(0);
    if (key == "boot_id") r.begin.boot_id = value;
    if (key == "group") r.begin.group = value;
    if (key == "oom_kills") r.begin.oom_kills = ParseUint(value).value_or(0);
    if (key == "pressure_streak") {
      r.begin.pressure_streak =
          static_cast<int>(ParseUint(value).value_or(0) % 1'000'000);
    }
  }
  return r;
}

std::size_t FormatLifeEnd(const LastExit& e,
                          std::span<char, kMaxEndBytes> out) noexcept {
  return SmallText(out)
      .Put(kEnd)
      .Put(ExitCauseName(e.cause))
      .Put(" ")
      .Put(e.unix_ms)
      .Put(" ")
      .Put(Millis(e.run_seconds))
      .Put(" ")
      .Put(e.numbers.rss_bytes)
      .Put(" ")
      .Put(e.numbers.limit_bytes)
      .Put(" ")
      .Put(e.numbers.threshold_bytes)
      .Put(" .\n")
      .text()
      .size();
}

std::size_t FormatLastExitJson(const LastExit& e, std::int64_t pid,
                               std::span<char, kMaxEndBytes> out) noexcept {
  return SmallText(out)
      .Put("{\"cause\":\"")
      .Put(ExitCauseName(e.cause))
      .Put("\",\"pid\":")
      .Put(pid)
      .Put(",\"unix_ms\":")
      .Put(e.unix_ms)
      .Put(",\"run_seconds\":")
      .PutSeconds(Millis(e.run_seconds))
      .Put(",\"rss_bytes\":")
      .Put(e.numbers.rss_bytes)
      .Put(",\"limit_bytes\":")
      .Put(e.numbers.limit_bytes)
      .Put(",\"threshold_bytes\":")
      .Put(e.numbers.threshold_bytes)
      .Put("}\n")
      .text()
      .size();
}

}  // namespace fodc::guard
