// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/capture_plan.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/evidence/event_id.h"

namespace fodc::capture {
namespace {

using std::chrono::milliseconds;
using Duration = std::chrono::nanoseconds;

// What the kernel gives without a walk, and what takes one.
constexpr Duration kFileTime = milliseconds(250);
constexpr Duration kWalkTime = milliseconds(1000);
constexpr Duration kPageTime = milliseconds(2000);
constexpr Duration kWindowTime = milliseconds(4000);
// Beside what it was asked to run for.
constexpr Duration kLongProfileExtra = milliseconds(1000);
// With less left until the limit these are not asked for.
constexpr Duration kHeavyNeeds = milliseconds(1000);
// Of what stays of the budget for a step, whatever came before it took.
constexpr Duration kLeastTime = milliseconds(50);
constexpr Duration kLeastWindowTime = milliseconds(1000);

constexpr std::size_t kMaxConfigFiles = 16;
constexpr std::size_t kMaxPages = 16;

class Plan {
 public:
  Plan(const CaptureRequest& request, const CapturePlanOptions& options)
      : request_(request), options_(options) {}

  void AddText(StepKind kind, std::string_view name, Duration time,
               StepNeeds needs = StepNeeds::kProcesses) {
    Add({.kind = kind,
         .name = std::string(name),
         .file = StrCat(name, ".txt"),
         .max_bytes = options_.max_text_bytes,
         .max_duration = time,
         .needs = needs});
  }

  void AddProfiles(bool defaults) {
    if (!options_.has_profiles) return;
    for (const ProfileType* type : options_.profiles) {
      if (type->is_default == defaults) AddProfile(*type);
    }
  }

  void Add(CaptureStep step) {
    const bool is_seen = !request_.processes.empty();
    if (step.needs == StepNeeds::kProcesses && !is_seen) return;
    if (step.needs == StepNeeds::kAnswers && !is_seen && !request_.is_unseen) {
      return;
    }
    steps_.push_back(std::move(step));
  }

  std::vector<CaptureStep> Take() && {
    // From the end, so that each leaves the least that the others need.
    Duration left = options_.wall_budget;
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      step->latest = std::max(left, Duration(0));
      step->max_duration = std::min(step->max_duration, options_.wall_budget);
      left -= std::min(step->max_duration, step->kind == StepKind::kWindow
                                               ? kLeastWindowTime
                                               : kLeastTime);
    }
    return std::move(steps_);
  }

 private:
  void AddProfile(const ProfileType& type) {
    const bool is_long = type.cost == ProfileCost::kLong;
    const Duration time = is_long ? options_.cpu_profile + kLongProfileExtra
                                  : options_.profile_timeout;
    CaptureStep step = {.kind = StepKind::kProfile,
                        .name = std::string(type.name),
                        .file = std::string(type.file),
                        .profile = &type,
                        .max_bytes = options_.max_profile_bytes,
                        .max_duration = time,
                        .needs = StepNeeds::kAnswers};
    const Duration needed = is_long ? options_.cpu_profile : kHeavyNeeds;
    if (type.cost != ProfileCost::kLight && request_.seconds_to_limit &&
        *request_.seconds_to_limit <
            std::chrono::duration<double>(needed).count()) {
      step.skip_reason =
          StrCat("the limit may be reached within ", FormatGoDuration(needed));
    }
    Add(std::move(step));
  }

  const CaptureRequest& request_;
  const CapturePlanOptions& options_;
  std::vector<CaptureStep> steps_;
};

}  // namespace

std::string ArtifactNameOf(std::string_view prefix, std::string_view path) {
  std::string name = StrCat(prefix, ".");
  const std::size_t slash = path.find_last_of('/');
  if (slash != std::string_view::npos) path.remove_prefix(slash + 1);
  const std::size_t room = evidence::kMaxArtifactNameBytes - name.size();
  // The end of a name tells more than its beginning.
  if (path.size() > room) path.remove_prefix(path.size() - room);
  for (const char c : path) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                          c == '-';
    name.push_back(is_plain ? c : '_');
  }
  return name;
}

std::vector<CaptureStep> PlanCapture(const CaptureRequest& request,
                                     const CapturePlanOptions& options) {
  Plan plan(request, options);
  plan.AddText(StepKind::kCounters, "counters", kFileTime, StepNeeds::kNothing);
  plan.AddText(StepKind::kStatus, "status", kFileTime);
  plan.AddText(StepKind::kCgroup, "cgroup", kFileTime);
  // It waits for the lock of the memory map, on which the others need not wait.
  plan.AddText(StepKind::kSmapsRollup, "smaps_rollup", kFileTime);
  plan.AddProfiles(/*defaults=*/true);
  // It is held, and outlives who had it.
  if (!request.processes.empty() || request.dead) {
    plan.Add({.kind = StepKind::kHeapTable,
              .name = "heap-table",
              .file = "heap-table.pprof",
              .max_bytes = options.max_profile_bytes,
              .max_duration = kWalkTime});
  }
  plan.AddText(StepKind::kLimits, "limits", kFileTime);
  plan.AddText(StepKind::kMounts, "mounts", kFileTime);
  plan.AddText(StepKind::kSockets, "sockets", kWalkTime);
  plan.AddText(StepKind::kThreads, "thread-states", kWalkTime);
  plan.AddText(StepKind::kArguments, "cmdline", kFileTime);
  plan.AddText(StepKind::kEnvironment, "environ", kFileTime);
  // Behind what is perishable: it waits for the disk, for as long as that
  // takes.
  plan.Add({.kind = StepKind::kCommit,
            .name = "commit",
            .needs = StepNeeds::kAnswers});
  plan.AddProfiles(/*defaults=*/false);
  for (std::size_t i = 0; i < options.endpoints.size() && i < kMaxPages; ++i) {
    plan.Add({.kind = StepKind::kPage,
              .name = StrCat("page-", i),
              .file = StrCat("page.", i, ".prom"),
              .source = options.endpoints[i].url,
              .max_bytes = options.max_page_bytes,
              .max_duration = kPageTime,
              .needs = StepNeeds::kAnswers});
  }
  // What follows needs no living target.
  for (std::size_t i = 0;
       i < options.config_files.size() && i < kMaxConfigFiles; ++i) {
    plan.Add(
        {.kind = StepKind::kConfigFile,
         .name = StrCat("config-", i),
         .file = ArtifactNameOf(StrCat("config.", i), options.config_files[i]),
         .source = options.config_files[i],
         .max_bytes = options.max_text_bytes,
         .max_duration = kFileTime});
  }
  if (options.has_log_files) {
    plan.Add({.kind = StepKind::kLogs,
              .name = "log",
              .file = "log",
              .max_bytes = options.max_log_bytes,
              .max_duration = kWalkTime});
  }
  if (options.has_window) {
    plan.Add({.kind = StepKind::kWindow,
              .name = "window",
              .file = "window.fdr",
              .max_bytes = options.max_window_bytes,
              .max_duration = kWindowTime});
  }
  return std::move(plan).Take();
}

}  // namespace fodc::capture
