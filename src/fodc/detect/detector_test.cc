// SPDX-License-Identifier: Apache-2.0
// The detector on frames of a real recording: when incidents start, change and
// end.
#include "fodc/detect/detector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fodc/detect/scene_testing.h"

namespace fodc::detect {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(DetectorTest, AnIncidentStartsAndEnds) {
  Scene s;
  s.Learn();
  EXPECT_EQ(s.State().phase, Phase::kCalm);
  EXPECT_EQ(s.State().reason, "");
  const std::int64_t slow_from = s.time.unix_ms;
  s.db.Cold();
  EXPECT_THAT(s.Run(2), IsEmpty());
  EXPECT_EQ(s.State().phase, Phase::kDegraded);
  const auto started = s.Run(1);
  ASSERT_THAT(started, SizeIs(1));
  const evidence::Incident& start = started[0];
  EXPECT_THAT(start.id, testing::StartsWith("read-latency-77-"));
  EXPECT_EQ(start.detector, "read_latency");
  EXPECT_EQ(start.verdict, "W4");
  EXPECT_EQ(start.cause, "cold_data");
  EXPECT_EQ(start.target, "db");
  EXPECT_EQ(start.revision, 1u);
  EXPECT_TRUE(start.is_open());
  EXPECT_EQ(start.started_ms, slow_from);
  EXPECT_EQ(start.updated_ms, slow_from + 30'000);
  EXPECT_THAT(start.summary, HasSubstr("cold data"));
  EXPECT_NEAR(NumberOf(start, "read_p95_seconds"), 3e-3, 1.1e-3);
  EXPECT_NEAR(NumberOf(start, "baseline_read_p95_seconds"), 2e-6, 1e-6);
  EXPECT_EQ(NumberOf(start, "cache_adds_pages_per_second"), 2000);
  EXPECT_EQ(NumberOf(start, "baseline_cache_adds_pages_per_second"), 10);
  EXPECT_EQ(s.State().phase, Phase::kIncident);
  EXPECT_EQ(
      s.State().incidents_total[static_cast<std::size_t>(Verdict::kContention)],
      1u);

  s.db.Calm();
  EXPECT_THAT(s.Run(5), IsEmpty());
  const auto ended = s.Run(1);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].id, start.id);
  EXPECT_EQ(ended[0].revision, 2u);
  EXPECT_EQ(ended[0].ended_ms, slow_from + 30'000);
  EXPECT_EQ(ended[0].updated_ms, slow_from + 90'000);
  EXPECT_THAT(ended[0].summary, HasSubstr("as fast as usual again"));
  EXPECT_EQ(s.State().phase, Phase::kCalm);
  // The next one has a name of its own.
  s.db.Cold();
  const auto again = s.Run(3);
  ASSERT_THAT(again, SizeIs(1));
  EXPECT_NE(again[0].id, start.id);
}

// The gate, whatever the other signals say.
TEST(DetectorTest, WithoutDegradationThereIsNoIncident) {
  Scene s;
  s.Learn();
  s.db.kernel.rates["ktm_cache_added_pages_total"] = 1e6;
  s.db.kernel.rates["ktm_fadvise_dontneed_total"] = 1e4;
  s.db.kernel.rates["ktm_memcg_reclaim_entries_total"] = 1e4;
  s.db.target.levels["fodc_container_memory_bytes{kind=\"anon\"}"] = 900 * kMiB;
  s.db.target
      .rates["fodc_container_memory_refault_pages_total{kind=\"file\"}"] = 1e5;
  s.db.page.rates["rocksdb_block_cache_miss"] = 1e5;
  s.db.page.rates["rocksdb_compact_read_bytes"] = 1e9;
  s.db.kernel.SetLatencies("ktm_block_latency_seconds", "operation=\"read\"",
                           {{0.5, 1000}});
  EXPECT_THAT(s.Run(30), IsEmpty());
  EXPECT_EQ(s.State().verdict, Verdict::kBackgroundScan);
  EXPECT_THAT(s.State().summary, HasSubstr("hurts nobody"));
  s.db.Calm();
  s.db.kernel.rates["ktm_memcg_reclaim_entries_total"] = 5;
  EXPECT_THAT(s.Run(30), IsEmpty());
  EXPECT_EQ(s.State().verdict, Verdict::kTight);
  s.db.Calm();
  EXPECT_THAT(s.Run(5), IsEmpty());
  EXPECT_EQ(s.State().verdict, Verdict::kNone);
}

// Slow sockets are no slow reads.
TEST(DetectorTest, OnlyReadsOfFilesCount) {
  Scene s;
  s.db.kernel.SetLatencies("ktm_sys_read_latency_seconds", "", {{2e-6, 500}});
  s.db.kernel.SetLatencies("ktm_read_latency_seconds", "kind=\"socket\"",
                           {{2e-6, 500}});
  s.Learn();
  s.db.kernel.SetLatencies("ktm_sys_read_latency_seconds", "", {{5, 500}});
  s.db.kernel.SetLatencies("ktm_read_latency_seconds", "kind=\"socket\"",
                           {{5, 500}});
  EXPECT_THAT(s.Run(10), IsEmpty());
  EXPECT_EQ(s.State().phase, Phase::kCalm);
}

// Every verdict from frames, so each fact from the series that tells it.
TEST(DetectorTest, FindsEachCause) {
  struct Case {
    const char* verdict;
    const char* cause;
    void (*make)(SceneTarget*);
  };
  static constexpr const char* kAnon =
      "fodc_container_memory_bytes{kind=\"anon\"}";
  static constexpr const char* kFile =
      "fodc_container_memory_bytes{kind=\"file\"}";
  static constexpr const char* kRefaults =
      "fodc_container_memory_refault_pages_total{kind=\"file\"}";
  const Case cases[] = {
      {"W3", "policy",
       [](SceneTarget* t) {
         t->kernel.rates["ktm_fadvise_dontneed_total"] = 2;
       }},
      {"W3", "policy",
       [](SceneTarget* t) {
         t->kernel.rates["ktm_fadvise_dontneed_bytes_total"] = 5e6;
       }},
      {"W5", "own_memory",
       [](SceneTarget* t) {
         t->kernel.rates["ktm_memcg_reclaim_entries_total"] = 20;
         t->target.levels[kAnon] = 700 * kMiB;
         t->target.levels[kFile] = 250 * kMiB;
       }},
      {"W5", "own_memory",
       [](SceneTarget* t) {
         t->target.rates
             ["fodc_pressure_stalled_seconds_total{kind=\"some\","
              "resource=\"memory\"}"] = 0.2;
         t->target.levels["fodc_container_memory_bytes{kind=\"kernel\"}"] =
             300 * kMiB;
       }},
      {"W5", "others",
       [](SceneTarget* t) {
         t->target.rates
             ["fodc_container_memory_reclaim_pages_total{result="
              "\"scanned\"}"] = 5000;
         t->target.levels[kFile] = 100 * kMiB;
       }},
      {"W3", "scan",
       [](SceneTarget* t) {
         t->target.rates[kRefaults] = 200;
         t->kernel.rates["ktm_memcg_reclaim_entries_total"] = 20;
       }},
      {"W6", "",
       [](SceneTarget* t) { t->page.rates["rocksdb_block_cache_miss"] = 400; }},
      {"W4", "contention",
       [](SceneTarget* t) {
         t->page.levels["rocksdb_num_running_compactions"] = 2;
       }},
      {"W4", "contention",
       [](SceneTarget* t) {
         t->page.rates
             ["etcd_debugging_mvcc_db_compaction_total_duration_"
              "milliseconds_sum"] = 900;
       }},
      {"W4", "working_set",
       [](SceneTarget* t) { t->target.rates[kRefaults] = 1500; }},
      {"W4", "cold_data", [](SceneTarget*) {}},
      {"W4", "contention",
       [](SceneTarget* t) {
         t->target.Drop("fodc_target_io_bytes_total");
         t->kernel.SetLatencies("ktm_run_queue_wait_seconds", "",
                                {{0.05, 1000}});
       }},
  };
  for (const Case& c : cases) {
    Scene s;
    s.db.page.rates["rocksdb_block_cache_miss"] = 5;
    s.db.page.rates["rocksdb_compact_read_bytes"] = 1000;
    s.db.page.levels["rocksdb_num_running_compactions"] = 0;
    s.db.page.rates
        ["etcd_debugging_mvcc_db_compaction_total_duration_milliseconds_sum"] =
        0;
    s.db.kernel.SetLatencies("ktm_run_queue_wait_seconds", "", {{1e-5, 1000}});
    s.Learn();
    s.db.Cold();
    c.make(&s.db);
    const auto started = s.Run(3);
    ASSERT_THAT(started, SizeIs(1)) << c.verdict << " " << c.cause;
    EXPECT_EQ(started[0].verdict, c.verdict) << started[0].summary;
    EXPECT_EQ(started[0].cause, c.cause) << started[0].summary;
  }
}

TEST(DetectorTest, AnOpenIncidentIsToldAgainAndMayChangeItsVerdict) {
  Scene s;
  s.Learn();
  s.db.Cold();
  ASSERT_THAT(s.Run(3), SizeIs(1));
  // Every minute.
  EXPECT_THAT(s.Run(5), IsEmpty());
  auto told = s.Run(1);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].revision, 2u);
  EXPECT_EQ(told[0].verdict, "W4");
  // One window that looks otherwise changes nothing; the mean of three windows
  // is up with the first, and holds for two more.
  s.db.kernel.rates["ktm_fadvise_dontneed_total"] = 2;
  EXPECT_THAT(s.Run(1), IsEmpty());
  told = s.Run(1);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].revision, 3u);
  EXPECT_EQ(told[0].verdict, "W3");
  EXPECT_EQ(told[0].cause, "policy");
  EXPECT_EQ(told[0].id, s.told[0].id);
  const TargetState state = s.State();
  EXPECT_EQ(state.incidents_total[static_cast<std::size_t>(Verdict::kEviction)],
            1u);
  EXPECT_EQ(
      state.incidents_total[static_cast<std::size_t>(Verdict::kContention)],
      1u);
}

