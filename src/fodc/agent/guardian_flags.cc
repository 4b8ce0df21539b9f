// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/guardian_flags.h"

#include <string_view>

#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

Result<guardian::Level> LevelOf(std::string_view flag, std::string_view text) {
  auto level = guardian::Level::Parse(text);
  if (level.ok()) return level;
  return InvalidArgument(StrCat(flag, ": ", level.status().message()));
}

Status Within(std::string_view flag, std::chrono::nanoseconds value,
              std::chrono::nanoseconds low, std::chrono::nanoseconds high) {
  if (value >= low && value <= high) return {};
  return InvalidArgument(StrCat(flag, " is ", FormatGoDuration(value),
                                "; it must be from ", FormatGoDuration(low),
                                " to ", FormatGoDuration(high)));
}

}  // namespace

void AddGuardianFlags(program::Flags* f, GuardianFlags* g) {
  f->Bool("guardian-enabled", &g->enabled,
          "stop a target whose memory nears its limit in good order, before "
          "the kernel kills it");
  f->Bool("guardian-dry-run", &g->dry_run,
          "only log and count what the guardian would do");
  f->String("guardian-capture", &g->capture,
            "memory at which an incident is raised: a share of the limit "
            "(75%), bytes (380MiB), or off");
  f->String("guardian-term", &g->term,
            "memory at which the target gets one SIGTERM, likewise");
  f->String("guardian-kill", &g->kill,
            "memory at which a target that is still there after the grace gets "
            "SIGKILL, likewise");
  f->Duration("guardian-grace", &g->grace,
              "time for the target to end after SIGTERM; 100ms to 1h");
  f->Duration("guardian-capture-cooldown", &g->capture_cooldown,
              "least time between two incidents of one target; at most 24h");
  f->Duration("guardian-poll-interval", &g->poll_interval,
              "longest wait between two looks at the memory; the nearer the "
              "limit, the shorter, down to 10ms; 10ms to 10s");
  f->String("guardian-dir", &g->dir,
            "directory of the files that say why a target was stopped; empty: "
            "--recorder-dir; both empty: there are none");
  f->Bool("guardian-pause-at-wall", &g->pause_at_wall,
          "let a target that hits its limit stand still, and leave by itself, "
          "instead of being killed (cgroup v1)");
  f->Bytes("guardian-pause-raise", &g->pause_raise,
           "by how much its limit is then raised while it leaves; 1MiB to "
           "64GiB");
  f->Duration("guardian-pause-deadline", &g->pause_deadline,
              "time after which the kernel may kill it all the same; 100ms to "
              "1m");
}

Result<guardian::Rules> CheckGuardian(const GuardianFlags& g) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  using std::chrono::seconds;
  guardian::Rules rules;
  FODC_ASSIGN_OR_RETURN(rules.levels.capture,
                        LevelOf("--guardian-capture", g.capture));
  FODC_ASSIGN_OR_RETURN(rules.levels.term, LevelOf("--guardian-term", g.term));
  FODC_ASSIGN_OR_RETURN(rules.levels.kill, LevelOf("--guardian-kill", g.kill));
  FODC_RETURN_IF_ERROR(rules.levels.Check());
  FODC_RETURN_IF_ERROR(
      Within("--guardian-grace", g.grace, milliseconds(100), hours(1)));
  FODC_RETURN_IF_ERROR(Within("--guardian-capture-cooldown", g.capture_cooldown,
                              seconds(0), hours(24)));
  FODC_RETURN_IF_ERROR(Within("--guardian-poll-interval", g.poll_interval,
                              milliseconds(10), seconds(10)));
  constexpr std::uint64_t kMostRaise = std::uint64_t{64} << 30;
  if (g.pause_raise < guardian::Level::kMinBytes ||
      g.pause_raise > kMostRaise) {
    return InvalidArgument(StrCat("--guardian-pause-raise is ", g.pause_raise,
                                  "; it must be from 1MiB to 64GiB"));
  }
  FODC_RETURN_IF_ERROR(Within("--guardian-pause-deadline", g.pause_deadline,
                              milliseconds(100), seconds(60)));
  if (g.pause_at_wall && rules.levels.term.is_off()) {
    return InvalidArgument(
        "--guardian-pause-at-wall is given and --guardian-term is off; whoever "
        "stands still must be asked to leave");
  }
  rules.grace = g.grace;
  rules.capture_cooldown = g.capture_cooldown;
  rules.longest_wait = g.poll_interval;
  rules.dry_run = g.dry_run;
  return rules;
}

}  // namespace fodc::agent
