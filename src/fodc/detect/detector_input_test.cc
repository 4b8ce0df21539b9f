// SPDX-License-Identifier: Apache-2.0
// What the detector makes of frames that come late, not at all, with gaps or
// with values that nobody would expect, and of signals and their pages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/detect/detector.h"
#include "fodc/detect/scene_testing.h"

namespace fodc::detect {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(DetectorInputTest, ASignalThatMatchesNothingOrVanishesIsMissing) {
  auto signals = SignalMap::Parse(
      std::vector<std::string>{"block_cache_misses=my_misses"});
  ASSERT_THAT(signals.status(), IsOk());
  Scene s({}, *std::move(signals));
  s.db.page.rates["other"] = 1;
  s.db.page.rates["rocksdb_block_cache_miss"] = 1;  // not asked for any more
  s.Learn();
  EXPECT_EQ(s.State().signals.series[3], 0u);
  s.db.page.rates["my_misses{shard=\"1\"}"] = 5;
  s.db.page.rates["my_misses{shard=\"2\"}"] = 5;
  s.Run(20);
  EXPECT_EQ(s.State().signals.series[3], 2u);
  EXPECT_EQ(s.State().newest.facts[Fact::kBlockCacheMisses], 10);
  s.db.page.Drop("my_misses");
  s.db.Cold();
  const auto started = s.Run(3);
  ASSERT_THAT(started, SizeIs(1));
  EXPECT_EQ(started[0].verdict, "W4");
  EXPECT_THAT(started[0].missing_signals, Contains("block_cache_misses"));
}

// Pages may be fetched less often than the kernel is read.
TEST(DetectorInputTest, ASignalIsHeldBetweenItsPages) {
  Scene s;
  s.db.page.rates["rocksdb_block_cache_miss"] = 7;
  for (int i = 0; i < 40; ++i) {
    s.db.page.is_silent = i % 3 != 0;
    s.Run(1);
  }
  EXPECT_EQ(s.State().newest.facts[Fact::kBlockCacheMisses], 7);
  s.db.page.is_silent = true;
  s.Run(7);
  EXPECT_FALSE(s.State().newest.facts.Has(Fact::kBlockCacheMisses));
}

TEST(DetectorInputTest, WindowsAreMadeOfAsManyFramesAsItTakes) {
  Scene s;
  s.Run(40, 1);  // a frame a second
  EXPECT_EQ(s.State().windows, 3u);
  EXPECT_EQ(s.State().newest.to_ms - s.State().newest.from_ms, 10'000);
  Scene slow;
  slow.Run(5, 15);  // longer than a window: each is one
  EXPECT_EQ(slow.State().windows, 4u);
  Scene late;  // each a moment too early
  late.Run(5, 9.99);
  EXPECT_EQ(late.State().windows, 4u);
}

// --ktm-interval may be longer than stale-after.
TEST(DetectorInputTest, AnIntervalBeyondStaleAfterIsNoSilence) {
  Scene s;
  s.Run(2, 120);
  s.Run(29, 120);
  EXPECT_EQ(s.State().windows, 29u);
  EXPECT_EQ(s.State().phase, Phase::kCalm);
  EXPECT_EQ(s.State().newest.to_ms - s.State().newest.from_ms, 120'000);
  s.db.Cold();
  EXPECT_THAT(s.Run(2, 120), IsEmpty());
  ASSERT_THAT(s.Run(1, 120), SizeIs(1));
  EXPECT_EQ(s.told[0].cause, "cold_data");
  // Three of them without a reading are.
  s.db.kernel.is_silent = true;
  EXPECT_THAT(s.Run(3, 120), IsEmpty());
  ASSERT_THAT(s.Run(1, 120), SizeIs(1));
  EXPECT_FALSE(s.told.back().is_open());
  EXPECT_EQ(s.State().phase, Phase::kNoReadings);
}

// A machine that slept: what came in that time is of no window.
TEST(DetectorInputTest, AGapIsNoWindow) {
  Scene s;
  s.Learn();
  const auto windows = s.State().windows;
  s.Run(1, 3000);
  EXPECT_EQ(s.State().windows, windows);
  s.Run(1);
  EXPECT_EQ(s.State().windows, windows + 1);
  // Nor is it taken for an interval.
  s.db.kernel.is_silent = true;
  s.Run(7);
  EXPECT_EQ(s.State().phase, Phase::kNoReadings);
}

TEST(DetectorInputTest, BadValuesBreakNothing) {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(),
                           std::numeric_limits<double>::infinity(),
                           -std::numeric_limits<double>::infinity(), -1.0}) {
    Scene s;
    s.db.page.levels["rocksdb_block_cache_miss"] = bad;
    s.db.page.levels["rocksdb_num_running_compactions"] = bad;
    s.Learn();
    s.db.kernel.levels["ktm_cache_added_pages_total"] = bad;
    s.db.target.levels["fodc_container_memory_bytes{kind=\"anon\"}"] = bad;
    s.db.target.levels["fodc_target_pid"] = bad;
    s.db.Slow();
    ASSERT_THAT(s.Run(3), SizeIs(1)) << bad;
    EXPECT_THAT(s.told[0].missing_signals,
                Contains("ktm_cache_added_pages_total"));
    for (const auto& n : s.told[0].numbers)
      EXPECT_TRUE(std::isfinite(n.value)) << n.name;
    // And of the latency itself.
    s.db.kernel.levels
        ["ktm_read_latency_seconds_bucket{kind=\"file\",le=\"0.001024\"}"] =
        bad;
    s.Run(10);
  }
}

TEST(DetectorInputTest, ForeignBoundsAreTakenAsTheyAre) {
  Scene s;
  s.db.kernel.Drop("ktm_read_latency_seconds");
  const auto set = [&s](double fast, double slow) {
    const char* const kFamily =
        "ktm_read_latency_seconds_bucket{kind=\"file\",";
    s.db.kernel.rates[StrCat(kFamily, "le=\"0.00015\"}")] = fast;
    s.db.kernel.rates[StrCat(kFamily, "le=\"7\"}")] = fast + slow;
    s.db.kernel.rates[StrCat(kFamily, "le=\"+Inf\"}")] = fast + slow;
    s.db.kernel.rates[StrCat(kFamily, "le=\"many\"}")] = 5;
  };
  set(1000, 0);
  s.Learn();
  set(800, 200);
  EXPECT_THAT(s.Run(3), SizeIs(1));
}

TEST(DetectorInputTest, FramesThatCameBeforeArePassedOver) {
  Scene s;
  s.Learn();
  s.db.Cold();
  s.Run(3);
  for (int i = 0; i < 100; ++i)
    EXPECT_THAT(s.detector.OnFrames(s.recording.Latest()), IsEmpty());
  EXPECT_EQ(s.State().windows, 32u);
}

TEST(DetectorInputTest, AnotherLifeBeginsAnew) {
  Scene first;
  first.Learn();
  first.db.Cold();
  first.Run(3);
  Scene second({}, SignalMap(), 78);
  second.db.Cold();
  second.Run(3);
  for (const auto& frame : second.recording.Latest())
    EXPECT_THAT(first.detector.OnFrame(frame), IsEmpty());
  const auto states = first.detector.States();
  ASSERT_THAT(states, SizeIs(1));
  EXPECT_EQ(states[0].windows, 0u);
  EXPECT_EQ(states[0].open_id, "");
}

TEST(DetectorInputTest, TimesBeyondReasonArePassedOver) {
  Scene s;
  s.Run(2);
  auto frames = s.recording.Latest();
  for (const std::int64_t bad :
       {std::numeric_limits<std::int64_t>::min(),
        std::numeric_limits<std::int64_t>::max(), std::int64_t{-1}}) {
    for (auto& f : frames) {
      f.name.sequence += 1000;
      f.time.monotonic_ms = bad;
    }
    EXPECT_THAT(s.detector.OnFrames(frames), IsEmpty());
  }
  s.Run(2);
  EXPECT_EQ(s.State().windows, 3u);
}

TEST(DetectorInputTest, TargetsAndTheirNamesAreBounded) {
  recorder::Recording recording(1, {});
  Detector detector({}, SignalMap());
  for (int i = 0; i < 100; ++i) {
    recording.Append(recording.OpenSource(
                         StrCat("kernel \n", std::string(1000, 'x'), i), ""),
                     {.monotonic_ms = i, .unix_ms = i}, {}, std::nullopt);
    recording.Append(recording.OpenSource(StrCat("kernel ", i), ""),
                     {.monotonic_ms = i, .unix_ms = i}, {}, std::nullopt);
  }
  detector.OnFrames(recording.Latest());
  const auto states = detector.States();
  EXPECT_THAT(states, SizeIs(Detector::kMaxTargets));
  for (const TargetState& s : states) {
    EXPECT_LE(s.target.size(), evidence::kMaxIncidentNameBytes);
    EXPECT_THAT(s.target, Not(HasSubstr("\n")));
  }
}

TEST(DetectorInputTest, NamesAreCutToWhatIncidentsTake) {
  EXPECT_EQ(CleanTargetName("db-\xc3\xa4"), "db-\xc3\xa4");
  EXPECT_EQ(CleanTargetName("d\nb"), "d_b");
  // Each bad byte becomes three.
  std::string bad = "a";
  for (int i = 0; i < 200; ++i) bad += "a\xff";
  for (std::size_t from = 0; from < 2; ++from) {
    const std::string clean = CleanTargetName(bad.substr(from));
    EXPECT_LE(clean.size(), evidence::kMaxIncidentNameBytes);
    EXPECT_TRUE(IsValidUtf8(clean));
  }
  // Its incidents are told: Run checks them.
  SceneTarget odd(bad);
  Scene s;
  s.targets = {&odd};
  s.Learn();
  odd.Cold();
  EXPECT_THAT(s.Run(3), SizeIs(1));
}

TEST(DetectorInputTest, ThousandsOfFramesTakeNoMoreMemory) {
  Options o;
  o.history_windows = 20;
  Scene s(o);
  s.db.page.rates["rocksdb_block_cache_miss"] = 5;
  for (int i = 0; i < 1000; ++i) {
    // Series come and go, and so do targets' lives.
    s.db.page.rates[StrCat("rocksdb_block_cache_miss{n=\"", i % 7, "\"}")] = 1;
    s.db.page.Drop(StrCat("rocksdb_block_cache_miss{n=\"", (i + 3) % 7));
    if (i % 100 == 99) s.db.Cold();
    if (i % 100 == 50) s.db.Calm();
    s.Run(5);
  }
  EXPECT_EQ(s.State().learned_windows, 20u);
  EXPECT_LE(s.State().signals.series[3], 8u);
  EXPECT_EQ(s.State().windows, 4999u);
  EXPECT_THAT(s.told, Not(IsEmpty()));
}

}  // namespace
}  // namespace fodc::detect