TEST(DetectorTest, WhatComesBackIsNotANewCause) {
  static constexpr const char* kRefaults =
      "fodc_container_memory_refault_pages_total{kind=\"file\"}";
  Scene s;
  s.Learn();
  s.db.Cold();
  s.db.kernel.rates["ktm_fadvise_dontneed_total"] = 2;
  auto told = s.Run(3);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].cause, "policy");
  // The calls end; what they dropped is read again, as cold data at first.
  s.db.kernel.rates["ktm_fadvise_dontneed_total"] = 0;
  s.Run(6);
  EXPECT_EQ(s.told.back().cause, "policy") << s.told.back().summary;
  s.db.target.rates[kRefaults] = 1500;
  s.Run(6);
  EXPECT_EQ(s.told.back().cause, "policy") << s.told.back().summary;
  // Nor does it help that nothing tells why any more.
  s.db.target.rates[kRefaults] = 0;
  s.db.kernel.rates["ktm_cache_added_pages_total"] = 0;
  s.Run(6);
  EXPECT_EQ(s.told.back().cause, "policy") << s.told.back().summary;
  // Nor does what else is further down: a scan of what is hot, writing, a
  // processor.
  s.db.Cold();
  s.db.target.rates[kRefaults] = 200;
  s.Run(6);
  s.db.target.rates[kRefaults] = 0;
  s.db.kernel.rates["ktm_cache_added_pages_total"] = 0;
  s.db.target.rates["fodc_target_io_bytes_total{direction=\"write\"}"] =
      40 * kMiB;
  s.Run(6);
  s.db.kernel.SetLatencies("ktm_run_queue_wait_seconds", "", {{0.05, 1000}});
  s.Run(6);
  EXPECT_EQ(s.told.back().cause, "policy") << s.told.back().summary;
  // Background work does.
  s.db.page.levels["rocksdb_num_running_compactions"] = 2;
  s.Run(6);
  EXPECT_EQ(s.told.back().verdict, "W4") << s.told.back().summary;
  EXPECT_EQ(s.told.back().cause, "contention");
  // And from there all that is found.
  s.db.page.levels["rocksdb_num_running_compactions"] = 0;
  s.db.Cold();
  s.Run(6);
  EXPECT_EQ(s.told.back().cause, "cold_data") << s.told.back().summary;
}

