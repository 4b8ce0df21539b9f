// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/pressure_incident.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"

namespace fodc::guardian {
namespace {

constexpr std::string_view kAdvice =
    "look at what grew before started_ms: the target's memory by kind "
    "(fodc_container_memory_bytes), its caches, its clients; raise the limit "
    "if this is what it needs";

std::string CauseOf(ReportKind kind) {
  switch (kind) {
    case ReportKind::kTerm:
      return "term";
    case ReportKind::kKill:
      return "kill";
    case ReportKind::kSuppressed:
      return "suppressed";
    case ReportKind::kWall:
      return "wall";
    default:
      return "capture";
  }
}

std::string WhatHappened(const Report& r) {
  switch (r.kind) {
    case ReportKind::kTerm:
      return r.error == 0 ? "It was asked to stop (SIGTERM)."
                          : "It could not be asked to stop.";
    case ReportKind::kKill:
      return r.error == 0 ? "It was killed (SIGKILL) after the grace."
                          : "It could not be killed.";
    case ReportKind::kSuppressed:
      return "It is not asked to stop: it was three times within ten minutes, "
             "each soon after its start.";
    case ReportKind::kWall:
      return "It stands still at its limit.";
    case ReportKind::kGraceOver:
      return "It was asked to stop and is still there.";
    default:
      return {};
  }
}

// "guardian-<target>", of plain characters.
std::string FileNameOf(std::string_view target) {
  std::string name = "guardian-";
  for (const char c : target.substr(0, 128)) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '-';
    name += is_plain ? c : '_';
  }
  return name;
}

}  // namespace

PressureIncident::PressureIncident(std::string id_prefix, std::string target)
    : id_prefix_(std::move(id_prefix)), target_(std::move(target)) {}

std::optional<evidence::Incident> PressureIncident::On(const Report& report) {
  if (report.is_dry_run) return {};
  switch (report.kind) {
    case ReportKind::kArmed:
    case ReportKind::kInCooldown:
    case ReportKind::kRaise:
    case ReportKind::kWallOver:
      return {};
    case ReportKind::kCalm:
    case ReportKind::kEnded:
    case ReportKind::kLost: {
      if (!open_) return {};
      Describe(report);
      open_->ended_ms = open_->updated_ms;
      open_->summary +=
          report.kind == ReportKind::kCalm    ? " It is below the line again."
          : report.kind == ReportKind::kEnded ? " The target ended."
                                              : " It is not watched any more.";
      auto ended = *std::move(open_);
      open_.reset();
      return ended;
    }
    // A capture that was raised because of a stop comes behind it.
    case ReportKind::kCapture:
      if (open_) return {};
      [[fallthrough]];
    case ReportKind::kTerm:
    case ReportKind::kSuppressed:
    case ReportKind::kGraceOver:
    case ReportKind::kKill:
    case ReportKind::kWall:
      if (!open_) Begin(report);
      Describe(report);
      return open_;
  }
  return {};
}

void PressureIncident::Begin(const Report& report) {
  open_.emplace();
  open_->id = StrCat(id_prefix_, "-", ++begun_);
  open_->detector = kGuardianDetector;
  open_->verdict = kMemoryPressureVerdict;
  open_->target = target_;
  open_->advice = kAdvice;
  open_->started_ms = std::max<std::int64_t>(ToUnixMillis(report.at), 1);
  open_->revision = 0;
}

void PressureIncident::Describe(const Report& r) {
  evidence::Incident& i = *open_;
  ++i.revision;
  // The clock may have been set back.
  i.updated_ms = std::max(i.started_ms, ToUnixMillis(r.at));
  const bool is_news = r.kind != ReportKind::kCalm &&
                       r.kind != ReportKind::kEnded &&
                       r.kind != ReportKind::kLost;
  if (!is_news) return;
  if (r.kind != ReportKind::kGraceOver) i.cause = CauseOf(r.kind);
  const std::string happened = WhatHappened(r);
  i.summary = StrCat("Memory of ", target_, " is ", MemoryText(r), ".",
                     happened.empty() ? "" : " ", happened);
  i.numbers = {{"memory_bytes", static_cast<double>(r.bytes)},
               {"memory_limit_bytes", static_cast<double>(r.limit_bytes)},
               {"resident_bytes", static_cast<double>(r.resident_bytes)},
               {"capture_line_bytes", static_cast<double>(r.lines.capture)},
               {"term_line_bytes", static_cast<double>(r.lines.term)},
               {"kill_line_bytes", static_cast<double>(r.lines.kill)},
               {"target_uptime_seconds", r.age_seconds}};
  if (r.seconds_to_limit)
    i.numbers.push_back({"seconds_to_limit", *r.seconds_to_limit});
}

std::string MemoryText(const Report& r) {
  const double share = r.limit_bytes == 0
                           ? 0
                           : 100 * static_cast<double>(r.bytes) /
                                 static_cast<double>(r.limit_bytes);
  return StrCat(MebibytesText(r.bytes), " of ", MebibytesText(r.limit_bytes),
                " (", std::llround(share), " %",
                r.has_cgroup_limit ? "" : " of the machine's memory", ")");
}

std::string CauseText(std::string_view target, const Report& r) {
  std::string out = "{\"cause\":\"pressure\",\"by\":\"fodc-agent\",\"signal\":";
  out += r.kind == ReportKind::kKill ? "9" : "15";
  out += ",\"target\":";
  AppendJsonString(&out, target);
  out +=
      StrCat(",\"pid\":", r.who.pid, ",\"start_ticks\":", r.who.start_ticks,
             ",\"time\":\"", FormatRfc3339(r.at, 3),
             "\",\"run_ms\":", std::llround(r.age_seconds * 1000),
             ",\"source\":\"", r.has_cgroup_limit ? "cgroup" : "rss",
             "\",\"bytes\":", r.bytes, ",\"rss_bytes\":", r.resident_bytes,
             ",\"limit_bytes\":", r.limit_bytes, ",\"threshold_bytes\":",
             r.kind == ReportKind::kKill ? r.lines.kill : r.lines.term, "}\n");
  return out;
}

std::string CauseFileName(std::string_view target) {
  return FileNameOf(target) + ".json";
}

std::string StopRecordName(std::string_view target) {
  return FileNameOf(target) + ".stops";
}

}  // namespace fodc::guardian
