// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/capture_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/event_id.h"

namespace fodc::capture {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<std::string> kAllTypes = {"heap-gc", "mutex",   "block",
                                            "cpu",     "threads", "allocator"};

CaptureRequest Living() { return {.processes = {{.pid = 1}}}; }

CapturePlanOptions Everything() {
  return {.profiles = *ChooseProfileTypes(kAllTypes),
          .config_files = {"/etc/node.yaml", "/x/we ird\n.toml"},
          .has_log_files = true,
          .endpoints = {{.name = "http://x/m", .url = "http://x/m"}},
          .has_window = true};
}

std::vector<std::string> Names(const std::vector<CaptureStep>& steps) {
  std::vector<std::string> names;
  for (const CaptureStep& s : steps) names.push_back(s.name);
  return names;
}

const CaptureStep& Find(const std::vector<CaptureStep>& steps,
                        std::string_view name) {
  return *std::find_if(steps.begin(), steps.end(),
                       [&](const CaptureStep& s) { return s.name == name; });
}

TEST(CapturePlanTest, TheMostPerishableComesFirst) {
  EXPECT_THAT(
      Names(PlanCapture(Living(), Everything())),
      ElementsAre("counters", "status", "cgroup", "smaps_rollup", "heap",
                  "goroutine", "heap-table", "limits", "mounts", "sockets",
                  "thread-states", "cmdline", "environ", "commit", "allocator",
                  "mutex", "block", "threads", "heap-gc", "cpu", "page-0",
                  "config-0", "config-1", "log", "window"));
}

TEST(CapturePlanTest, OfADeadTargetOnlyWhatNeedsNoLife) {
  const auto steps = PlanCapture({}, Everything());
  EXPECT_THAT(Names(steps),
              ElementsAre("counters", "config-0", "config-1", "log", "window"));
}

TEST(CapturePlanTest, NothingThatThereIsNot) {
  const auto names = Names(PlanCapture(
      Living(), {.profiles = *ChooseProfileTypes({}), .has_profiles = false}));
  for (const char* name : {"heap", "page-0", "config-0", "log", "window"})
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 0) << name;
}

TEST(CapturePlanTest, EachStepLeavesTheOthersTime) {
  const auto steps = PlanCapture(Living(), Everything());
  auto last = 0ns;
  for (const CaptureStep& s : steps) {
    EXPECT_GE(s.latest, last) << s.name;
    EXPECT_LE(s.latest, 10s) << s.name;
    last = s.latest;
    if (s.kind == StepKind::kCommit) continue;
    EXPECT_GT(s.max_duration, 0ns) << s.name;
    EXPECT_GT(s.max_bytes, 0u) << s.name;
    if (s.kind == StepKind::kLogs) continue;
    EXPECT_THAT(evidence::CheckArtifactName(s.file), IsOk()) << s.name;
  }
  // Whatever hangs before it, the window has a second.
  EXPECT_LE(Find(steps, "log").latest, 9s);
  EXPECT_EQ(Find(steps, "window").latest, 10s);
}

TEST(CapturePlanTest, ASmallBudgetGivesNoNegativeTime) {
  CapturePlanOptions options = Everything();
  options.wall_budget = 100ms;
  for (const CaptureStep& s : PlanCapture(Living(), options)) {
    EXPECT_GE(s.latest, 0ns) << s.name;
    EXPECT_LE(s.max_duration, 100ms) << s.name;
  }
}

TEST(CapturePlanTest, WhatTheForecastLeavesNoTimeForIsSkipped) {
  CaptureRequest request = Living();
  request.seconds_to_limit = 1.5;
  auto steps = PlanCapture(request, Everything());
  EXPECT_THAT(Find(steps, "cpu").skip_reason, HasSubstr("within 2s"));
  EXPECT_EQ(Find(steps, "heap-gc").skip_reason, "");
  request.seconds_to_limit = 0.5;
  steps = PlanCapture(request, Everything());
  EXPECT_THAT(Find(steps, "heap-gc").skip_reason, HasSubstr("within 1s"));
  EXPECT_EQ(Find(steps, "heap").skip_reason, "");
}

TEST(CapturePlanTest, NamesOfFilesAreThoseOfArtifacts) {
  EXPECT_EQ(ArtifactNameOf("config.0", "/etc/a b\n.yaml"),
            "config.0.a_b_.yaml");
  const std::string cut =
      ArtifactNameOf("log.1", StrCat(std::string(300, 'x'), "y"));
  EXPECT_EQ(cut.size(), evidence::kMaxArtifactNameBytes);
  EXPECT_TRUE(cut.ends_with("xy"));
  EXPECT_THAT(evidence::CheckArtifactName(ArtifactNameOf("a", "")), IsOk());
}

}  // namespace
}  // namespace fodc::capture
