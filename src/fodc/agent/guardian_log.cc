// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/guardian_log.h"

#include <initializer_list>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/guardian/pressure_incident.h"
#include "fodc/guardian/process.h"

namespace fodc::agent {
namespace {

using guardian::Report;
using guardian::ReportKind;

std::string ErrorText(const Report& r) {
  return r.error == 0 ? "" : ErrnoStatus(r.error, "signal").message();
}

void LogArmed(const Report& r, std::string_view target) {
  LogInfo("guardian watches the target",
          {{"target", target},
           {"pid", r.who.pid},
           {"measure", r.has_cgroup_limit
                           ? "charge of its cgroup against the limit"
                           : "resident memory against the machine's: its "
                             "cgroup has no limit, or is not visible here"},
           {"bytes", r.bytes},
           {"limit_bytes", r.limit_bytes},
           {"capture_bytes", r.lines.capture},
           {"term_bytes", r.lines.term},
           {"kill_bytes", r.lines.kill},
           {"dry_run", r.is_dry_run}});
  const std::string problem = guardian::TermProblem(r.who.pid);
  if (problem.empty() || r.lines.term == 0) return;
  LogWarn("a stop of the target would not be in good order",
          {{"target", target}, {"pid", r.who.pid}, {"reason", problem}});
}

void LogEvent(LogLevel level, std::string_view message, const Report& r,
              std::string_view target) {
  Log(level, message,
      {{"target", target},
       {"pid", r.who.pid},
       {"memory", guardian::MemoryText(r)},
       {"bytes", r.bytes},
       {"limit_bytes", r.limit_bytes},
       {"rss_bytes", r.resident_bytes},
       {"seconds_to_limit", r.seconds_to_limit.value_or(-1)},
       {"uptime_seconds", r.age_seconds},
       {"dry_run", r.is_dry_run},
       {"error", ErrorText(r)}});
}

}  // namespace

void LogGuardianStart(const guardian::Rules& rules,
                      const std::string& directory,
                      const std::string& refused) {
  LogInfo("guardian enabled",
          {{"capture", rules.levels.capture.ToString()},
           {"term", rules.levels.term.ToString()},
           {"kill", rules.levels.kill.ToString()},
           {"grace", FormatGoDuration(rules.grace)},
           {"poll_interval", FormatGoDuration(rules.longest_wait)},
           {"dry_run", rules.dry_run},
           {"cause_files", directory.empty() ? "none" : directory}});
  if (const std::string misfit = rules.levels.Misfit(); !misfit.empty())
    LogWarn("the guardian's lines do not fit", {{"reason", misfit}});
  if (!refused.empty()) {
    LogInfo("the guardian's memory is not locked", {{"error", refused}});
  }
}

void LogGuardianReport(const Report& r, std::string_view target) {
  const auto warn = [&](std::string_view m) {
    LogEvent(LogLevel::kWarn, m, r, target);
  };
  const auto info = [&](std::string_view m) {
    LogEvent(LogLevel::kInfo, m, r, target);
  };
  switch (r.kind) {
    case ReportKind::kArmed:
      return LogArmed(r, target);
    case ReportKind::kCapture:
      return warn(r.is_dry_run ? "memory pressure: an incident would be raised"
                               : "memory pressure");
    case ReportKind::kInCooldown:
      return info("memory pressure again, within the cooldown");
    case ReportKind::kCalm:
      return info("memory pressure is over");
    case ReportKind::kTerm:
      if (r.is_dry_run) return warn("memory pressure: SIGTERM would be sent");
      return warn(r.error == 0 ? "memory pressure: SIGTERM sent"
                               : "memory pressure: SIGTERM failed");
    case ReportKind::kSuppressed:
      return warn(
          "memory pressure soon after each start: the target is not stopped "
          "again");
    case ReportKind::kGraceOver:
      return warn(r.is_still_over
                      ? "the target is still there after the grace, and over "
                        "the line"
                      : "the target is still there after the grace");
    case ReportKind::kKill:
      if (r.is_dry_run) return warn("memory pressure: SIGKILL would be sent");
      return warn(r.error == 0 ? "memory pressure: SIGKILL sent"
                               : "memory pressure: SIGKILL failed");
    case ReportKind::kEnded:
      return info(r.was_asked && !r.is_dry_run
                      ? "the target ended after it was asked to"
                      : "the guarded target ended");
    case ReportKind::kLost:
      return warn(
          "the target is not guarded any more, until it is looked up anew");
    case ReportKind::kWall:
      return warn("the target stands still at its limit");
    case ReportKind::kRaise:
      switch (r.raise) {
        case guardian::RaiseResult::kDone:
          return warn("the target's limit is raised for it to leave");
        case guardian::RaiseResult::kRefused:
          return warn(
              "the target's limit is not raised: the machine has not that "
              "much");
        case guardian::RaiseResult::kFailed:
          return warn("the target's limit cannot be raised");
      }
      return;
    case ReportKind::kWallOver:
      return warn("the kernel may kill the target at its limit again");
  }
}

}  // namespace fodc::agent
