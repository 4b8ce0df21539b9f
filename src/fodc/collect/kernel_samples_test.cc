// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/kernel_samples.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fodc/base/strings.h"
#include "fodc/collect/recording_testing.h"

namespace fodc::collect {
namespace {

using kernel::LatencyHistogram;
using ::testing::Contains;
using ::testing::ContainsRegex;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using Samples = std::map<std::string, double>;

// All families there, and no two numbers the same.
kernel::TargetReading Everything() {
  kernel::TargetReading r;
  r.state = kernel::FilterState::kByCgroup;
  r.life = 1;
  std::uint64_t next = 1000;
  r.read.emplace();
  for (auto& call : r.read->calls) {
    for (auto& kind : call) {
      kind.latency.counts[next % LatencyHistogram::kSlots] = next + 1;
      next += 2;
      kind.latency.sum_ns = ++next * 1'000'000'000;
      kind.bytes = ++next;
    }
  }
  for (auto& f : r.read->failures) f = ++next;
  r.write.emplace();
  for (auto& kind : r.write->kinds) {
    kind.latency.counts[9] = ++next;
    kind.bytes = ++next;
  }
  for (auto& f : r.write->failures) f = ++next;
  for (auto& s : r.write->syncs) s.counts[9] = ++next;
  for (auto& f : r.write->sync_failures) f = ++next;
  r.cache = {.added_folios = ++next,
             .added_pages = ++next,
             .deleted_folios = ++next,
             .deleted_pages = ++next,
             .lookups = ++next};
  r.policy.emplace();
  r.policy->calls = ++next;
  for (auto& a : r.policy->by_advice) a = ++next;
  r.policy->dontneed_bytes = ++next;
  r.memory = {.scanned_pages = ++next,
              .reclaimed_pages = ++next,
              .shrink_events = ++next,
              .direct_entries = ++next,
              .direct_stall_ns = 1'500'000'000,
              .memcg_entries = ++next,
              .memcg_stall_ns = 2'500'000'000};
  r.faults = {.major = ++next, .minor = ++next};
  r.block.emplace();
  for (auto& o : r.block->operations) {
    o.latency.counts[20] = ++next;
    o.bytes = ++next;
  }
  r.sched.emplace();
  r.sched->run_queue_wait.counts[30] = ++next;
  r.death = {.oom_kills = ++next, .exits_by_signal = ++next};
  for (auto& l : r.lost) l = ++next;
  return r;
}

class KernelSamplesTest : public ::testing::Test {
 protected:
  Samples Record(const kernel::TargetReading& r) {
    samples_.Record(r, overview_, {.monotonic_ms = ++now_, .unix_ms = now_});
    return LatestSamples(recording_, "kernel db");
  }

  recorder::Recording recording_{1, {}};
  KernelSamples samples_{recording_, "db", "db", {}};
  kernel::Overview overview_;
  std::int64_t now_ = 0;
};

// Whoever sees a family's HELP may see no other one.
TEST_F(KernelSamplesTest, EachHelpStandsAlone) {
  overview_.kswapd = {.scanned_pages = 71, .reclaimed_pages = 72};
  kernel::KernelEvent death;
  death.kind = kernel::KernelEvent::Kind::kExitBySignal;
  samples_.OnEvent(death);
  (void)Record(Everything());
  std::size_t series_seen = 0;
  for (const recorder::SourceFrame& frame : recording_.Latest()) {
    for (const auto& series : *frame.series) {
      ++series_seen;
      EXPECT_THAT(std::string(series->help()),
                  Not(ContainsRegex(" these | they |that process|spent in it|"
                                    "this was| the family")))
          << series->name();
    }
  }
  EXPECT_GT(series_seen, 100u);
}

TEST_F(KernelSamplesTest, EveryNumberIsTheSampleItIsSaidToBe) {
  overview_.kswapd = {.scanned_pages = 71, .reclaimed_pages = 72};
  const kernel::TargetReading r = Everything();
  const Samples s = Record(r);
  const auto is = [&s](const std::string& name, double value) {
    EXPECT_THAT(s, Contains(Pair(name, value)));
  };
  const auto number = [](std::uint64_t n) { return static_cast<double>(n); };
  is("ktm_status{}", 2);
  is("ktm_degraded{}", 0);
  is("ktm_sys_read_bytes_total{}",
     number(r.read->OfCall(kernel::ReadCall::kRead).bytes));
  is("ktm_sys_pread_bytes_total{}",
     number(r.read->OfCall(kernel::ReadCall::kPread).bytes));
  const auto socket = r.read->OfKind(kernel::FileKind::kSocket);
  is("ktm_read_bytes_total{kind=\"socket\"}", number(socket.bytes));
  is("ktm_read_latency_seconds_count{kind=\"socket\"}",
     number(socket.latency.Count()));
  is("ktm_read_latency_seconds_sum{kind=\"socket\"}",
     number(socket.latency.sum_ns / 1'000'000'000));
  is("ktm_read_failures_total{error=\"again\"}", number(r.read->failures[0]));
  is("ktm_read_failures_total{error=\"other\"}", number(r.read->failures[5]));
  is("ktm_write_bytes_total{kind=\"pipe\"}", number(r.write->kinds[2].bytes));
  is("ktm_write_failures_total{error=\"io\"}", number(r.write->failures[2]));
  is("ktm_sync_latency_seconds_count{call=\"fdatasync\"}",
     number(r.write->syncs[1].counts[9]));
  is("ktm_sync_failures_total{error=\"no_memory\"}",
     number(r.write->sync_failures[3]));
  is("ktm_cache_lookups_total{}", number(*r.cache->lookups));
  is("ktm_cache_fills_total{}", number(*r.cache->added_folios));
  is("ktm_cache_deletes_total{}", number(*r.cache->deleted_folios));
  is("ktm_cache_added_pages_total{}", number(*r.cache->added_pages));
  is("ktm_cache_deleted_pages_total{}", number(*r.cache->deleted_pages));
  is("ktm_fadvise_calls_total{}", number(r.policy->calls));
  is("ktm_fadvise_dontneed_total{}", number(r.policy->by_advice[4]));
  is("ktm_fadvise_advice_total{advice=\"willneed\"}",
     number(r.policy->by_advice[3]));
  is("ktm_fadvise_dontneed_bytes_total{}", number(r.policy->dontneed_bytes));
  is("ktm_memory_lru_pages_scanned_total{}", number(*r.memory->scanned_pages));
  is("ktm_memory_lru_pages_reclaimed_total{}",
     number(*r.memory->reclaimed_pages));
  is("ktm_memory_lru_shrink_events_total{}", number(*r.memory->shrink_events));
  is("ktm_memory_direct_reclaim_begin_total{}",
     number(*r.memory->direct_entries));
  is("ktm_direct_reclaim_stall_seconds_total{}", 1.5);
  is("ktm_memcg_reclaim_entries_total{}", number(*r.memory->memcg_entries));
  is("ktm_memcg_reclaim_stall_seconds_total{}", 2.5);
  is("ktm_kswapd_pages_scanned_total{}", 71);
  is("ktm_kswapd_pages_reclaimed_total{}", 72);
  is("ktm_page_faults_total{type=\"major\"}", number(r.faults->major));
  is("ktm_page_faults_total{type=\"minor\"}", number(r.faults->minor));
  is("ktm_block_bytes_total{operation=\"write\"}",
     number(r.block->operations[1].bytes));
  is("ktm_block_latency_seconds_count{operation=\"read\"}",
     number(r.block->operations[0].latency.Count()));
  is("ktm_run_queue_wait_seconds_count{}",
     number(r.sched->run_queue_wait.Count()));
  is("ktm_oom_kills_total{}", number(*r.death->oom_kills));
  is("ktm_exits_by_signal_total{}", number(*r.death->exits_by_signal));
  is("ktm_lost_total{reason=\"map_full\"}", number(r.lost[0]));
  is("ktm_sample_every{}", 1);
}

// What a bucket says must be true of each value that was counted.
TEST_F(KernelSamplesTest, BoundsAreExactOnePerOctaveOrAll) {
  for (const bool fine : {false, true}) {
    recorder::Recording recording(1, {});
    KernelSamples samples(recording, "db", "db", {.fine_buckets = fine});
    kernel::TargetReading r;
    r.read.emplace();
    auto& latency = r.read->calls[0][0].latency;
    std::vector<std::uint64_t> values;
    for (std::uint64_t ns = 200; ns < 100'000'000'000; ns += ns / 7) {
      values.push_back(ns);
      ++latency.counts[LatencyHistogram::SlotOf(ns)];
    }
    samples.Record(r, {}, {.monotonic_ms = 1, .unix_ms = 1});
    std::size_t buckets = 0;
    for (const auto& [series, count] : LatestSamples(recording, "kernel db")) {
      std::string_view text = series;
      if (!ConsumePrefix(&text, "ktm_sys_read_latency_seconds_bucket{le=\"") ||
          text.starts_with("+Inf")) {
        continue;
      }
      ++buckets;
      const double bound = *ParseDouble(text.substr(0, text.find('"')));
      EXPECT_EQ(count, static_cast<double>(std::count_if(
                           values.begin(), values.end(),
                           [bound](std::uint64_t ns) {
                             return static_cast<double>(ns) / 1e9 <= bound;
                           })))
          << series;
    }
    EXPECT_EQ(buckets, fine ? LatencyHistogram::kSlots - 1 : 29u);
  }
}

TEST_F(KernelSamplesTest, WhatTheKernelHasNothingForIsAbsent) {
  kernel::TargetReading r = Everything();
  r.cache->lookups.reset();
  r.write.reset();
  r.death->oom_kills.reset();
  const Samples s = Record(r);
  for (const auto& [series, value] : s) {
    EXPECT_FALSE(series.starts_with("ktm_write")) << series;
    EXPECT_FALSE(series.starts_with("ktm_sync")) << series;
    EXPECT_FALSE(series.starts_with("ktm_kswapd")) << series;
    EXPECT_FALSE(series.starts_with("ktm_last")) << series;
  }
  EXPECT_THAT(s, Not(Contains(Key("ktm_cache_lookups_total{}"))));
  EXPECT_THAT(s, Not(Contains(Key("ktm_oom_kills_total{}"))));
  EXPECT_THAT(s, Contains(Key("ktm_exits_by_signal_total{}")));
}

// A page lists series in the order in which they came: those of a histogram
// that came one by one would stand among others'.
TEST_F(KernelSamplesTest, AHistogramIsThereFromTheStartWithAllItsBuckets) {
  kernel::TargetReading r;
  r.read.emplace();
  (void)Record(r);
  r.sched.emplace();
  r.read->calls[1][0].latency.counts[40] = 7;
  (void)Record(r);
  r.sched->run_queue_wait.counts[3] = 1;
  (void)Record(r);
  std::map<std::string, std::vector<std::string>> bounds;
  std::string before;
  for (const recorder::SourceFrame& frame : recording_.Latest()) {
    for (const auto& series : *frame.series) {
      std::string labels(series->labels());
      const auto le = labels.find("le=\"");
      if (le == std::string::npos) continue;
      std::string bound = labels.substr(le + 4);
      bound.resize(bound.find('"'));
      labels.erase(le, bound.size() + 5);
      const std::string histogram = StrCat(series->name(), labels);
      auto& all = bounds[histogram];
      EXPECT_TRUE(all.empty() || before == histogram) << histogram;
      before = histogram;
      all.push_back(bound);
    }
  }
  // read and pread64 as Go has them, four kinds, the run queue.
  EXPECT_EQ(bounds.size(), 7u);
  for (const auto& [histogram, all] : bounds) {
    EXPECT_EQ(all.size(), 30u) << histogram;
    EXPECT_EQ(all.back(), "+Inf") << histogram;
    for (std::size_t b = 1; b + 1 < all.size(); ++b)
      EXPECT_LT(std::stod(all[b - 1]), std::stod(all[b])) << histogram;
  }
}

TEST_F(KernelSamplesTest, TellsOfTheProgramsThemselves) {
  kernel::TargetReading r = Everything();
  overview_.missed_runs = 3;
  overview_.map_bytes = 1 << 20;
  const Samples s = Record(r);
  EXPECT_THAT(s, Contains(Pair("ktm_missed_runs_total{}", 3)));
  EXPECT_THAT(s, Contains(Pair("ktm_kernel_memory_bytes{}", 1 << 20)));
  EXPECT_THAT(Record({}), Not(Contains(Key("ktm_missed_runs_total{}"))));
}

TEST_F(KernelSamplesTest, SaysWhyItCountsNothing) {
  kernel::TargetReading r;
  r.reason = "no_program";
  for (auto& f : overview_.families) f.reason = "no_permission";
  Samples s = Record(r);
  EXPECT_THAT(s, Contains(Pair("ktm_status{}", 0)));
  EXPECT_THAT(s,
              Contains(Pair("ktm_reason_info{reason=\"no_permission\"}", 1)));
  EXPECT_THAT(s, Contains(Pair("ktm_programs_on{family=\"read\"}", 0)));
  EXPECT_THAT(s, Contains(Pair("ktm_program_off_info{family=\"read\","
                               "reason=\"no_permission\"}",
                               1)));
  r.state = kernel::FilterState::kByThreadGroup;
  r.reason = "root_cgroup";
  overview_ = {};
  overview_.families[0].on = true;
  s = Record(r);
  EXPECT_THAT(s, Contains(Pair("ktm_status{}", 1)));
  EXPECT_THAT(s, Contains(Pair("ktm_degraded{}", 1)));
  EXPECT_THAT(s, Contains(Pair("ktm_reason_info{reason=\"root_cgroup\"}", 1)));
  EXPECT_THAT(s,
              Not(Contains(Key("ktm_reason_info{reason=\"no_permission\"}"))));
  EXPECT_THAT(s, Contains(Pair("ktm_programs_on{family=\"read\"}", 1)));
  r.state = kernel::FilterState::kByCgroup;
  r.reason = "";
  s = Record(r);
  EXPECT_THAT(s, Not(Contains(Key("ktm_reason_info{reason=\"root_cgroup\"}"))));
}

TEST_F(KernelSamplesTest, EventsLeaveTheirNumbers) {
  kernel::KernelEvent e;
  e.kind = kernel::KernelEvent::Kind::kOomVictim;
  e.anon_bytes = 4096;
  samples_.OnEvent(e);
  e = {};
  e.kind = kernel::KernelEvent::Kind::kExitBySignal;
  e.signal = 11;
  e.age = std::chrono::milliseconds(2500);
  samples_.OnEvent(e);
  const Samples s = Record({});
  EXPECT_THAT(s,
              Contains(Pair("ktm_last_oom_victim_bytes{kind=\"anon\"}", 4096)));
  EXPECT_THAT(s, Contains(Pair("ktm_last_exit_signal{}", 11)));
  EXPECT_THAT(s, Contains(Pair("ktm_last_exit_age_seconds{}", 2.5)));
}

TEST_F(KernelSamplesTest, TargetsOfOneContainerNameAreToldApart) {
  KernelSamples other(recording_, "db-port-1", "db", {.label_target = true});
  other.Record({}, {}, {.monotonic_ms = 1, .unix_ms = 1});
  EXPECT_THAT(LatestSamples(recording_, "kernel db-port-1"),
              Contains(Pair("ktm_status{target=\"db-port-1\"}", 0)));
}

}  // namespace
}  // namespace fodc::collect
