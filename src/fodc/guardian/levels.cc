// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/levels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <utility>

#include "fodc/base/strings.h"

namespace fodc::guardian {
namespace {

// Where a node that defends itself has its own lines.
constexpr double kSoftLimitPercent = 72;
constexpr double kAdmissionPercent = 80;

using Named = std::pair<std::string_view, const Level*>;

std::array<Named, 3> All(const Levels& l) {
  return {{{"--guardian-capture", &l.capture},
           {"--guardian-term", &l.term},
           {"--guardian-kill", &l.kill}}};
}

Status NotBelow(const Named& low, const Named& high, std::string_view where) {
  return InvalidArgument(StrCat(low.first, " is ", low.second->ToString(),
                                " and ", high.first, " is ",
                                high.second->ToString(), where,
                                "; the former must lie below the latter"));
}

}  // namespace

Level Level::Percent(double percent) {
  Level level;
  level.percent_ = percent;
  return level;
}

Level Level::Bytes(std::uint64_t bytes) {
  Level level;
  level.bytes_ = bytes;
  return level;
}

Result<Level> Level::Parse(std::string_view text) {
  const std::string_view trimmed = Trim(text);
  if (trimmed.empty() || EqualsIgnoreCase(trimmed, "off")) return Level();
  if (trimmed.back() == '%') {
    const auto percent =
        ParseDouble(Trim(trimmed.substr(0, trimmed.size() - 1)));
    if (percent && *percent >= 1 && *percent <= 100) return Percent(*percent);
    return InvalidArgument(
        StrCat("\"", text, "\" is no share from 1% to 100%"));
  }
  const auto bytes = ParseBytes(trimmed);
  if (!bytes.ok() || *bytes < kMinBytes) {
    return InvalidArgument(
        StrCat("\"", text, "\" is neither a share of the limit (90%) nor ",
               kMinBytes, " bytes or more (480MiB) nor off"));
  }
  return Bytes(*bytes);
}

std::string Level::ToString() const {
  if (is_off()) return "off";
  if (percent_ == 0) return std::to_string(bytes_);
  char text[32];
  (void)std::snprintf(text, sizeof text, "%g%%", percent_);
  return text;
}

std::uint64_t Level::At(std::uint64_t limit_bytes) const {
  if (percent_ == 0) return bytes_;
  const double line = static_cast<double>(limit_bytes) * percent_ / 100;
  return static_cast<std::uint64_t>(line);
}

std::optional<bool> Level::IsBelow(const Level& other) const {
  if (percent_ != 0 && other.percent_ != 0) return percent_ < other.percent_;
  if (bytes_ != 0 && other.bytes_ != 0) return bytes_ < other.bytes_;
  return {};
}

std::uint64_t Lines::Above(std::uint64_t bytes,
                           std::uint64_t limit_bytes) const {
  std::uint64_t next = limit_bytes;
  for (const std::uint64_t line : {capture, term, kill}) {
    if (line > bytes) next = std::min(next, line);
  }
  return next;
}

Status Levels::Check() const {
  const auto all = All(*this);
  if (term.is_off() && !kill.is_off()) {
    return InvalidArgument(
        StrCat("--guardian-kill is ", kill.ToString(),
               " and --guardian-term is off; a target is asked to stop before "
               "it is killed"));
  }
  const Named* below = nullptr;
  for (const Named& level : all) {
    if (level.second->is_off()) continue;
    if (below != nullptr &&
        !below->second->IsBelow(*level.second).value_or(true)) {
      return NotBelow(*below, level, "");
    }
    below = &level;
  }
  return {};
}

Result<Lines> Levels::At(std::uint64_t limit_bytes) const {
  FODC_RETURN_IF_ERROR(Check());
  const Named* below = nullptr;
  const auto all = All(*this);
  for (const Named& level : all) {
    if (level.second->is_off()) continue;
    if (below != nullptr &&
        below->second->At(limit_bytes) >= level.second->At(limit_bytes)) {
      return NotBelow(*below, level,
                      StrCat(" (at a limit of ", limit_bytes, " bytes)"));
    }
    below = &level;
  }
  return Lines{.capture = capture.At(limit_bytes),
               .term = term.At(limit_bytes),
               .kill = kill.At(limit_bytes)};
}

std::string Levels::Misfit() const {
  const double c = capture.percent();
  const double t = term.percent();
  if (c != 0 && c < kSoftLimitPercent) {
    return StrCat("--guardian-capture=", capture.ToString(),
                  " lies below 72%, where a node's soft limit still gives "
                  "memory back");
  }
  if (c >= kAdmissionPercent) {
    return StrCat("--guardian-capture=", capture.ToString(),
                  " does not lie below 80%, where a node that defends itself "
                  "refuses new work");
  }
  if (t != 0 && t <= kAdmissionPercent) {
    return StrCat("--guardian-term=", term.ToString(),
                  " does not lie above 80%, where a node that defends itself "
                  "refuses new work");
  }
  if (t >= 100) {
    return StrCat("--guardian-term=", term.ToString(),
                  " is the limit itself: the kernel kills first");
  }
  return {};
}

}  // namespace fodc::guardian