TEST(DetectorTest, ARowFurtherUpIsNews) {
  static constexpr const char* kRefaults =
      "fodc_container_memory_refault_pages_total{kind=\"file\"}";
  Scene s;
  s.Learn();
  s.db.Cold();
  s.db.target.rates[kRefaults] = 200;
  auto told = s.Run(3);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].cause, "scan") << told[0].summary;
  s.db.kernel.rates["ktm_memcg_reclaim_entries_total"] = 20;
  s.db.target.levels["fodc_container_memory_bytes{kind=\"anon\"}"] = 700 * kMiB;
  s.Run(6);
  EXPECT_EQ(s.told.back().cause, "own_memory") << s.told.back().summary;
  // Memory is free again, and what was hot comes back: no scan.
  s.db.Calm();
  s.db.Cold();
  s.db.target.rates[kRefaults] = 200;
  s.Run(6);
  EXPECT_EQ(s.told.back().cause, "own_memory") << s.told.back().summary;
}

// The evidence stays, and how slow reads are is as of now.
TEST(DetectorTest, LatenciesAreNewWhileTheCauseStands) {
  Scene s;
  s.Learn();
  s.db.Cold();
  s.db.kernel.rates["ktm_fadvise_dontneed_total"] = 2;
  ASSERT_THAT(s.Run(3), SizeIs(1));
  s.db.kernel.rates["ktm_fadvise_dontneed_total"] = 0;
  s.db.Reads({{2e-6, 400}, {1, 100}});
  s.Run(7);
  const evidence::Incident& told = s.told.back();
  EXPECT_EQ(told.cause, "policy");
  EXPECT_GT(NumberOf(told, "dontneed_calls_per_second"), 0);
  EXPECT_GT(NumberOf(told, "read_p95_seconds"), 0.5);
  EXPECT_EQ(NumberOf(told, "window_reads"), 5000);
}

