// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/timeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "fodc/ctl/timeline_testing.h"

namespace fodc::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

constexpr std::int64_t kAt = 1'767'225'600'000;  // 2026-01-01T00:00:00Z
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Timeline Make(const Frames& frames, std::string_view target = "etcd") {
  const recorder::Recording recording = MakeRecording(frames, kAt);
  const recorder::Snapshot snapshot = recording.Take();
  int damaged = 0;
  Timeline timeline =
      MakeTimeline(std::span(&snapshot, 1), target, kAt, &damaged);
  EXPECT_EQ(damaged, 0);
  return timeline;
}

TEST(TimelineTest, ShowsGaugesAndTheGrowthOfCounters) {
  const std::string resident =
      "fodc_target_resident_memory_bytes{target=\"etcd\"}";
  const std::string stall =
      "fodc_pressure_stalled_seconds_total{kind=\"some\",resource=\"memory\","
      "target=\"etcd\"}";
  const std::string kills =
      "fodc_container_memory_events_total{event=\"oom_kill\",target=\"etcd\"}";
  const Timeline timeline = Make({
      {-20'000, {{resident, 100}, {stall, 7}, {kills, 3}}},
      {-9'000, {{resident, 512}, {stall, 12.5}, {kills, 3}}},
      {-4'000, {{resident, kNan}, {stall, 13}, {kills, 3}}},
      {6'000, {{stall, 13}, {kills, 4}}},
      {7'500, {{stall, 0.75}, {kills, 4}}},
  });
  EXPECT_EQ(TimelineText(timeline),
            "TIME                      OFFSET  RESIDENT  OOM KILLS  MEMORY "
            "STALL\n"
            "2025-12-31T23:59:50.000Z    -10s     100 B          -       "
            "      -\n"
            "2025-12-31T23:59:55.000Z     -5s     512 B          0       "
            "  50.0%\n"
            "2026-01-01T00:00:00.000Z      0s         -          0       "
            "  10.0%\n"
            "2026-01-01T00:00:07.500Z   +7.5s         -          1       "
            "   6.5%\n");
}

TEST(TimelineTest, TakesTheTargetAndWhatStandsInForIt) {
  const Timeline timeline =
      Make({{-1000,
             {{"fodc_container_memory_limit_bytes{target=\"other\"}", 1},
              {"process_resident_memory_bytes", 2},
              {"fodc_detector_read_latency_seconds{quantile=\"0.99\",target="
               "\"etcd\"}",
               0.25},
              {"fodc_detector_read_latency_seconds{quantile=\"0.95\",target="
               "\"etcd\"}",
               0.1}}}});
  ASSERT_EQ(timeline.columns.size(), 2u);
  EXPECT_EQ(timeline.columns[0].series, "process_resident_memory_bytes");
  EXPECT_EQ(timeline.columns[1].head, "READ P99");
  ASSERT_EQ(timeline.rows.size(), 1u);
  EXPECT_THAT(timeline.rows[0].values,
              ElementsAre(Optional(2), Optional(0.25)));
  EXPECT_THAT(TimelineText(timeline), HasSubstr("250.00ms"));
  // The process's own word is not needed where the agent saw it.
  EXPECT_EQ(
      Make({{0,
             {{"process_resident_memory_bytes", 2},
              {"fodc_target_resident_memory_bytes{target=\"etcd\"}", 3}}}})
          .columns[0]
          .series,
      "fodc_target_resident_memory_bytes");
}

TEST(TimelineTest, NothingIsNoTable) {
  EXPECT_TRUE(Make({{0, {{"up", 1}}}}).rows.empty());
  EXPECT_TRUE(Make({}).columns.empty());
  // Days away.
  EXPECT_TRUE(Make({{-90'000'000, {{"process_resident_memory_bytes", 1}}}})
                  .rows.empty());
}

TEST(TimelineTest, GrowthBeyondAnyNumberIsNone) {
  const std::string kills =
      "fodc_container_memory_events_total{event=\"oom_kill\",target=\"etcd\"}";
  const Timeline timeline =
      Make({{-20'000, {{kills, -1e308}}}, {-1000, {{kills, 1e308}}}});
  ASSERT_EQ(timeline.rows.size(), 2u);
  EXPECT_EQ(timeline.rows[1].values[0], std::nullopt);
}

TEST(TimelineTest, IsJoinedOfTheTimeBeforeAndAfter) {
  const std::string series =
      "fodc_target_resident_memory_bytes{target=\"etcd\"}";
  const auto before = MakeRecording({{-2000, {{series, 1}}}}, kAt);
  const auto after = MakeRecording({{12'000, {{series, 2}}}}, kAt);
  const std::vector<recorder::Snapshot> both = {after.Take(), before.Take()};
  int damaged = 0;
  const auto json = nlohmann::json::parse(
      TimelineJson(MakeTimeline(both, "etcd", kAt, &damaged)));
  EXPECT_EQ(json["columns"][0]["name"], "RESIDENT");
  EXPECT_EQ(json["columns"][0]["unit"], "bytes");
  ASSERT_EQ(json["rows"].size(), 2u);
  EXPECT_EQ(json["rows"][0]["offset_seconds"], 0);
  EXPECT_EQ(json["rows"][0]["values"][0], 1);
  EXPECT_EQ(json["rows"][1]["time"], "2026-01-01T00:00:12.000Z");
  EXPECT_EQ(json["rows"][1]["values"][0], 2);
}

}  // namespace
}  // namespace fodc::ctl
