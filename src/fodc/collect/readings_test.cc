// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/readings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/collect/recording_testing.h"

namespace fodc::collect {
namespace {

using exposition::MetricType;
using recorder::FrameTime;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr ReadingDesc kA{"a_bytes", MetricType::kGauge, "A."};
constexpr ReadingDesc kB{"b_total", MetricType::kCounter, "B."};
constexpr ReadingDesc kC{"c", MetricType::kGauge, "C."};

TEST(ReadingsTest, WhatWasSetIsOneFrame) {
  recorder::Recording recording(1, {});
  Readings readings(recording, "own", "box");
  const auto a = readings.Add(kA);
  const auto b = readings.Add(kB, {{"mode", "user"}});
  readings.Set(a, 1);
  readings.Set(b, 2.5);
  readings.Commit(FrameTime{.monotonic_ms = 1000, .unix_ms = 5000});
  EXPECT_THAT(
      LatestSamples(recording, "own"),
      ElementsAre(Pair("a_bytes{}", 1), Pair("b_total{mode=\"user\"}", 2.5)));
  const auto frames = recording.Take().Latest();
  ASSERT_EQ(frames.size(), 1u);
  EXPECT_EQ(frames[0].container_name, "box");
  EXPECT_EQ(frames[0].time.unix_ms, 5000);
  EXPECT_EQ((*frames[0].series)[1]->type(), MetricType::kCounter);
  EXPECT_EQ((*frames[0].series)[1]->help(), "B.");
}

TEST(ReadingsTest, ReadingsComeAndGoInAnyPlace) {
  recorder::Recording recording(1, {});
  Readings readings(recording, "own", "");
  const auto a = readings.Add(kA);
  const auto b = readings.Add(kB);
  const auto c = readings.Add(kC);
  std::int64_t now = 1000;
  const auto commit = [&] {
    now += 1000;
    readings.Commit(FrameTime{.monotonic_ms = now, .unix_ms = now});
    return LatestSamples(recording, "own");
  };
  readings.Set(b, 1);
  EXPECT_THAT(commit(), ElementsAre(Pair("b_total{}", 1)));
  readings.Set(a, 2);
  readings.Set(c, 3);
  EXPECT_THAT(commit(), ElementsAre(Pair("a_bytes{}", 2), Pair("c{}", 3)));
  readings.Set(a, 4);
  readings.Set(b, 5);
  readings.Set(c, 6);
  EXPECT_THAT(commit(), ElementsAre(Pair("a_bytes{}", 4), Pair("b_total{}", 5),
                                    Pair("c{}", 6)));
  EXPECT_THAT(commit(), IsEmpty());
}

TEST(ReadingsTest, ASteadyLayoutIsLeftAlone) {
  recorder::Recording recording(1, {});
  Readings readings(recording, "own", "");
  const auto a = readings.Add(kA);
  for (int i = 1; i <= 3; ++i) {
    readings.Set(a, i);
    readings.Commit(FrameTime{.monotonic_ms = i, .unix_ms = i});
  }
  EXPECT_EQ(recording.stats().series, 1u);
  EXPECT_EQ(recording.stats().samples, 3u);
}

TEST(ReadingsTest, ThereIsAlwaysRoom) {
  recorder::RecordingOptions options;
  options.max_series = 1;
  recorder::Recording recording(1, options);
  Readings readings(recording, "own", "");
  readings.Set(readings.Add(kA), 1);
  readings.Set(readings.Add(kB), 2);
  readings.Set(readings.Add(kC), 3);
  readings.Commit(FrameTime{.monotonic_ms = 1, .unix_ms = 1});
  EXPECT_EQ(LatestSamples(recording, "own").size(), 3u);
}

}  // namespace
}  // namespace fodc::collect