TEST(DetectorTest, TheWorstIsRemembered) {
  Scene s;
  s.Learn();
  s.db.Cold();
  s.db.Reads({{2e-6, 900}, {1, 100}});
  s.Run(4);
  s.db.Slow();
  s.Run(4);
  s.db.Calm();
  s.Run(6);
  ASSERT_FALSE(s.told.back().is_open());
  EXPECT_GT(NumberOf(s.told.back(), "worst_read_p95_seconds"), 0.5);
  EXPECT_LT(NumberOf(s.told.back(), "read_p95_seconds"), 0.1);
}

TEST(DetectorTest, LearnsBeforeItJudges) {
  Scene s;
  s.db.Slow();  // from the beginning: that is usual
  EXPECT_THAT(s.Run(5), IsEmpty());
  TargetState state = s.State();
  EXPECT_EQ(state.phase, Phase::kLearning);
  EXPECT_EQ(state.reason, "learned 4 of 12 windows with 100 reads or more");
  EXPECT_THAT(s.Run(30), IsEmpty());
  state = s.State();
  EXPECT_EQ(state.phase, Phase::kCalm);
  EXPECT_EQ(state.learned_windows, 34u);
}

TEST(DetectorTest, DoesNotLearnFromDegradedWindows) {
  Scene s;
  s.Learn();
  const double usual = s.State().typical.p95;
  // Now and then, but never for long enough: half of the time.
  for (int i = 0; i < 200; ++i) {
    s.db.Slow();
    s.Run(2);
    s.db.Calm();
    s.Run(2);
  }
  EXPECT_THAT(s.told, IsEmpty());
  EXPECT_EQ(s.State().typical.p95, usual);
  // Nor while an incident is open.
  s.db.Slow();
  s.Run(100);
  EXPECT_EQ(s.State().typical.p95, usual);
  EXPECT_EQ(s.State().phase, Phase::kIncident);
}

