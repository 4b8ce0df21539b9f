// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/pressure_incident.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::guardian {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1u << 20;

Report Of(ReportKind kind, std::int64_t unix_ms = 1'700'000'000'000) {
  Report r;
  r.kind = kind;
  r.who = {.pid = 42, .start_ticks = 7};
  r.at = FromUnixMillis(unix_ms);
  r.bytes = 760 * kMiB;
  r.limit_bytes = 1000 * kMiB;
  r.has_cgroup_limit = true;
  r.resident_bytes = 700 * kMiB;
  r.lines = {.capture = 750 * kMiB, .term = 900 * kMiB, .kill = 0};
  r.age_seconds = 12.5;
  return r;
}

TEST(PressureIncidentTest, BeginsAtTheCaptureChangesAtTheStopAndEnds) {
  PressureIncident incident("guardian-9-0", "db");
  EXPECT_FALSE(incident.On(Of(ReportKind::kArmed)));
  const auto begun = incident.On(Of(ReportKind::kCapture));
  ASSERT_TRUE(begun);
  EXPECT_THAT(evidence::CheckIncident(*begun), IsOk());
  EXPECT_EQ(begun->id, "guardian-9-0-1");
  EXPECT_EQ(begun->detector, "guardian");
  EXPECT_EQ(begun->verdict, "memory_pressure");
  EXPECT_EQ(begun->cause, "capture");
  EXPECT_EQ(begun->target, "db");
  EXPECT_EQ(begun->revision, 1U);
  EXPECT_TRUE(begun->is_open());
  EXPECT_EQ(begun->summary, "Memory of db is 760 MiB of 1000 MiB (76 %).");
  EXPECT_EQ(begun->numbers.front().name, "memory_bytes");
  EXPECT_EQ(begun->numbers.front().value, 760.0 * kMiB);

  Report stop = Of(ReportKind::kTerm, 1'700'000'001'000);
  stop.seconds_to_limit = 0.5;
  const auto stopped = incident.On(stop);
  ASSERT_TRUE(stopped);
  EXPECT_EQ(stopped->id, begun->id);
  EXPECT_EQ(stopped->revision, 2U);
  EXPECT_EQ(stopped->cause, "term");
  EXPECT_THAT(stopped->summary, HasSubstr("asked to stop (SIGTERM)"));
  EXPECT_EQ(stopped->numbers.back().name, "seconds_to_limit");
  EXPECT_FALSE(incident.On(Of(ReportKind::kCapture)));  // the stop's own

  const auto ended = incident.On(Of(ReportKind::kEnded, 1'700'000'002'000));
  ASSERT_TRUE(ended);
  EXPECT_THAT(evidence::CheckIncident(*ended), IsOk());
  EXPECT_EQ(ended->revision, 3U);
  EXPECT_EQ(ended->cause, "term");
  EXPECT_EQ(ended->ended_ms, 1'700'000'002'000);
  EXPECT_THAT(ended->summary, HasSubstr("asked to stop (SIGTERM). The target"));
  EXPECT_FALSE(incident.On(Of(ReportKind::kEnded)));

  EXPECT_EQ(incident.On(Of(ReportKind::kTerm))->id, "guardian-9-0-2");
}

TEST(PressureIncidentTest, EveryReportThatActsMakesOneThatMayBeKept) {
  for (const ReportKind kind :
       {ReportKind::kCapture, ReportKind::kTerm, ReportKind::kSuppressed,
        ReportKind::kGraceOver, ReportKind::kKill, ReportKind::kWall}) {
    for (const int error : {0, 1}) {
      PressureIncident incident("x", "db");
      Report r = Of(kind);
      r.error = error;
      const auto made = incident.On(r);
      ASSERT_TRUE(made);
      EXPECT_THAT(evidence::CheckIncident(*made), IsOk());
      EXPECT_TRUE(incident.On(Of(ReportKind::kCalm)).has_value());
    }
  }
}

TEST(PressureIncidentTest, AClockThatIsSetBackDoesNotEndItBeforeItBegan) {
  PressureIncident incident("x", "db");
  (void)incident.On(Of(ReportKind::kCapture, 5000));
  const auto ended = incident.On(Of(ReportKind::kCalm, 3000));
  ASSERT_TRUE(ended);
  EXPECT_THAT(evidence::CheckIncident(*ended), IsOk());
}

TEST(PressureIncidentTest, ADryRunRaisesNone) {
  PressureIncident incident("x", "db");
  Report r = Of(ReportKind::kTerm);
  r.is_dry_run = true;
  EXPECT_FALSE(incident.On(r));
}

TEST(CauseFileTest, SaysWhoWhyAndWhen) {
  EXPECT_EQ(CauseText("d\"b", Of(ReportKind::kTerm)),
            "{\"cause\":\"pressure\",\"by\":\"fodc-agent\",\"signal\":15,"
            "\"target\":\"d\\\"b\",\"pid\":42,\"start_ticks\":7,"
            "\"time\":\"2023-11-14T22:13:20.000Z\",\"run_ms\":12500,"
            "\"source\":\"cgroup\",\"bytes\":796917760,"
            "\"rss_bytes\":734003200,\"limit_bytes\":1048576000,"
            "\"threshold_bytes\":943718400}\n");
  Report kill = Of(ReportKind::kKill);
  kill.has_cgroup_limit = false;
  EXPECT_THAT(CauseText("db", kill), HasSubstr("\"signal\":9"));
  EXPECT_THAT(CauseText("db", kill), HasSubstr("\"source\":\"rss\""));
}

TEST(CauseFileTest, NeverLeavesItsDirectory) {
  EXPECT_EQ(CauseFileName("port-2121"), "guardian-port-2121.json");
  EXPECT_EQ(CauseFileName("../a b/c"), "guardian-.._a_b_c.json");
  EXPECT_EQ(StopRecordName("../a b/c"), "guardian-.._a_b_c.stops");
  EXPECT_LE(CauseFileName(std::string(1000, 'x')).size(), 200U);
}

}  // namespace
}  // namespace fodc::guardian