TEST(DetectorTest, TheClockMayBeSet) {
  Scene s;
  s.Learn();
  s.db.Cold();
  s.Run(2);
  s.time.unix_ms -= 10'000'000;
  const auto started = s.Run(1);
  ASSERT_THAT(started, SizeIs(1));
  // As the clock has it now; what happened before is counted back from there.
  EXPECT_EQ(started[0].updated_ms, s.time.unix_ms);
  EXPECT_EQ(started[0].started_ms, s.time.unix_ms - 30'000);
  s.time.unix_ms = -5;  // before 1970, even
  s.db.Calm();
  const auto ended = s.Run(6);
  ASSERT_THAT(ended, SizeIs(1));
  EXPECT_EQ(ended[0].updated_ms, started[0].updated_ms + 60'000);
}

TEST(DetectorTest, WhatIsMissingIsNamedByTheIncident) {
  Scene s;
  s.db.kernel.Drop("ktm_fadvise");
  s.db.target.Drop("fodc_container");
  s.Learn();
  s.db.Slow();
  const auto started = s.Run(3);
  ASSERT_THAT(started, SizeIs(1));
  EXPECT_EQ(started[0].cause, "unknown");
  EXPECT_THAT(started[0].missing_signals,
              testing::IsSupersetOf(
                  {"ktm_fadvise_dontneed_total", "fodc_container_memory_bytes",
                   "block_cache_misses", "compaction_bytes"}));
}

// Of a processor that is waited for: no disk is read, and that is known.
TEST(DetectorTest, AHistogramWithoutEventsIsNotMissing) {
  Scene s;
  s.db.kernel.SetLatencies("ktm_block_latency_seconds", "operation=\"read\"",
                           {});
  s.Learn();
  s.db.Slow();
  s.db.kernel.SetLatencies("ktm_run_queue_wait_seconds", "", {{0.05, 1000}});
  const auto started = s.Run(3);
  ASSERT_THAT(started, SizeIs(1));
  EXPECT_EQ(started[0].cause, "contention") << started[0].summary;
  EXPECT_EQ(NumberOf(started[0], "block_read_p95_seconds"), 0);
  EXPECT_THAT(started[0].missing_signals,
              testing::Not(testing::Contains("ktm_block_latency_seconds")));
}

// A disk that takes a second for each makes few requests.
TEST(DetectorTest, FewRequestsTellASaturatedDisk) {
  Scene s;
  s.Learn();
  s.db.Slow();
  s.db.kernel.SetLatencies("ktm_block_latency_seconds", "operation=\"read\"",
                           {{1, 0.8}});
  s.db.target.rates
      ["fodc_pressure_stalled_seconds_total{kind=\"some\",resource=\"io\"}"] =
      0.9;
  const auto started = s.Run(3);
  ASSERT_THAT(started, SizeIs(1));
  EXPECT_THAT(started[0].summary, HasSubstr("saturated disk"));
  // One slow request among them does not.
  s.db.kernel.SetLatencies("ktm_block_latency_seconds", "operation=\"read\"",
                           {{1e-3, 0.6}, {1, 0.2}});
  s.Run(1);
  EXPECT_LT(s.State().newest.facts[Fact::kBlockReadP95], 2e-3);
}

TEST(DetectorTest, TargetsAreApart) {
  SceneTarget other("sidecar");
  Scene s;
  s.targets.push_back(&other);
  s.db.page.rates["rocksdb_block_cache_miss"] = 1;
  s.Learn();
  s.db.Cold();
  const auto told = s.Run(6);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].target, "db");
  const auto states = s.detector.States();
  ASSERT_THAT(states, SizeIs(2));
  EXPECT_EQ(states[0].phase, Phase::kIncident);
  EXPECT_EQ(states[1].target, "sidecar");
  EXPECT_EQ(states[1].phase, Phase::kCalm);
  // A page is of the targets of its container.
  EXPECT_EQ(states[0].signals.series[3], 1u);
  EXPECT_EQ(states[1].signals.series[3], 0u);
}

TEST(DetectorTest, AReplaySaysTheSame) {
  Scene live;
  live.Learn();
  live.db.Cold();
  live.Run(10);
  live.db.kernel.rates["ktm_fadvise_dontneed_total"] = 2;
  live.Run(10);
  live.db.Calm();
  live.Run(10);
  live.recording.Seal();
  live.db.Cold();
  live.Run(3);
  ASSERT_GE(live.told.size(), 5u);

  Detector replay({}, SignalMap());
  Scene::Incidents again;
  live.recording.Take().ReadFrames({}, [&](const recorder::SourceFrame& f) {
    for (auto& i : replay.OnFrame(f)) again.push_back(i);
    return true;
  });
  EXPECT_EQ(again, live.told);
}

}  // namespace
}  // namespace fodc::detect
