// SPDX-License-Identifier: Apache-2.0
// Each row of the table of docs/concept/verdicts.md, its bounds, and that it
// stands where it stands.
#include "fodc/detect/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/detect/deaths.h"

namespace fodc::detect {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr double kMiB = 1 << 20;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
using Change = std::map<Fact, double>;

// Everything is known, and nothing goes on.
Window Usual() {
  Window w;
  w.reads = 10'000;
  w.p50 = 1e-6;
  w.p95 = 2e-6;
  w.p99 = 3e-6;
  for (const FactDesc& d : AllFacts()) w.facts[d.fact] = 0;
  w.facts[Fact::kMemoryUsage] = 1000 * kMiB;
  w.facts[Fact::kAnonMemory] = 400 * kMiB;
  w.facts[Fact::kFileMemory] = 500 * kMiB;
  w.facts[Fact::kKernelMemory] = 50 * kMiB;
  w.facts[Fact::kCacheAdds] = 50;
  return w;
}

Window With(const Change& change) {
  Window w = Usual();
  w.p95 = 1e-3;
  w.p99 = 4e-3;
  for (const auto& [fact, value] : change) w.facts[fact] = value;
  return w;
}

Change operator+(Change a, const Change& b) {
  for (const auto& [fact, value] : b) a[fact] = value;
  return a;
}

// What each row needs, and no more.
const Change kRefills = {{Fact::kCacheAdds, 1000}};
const Change kDontneed = {{Fact::kDontneedCalls, 1}};
const Change kFromStorage = {{Fact::kStorageReads, 8 * kMiB}};
const Change kReadAgain = kRefills + kFromStorage;
const Change kPolicy = kReadAgain + kDontneed;
const Change kReclaim = {{Fact::kReclaimEntries, 10}};
const Change kAnonGrew = {{Fact::kAnonMemory, 520 * kMiB}};
const Change kPressure = kReclaim + kAnonGrew;
const Change kScan = {{Fact::kCacheAdds, 9000}, {Fact::kFileRefaults, 3000}};
const Change kMisses = {{Fact::kBlockCacheMisses, 100}};
const Change kCacheMisses = kRefills + kMisses;
const Change kCompaction = {{Fact::kCompactionBytes, 20 * kMiB}};
const Change kCold = kReadAgain;
const Change kSaturated = {{Fact::kBlockReadP95, 0.05},
                           {Fact::kIoPressure, 0.9}};

Finding Explain(const Change& change, const Options& options = {}) {
  const std::vector<Window> windows(3, With(change));
  return ExplainDegraded(windows, Usual(), options);
}
std::string KindOf(const Finding& f) {
  return StrCat(VerdictName(f.verdict), f.cause.empty() ? "" : " ", f.cause);
}
std::string Kind(const Change& change, const Options& options = {}) {
  return KindOf(Explain(change, options));
}

TEST(ExplainDegradedTest, EachRow) {
  EXPECT_EQ(Kind(kPolicy), "W3 policy");
  EXPECT_EQ(Kind(kPressure), "W5 own_memory");
  EXPECT_EQ(Kind(kScan), "W3 scan");
  EXPECT_EQ(Kind(kCacheMisses), "W6");
  EXPECT_EQ(Kind(kCompaction), "W4 contention");
  EXPECT_EQ(Kind(kCold), "W4 cold_data");
  EXPECT_EQ(Kind({}), "W4 unknown");
}

// The row above wins where both hold; without it the row below would.
TEST(ExplainDegradedTest, InTheOrderOfTheTable) {
  EXPECT_EQ(Kind(kPressure + kPolicy), "W3 policy");
  EXPECT_EQ(Kind(kPolicy + kMisses), "W3 policy");
  EXPECT_EQ(Kind(kScan + kReclaim), "W3 scan");
  EXPECT_EQ(Kind(kScan + kPressure), "W5 own_memory");
  EXPECT_EQ(Kind(kPressure + kCacheMisses), "W5 own_memory");
  EXPECT_EQ(Kind(kPressure + kCompaction), "W5 own_memory");
  EXPECT_EQ(Kind(kScan + kMisses), "W3 scan");
  EXPECT_EQ(Kind(kScan + kCompaction + kFromStorage), "W3 scan");
  EXPECT_EQ(Kind(kCacheMisses + kCompaction), "W6");
  EXPECT_EQ(Kind(kCacheMisses + kFromStorage), "W6");
  EXPECT_EQ(Kind(kCompaction + kCold), "W4 contention");
}

TEST(ExplainDegradedTest, PolicyNeedsAllOfItsConditions) {
  EXPECT_EQ(Kind(kDontneed), "W4 unknown");
  EXPECT_EQ(Kind(kRefills), "W4 unknown");
  // Bytes without a call in most windows are as good.
  EXPECT_EQ(Kind(kReadAgain + Change{{Fact::kDontneedBytes, 2 * kMiB}}),
            "W3 policy");
  EXPECT_EQ(Kind(kReadAgain + Change{{Fact::kDontneedCalls, 0.1}}),
            "W3 policy");
  EXPECT_EQ(Kind(kReadAgain + Change{{Fact::kDontneedCalls, 0.09}}),
            "W4 cold_data");
  EXPECT_EQ(Kind(kPolicy + Change{{Fact::kCacheAdds, 150}}), "W3 policy");
  EXPECT_EQ(Kind(kPolicy + Change{{Fact::kCacheAdds, 149}}), "W4 unknown");
  EXPECT_EQ(Kind(kPolicy + kCompaction), "W4 contention");
  EXPECT_EQ(Kind(kPolicy + Change{{Fact::kCompactionThreads, 1}}),
            "W4 contention");
  EXPECT_EQ(Kind(kPolicy + kSaturated), "W4 contention");
  // One of the two alone does not tell a saturated disk.
  EXPECT_EQ(Kind(kPolicy + Change{{Fact::kBlockReadP95, 0.05}}), "W3 policy");
  EXPECT_EQ(Kind(kPolicy + Change{{Fact::kIoPressure, 0.9}}), "W3 policy");
}

// A flush writes a file and drops it: its pages are added, and are no refills.
TEST(ExplainDegradedTest, PolicyNeedsPagesThatAreReadAgain) {
  const Change flush =
      kRefills + kDontneed + Change{{Fact::kStorageWrites, 40 * kMiB}};
  EXPECT_EQ(Kind(flush), "W4 contention");
  EXPECT_THAT(Explain(flush).summary, HasSubstr("compete with writing"));
  EXPECT_EQ(Kind(flush + Change{{Fact::kStorageReads, 100 * 4096}}),
            "W3 policy");
  EXPECT_EQ(Kind(flush + Change{{Fact::kStorageReads, 100 * 4096 - 1}}),
            "W4 contention");
  // Where nobody tells, adds are taken for refills, and that is said.
  const Finding f = Explain(flush + Change{{Fact::kStorageReads, kNan}});
  EXPECT_EQ(KindOf(f), "W3 policy");
  EXPECT_THAT(f.missing, ElementsAre("fodc_target_io_bytes_total"));
}

// Compaction that comes and goes is not sustained.
TEST(ExplainDegradedTest, CompactionCountsIfItIsSustained) {
  std::vector<Window> windows(3, With(kPolicy + kCompaction));
  windows[1] = With(kPolicy);
  EXPECT_EQ(KindOf(ExplainDegraded(windows, Usual(), {})), "W3 policy");
  // A window that does not know is no gap: pages are read more slowly.
  windows[1].facts[Fact::kCompactionBytes] = kNan;
  EXPECT_EQ(KindOf(ExplainDegraded(windows, Usual(), {})), "W4 contention");
}

// What is always so explains nothing.
TEST(ExplainDegradedTest, WhatIsUsualIsNotUp) {
  Window usual = Usual();
  usual.facts[Fact::kDontneedCalls] = 1;
  std::vector<Window> windows(1, With(kPolicy));
  EXPECT_EQ(KindOf(ExplainDegraded(windows, usual, {})), "W4 cold_data");
  windows[0].facts[Fact::kDontneedCalls] = 2;
  EXPECT_EQ(KindOf(ExplainDegraded(windows, usual, {})), "W3 policy");
  Options twice;
  twice.up_factor = 2.1;
  EXPECT_EQ(KindOf(ExplainDegraded(windows, usual, twice)), "W4 cold_data");
  usual = Usual();
  usual.facts[Fact::kCompactionBytes] = 15 * kMiB;
  windows.assign(1, With(kCompaction));
  EXPECT_EQ(KindOf(ExplainDegraded(windows, usual, {})), "W4 unknown");
}

// Families come with their first event.
TEST(ExplainDegradedTest, WhatWasNeverSeenWhileCalmWasZero) {
  Window usual = Usual();
  usual.facts[Fact::kDontneedCalls] = kNan;
  const std::vector<Window> windows(1, With(kPolicy));
  EXPECT_EQ(KindOf(ExplainDegraded(windows, usual, {})), "W3 policy");
}

TEST(ExplainDegradedTest, PressureNeedsReclaimAndSomebodyWhoTookTheMemory) {
  EXPECT_EQ(Kind(kReclaim), "W4 unknown");
  EXPECT_EQ(Kind(kAnonGrew), "W4 unknown");
  for (const Change& reclaim :
       {Change{{Fact::kReclaimEntries, 1}}, Change{{Fact::kReclaimStall, 0.02}},
        Change{{Fact::kReclaimScanned, 100}},
        Change{{Fact::kMemoryPressure, 0.02}}}) {
    EXPECT_EQ(Kind(kAnonGrew + reclaim), "W5 own_memory")
        << static_cast<int>(reclaim.begin()->first);
    Change less = reclaim;
    less.begin()->second *= 0.99;
    EXPECT_EQ(Kind(kAnonGrew + less), "W4 unknown")
        << static_cast<int>(reclaim.begin()->first);
  }
  // A tenth of the group's memory, not less.
  EXPECT_EQ(Kind(kReclaim + Change{{Fact::kAnonMemory, 500 * kMiB}}),
            "W5 own_memory");
  EXPECT_EQ(Kind(kReclaim + Change{{Fact::kAnonMemory, 499 * kMiB}}),
            "W4 unknown");
  EXPECT_EQ(Kind(kReclaim + Change{{Fact::kKernelMemory, 150 * kMiB}}),
            "W5 own_memory");
  EXPECT_EQ(Kind(kReclaim + Change{{Fact::kFileMemory, 400 * kMiB}}),
            "W5 others");
  EXPECT_EQ(Kind(kReclaim + Change{{Fact::kFileMemory, 401 * kMiB}}),
            "W4 unknown");
  // What the target drops by itself nobody took.
  EXPECT_EQ(
      Kind(kReclaim + kDontneed + Change{{Fact::kFileMemory, 100 * kMiB}}),
      "W4 unknown");
}

TEST(ExplainDegradedTest, AScanNeedsAllOfItsConditions) {
  EXPECT_EQ(Kind({{Fact::kCacheAdds, 9000}}), "W4 unknown");
  EXPECT_EQ(Kind({{Fact::kFileRefaults, 3000}}), "W4 unknown");
  // Adds three times the refaults, not less.
  EXPECT_EQ(Kind(kScan + Change{{Fact::kFileRefaults, 3001}}), "W4 unknown");
  EXPECT_EQ(Kind(kScan + Change{{Fact::kFileRefaults, 20}}), "W3 scan");
  EXPECT_EQ(Kind(kScan + Change{{Fact::kFileRefaults, 19}}), "W4 unknown");
  // One for a hundred reads, of which there are 5000 a second.
  // Between degraded windows of an open incident there may be others.
  const auto of_reads = [](double refaults, std::int64_t gap_ms) {
    std::vector<Window> windows(
        3, With(kScan + Change{{Fact::kFileRefaults, refaults}}));
    for (std::size_t i = 0; i < windows.size(); ++i) {
      windows[i].reads = 50'000;
      windows[i].from_ms = static_cast<std::int64_t>(i) * (10'000 + gap_ms);
      windows[i].to_ms = windows[i].from_ms + 10'000;
    }
    return KindOf(ExplainDegraded(windows, Usual(), {}));
  };
  for (const std::int64_t gap_ms : {0, 50'000}) {
    EXPECT_EQ(of_reads(50, gap_ms), "W3 scan") << gap_ms;
    EXPECT_EQ(of_reads(49, gap_ms), "W4 unknown") << gap_ms;
  }
  // Anonymous memory that grows is another story, even without reclaim.
  EXPECT_EQ(Kind(kScan + kAnonGrew), "W4 unknown");
  // With fadvise it is the policy, or what hinders that verdict.
  EXPECT_EQ(Kind(kScan + kDontneed + kFromStorage), "W3 policy");
  EXPECT_EQ(Kind(kScan + kDontneed + kFromStorage + kSaturated),
            "W4 contention");
}

TEST(ExplainDegradedTest, CacheMissesNeedPagesThatAreAdded) {
  EXPECT_EQ(Kind(kMisses), "W4 unknown");
  EXPECT_EQ(Kind(kRefills + Change{{Fact::kBlockCacheMisses, 10}}), "W6");
  EXPECT_THAT(Explain(kCacheMisses).summary,
              HasSubstr("while pages are added to the page cache"));
  EXPECT_THAT(Explain(kCacheMisses + kFromStorage).summary,
              HasSubstr("and the pages come from storage"));
  EXPECT_EQ(Kind(kRefills + Change{{Fact::kBlockCacheMisses, 9}}),
            "W4 unknown");
}

TEST(ExplainDegradedTest, TellsTheRowAndBackgroundWork) {
  EXPECT_EQ(Explain(kPolicy).row, 1);
  EXPECT_EQ(Explain(kPressure).row, 2);
  EXPECT_EQ(Explain(kScan).row, 3);
  EXPECT_EQ(Explain(kCacheMisses).row, 4);
  EXPECT_EQ(Explain(kCold).row, 5);
  EXPECT_TRUE(Explain(kCompaction).is_background_work);
  EXPECT_TRUE(
      Explain({{Fact::kBackgroundIoBytes, 9 * kMiB}}).is_background_work);
  EXPECT_FALSE(Explain({{Fact::kStorageWrites, 9 * kMiB}}).is_background_work);
  EXPECT_FALSE(Explain(kCold).is_background_work);
}

TEST(ExplainDegradedTest, ContentionOfManyKinds) {
  EXPECT_EQ(Kind({{Fact::kCompactionThreads, 0.5}}), "W4 contention");
  EXPECT_EQ(Kind({{Fact::kCompactionThreads, 0.4}}), "W4 unknown");
  EXPECT_EQ(Kind({{Fact::kCompactionBytes, 1 * kMiB}}), "W4 contention");
  EXPECT_EQ(Kind({{Fact::kBackgroundIoBytes, 4 * kMiB}}), "W4 contention");
  EXPECT_EQ(Kind({{Fact::kBackgroundIoBytes, 3 * kMiB}}), "W4 unknown");
  EXPECT_EQ(Kind({{Fact::kStorageWrites, 1 * kMiB}}), "W4 contention");
  EXPECT_EQ(Kind({{Fact::kRunQueueP95, 0.002}}), "W4 contention");
  EXPECT_EQ(Kind({{Fact::kRunQueueP95, 0.0019}}), "W4 unknown");
  EXPECT_EQ(Kind({{Fact::kCpuThrottled, 0.05}}), "W4 contention");
}

TEST(ExplainDegradedTest, ColdDataComesFromStorageForTheFirstTime) {
  EXPECT_EQ(Kind(kRefills), "W4 unknown");  // written, perhaps
  EXPECT_EQ(Kind(kFromStorage), "W4 unknown");
  EXPECT_EQ(Kind(kCold + Change{{Fact::kFileRefaults, 19}}), "W4 cold_data");
  EXPECT_EQ(Kind(kCold + Change{{Fact::kFileRefaults, 900}}), "W4 working_set");
  // More to the point than a processor that is busy, too.
  EXPECT_EQ(Kind(kCold + Change{{Fact::kRunQueueP95, 1}}), "W4 cold_data");
  EXPECT_EQ(Kind(kCold + Change{{Fact::kStorageWrites, 9 * kMiB}}),
            "W4 cold_data");
}

// How slow the storage is stands beside it, and decides nothing.
TEST(ExplainDegradedTest, ColdDataTellsTheLatencyOfTheBlockLayer) {
  EXPECT_THAT(
      Explain(kCold + Change{{Fact::kBlockReadP95, 0.004}}).summary,
      HasSubstr("for the second time; the block layer takes 4ms (p95))."));
  EXPECT_THAT(Explain(kCold).summary, HasSubstr("for the second time)."));
  const Finding f = Explain(kCold + Change{{Fact::kBlockReadP95, kNan}});
  EXPECT_EQ(KindOf(f), "W4 cold_data");
  EXPECT_THAT(f.missing, ElementsAre("ktm_block_latency_seconds"));
}

// The block layer corroborates, and decides nothing alone.
TEST(ExplainDegradedTest, BlockLatencyAloneTellsNothing) {
  EXPECT_EQ(Kind({{Fact::kBlockReadP95, 0.05}}), "W4 unknown");
  EXPECT_EQ(Kind({{Fact::kIoPressure, 0.9}}), "W4 unknown");
  EXPECT_EQ(Kind(kSaturated), "W4 contention");
  EXPECT_EQ(Kind(kSaturated + Change{{Fact::kBlockReadP95, 0.025},
                                     {Fact::kIoPressure, 0.4}}),
            "W4 contention");
  EXPECT_EQ(Kind(kSaturated + Change{{Fact::kIoPressure, 0.39}}), "W4 unknown");
  EXPECT_EQ(Kind(kSaturated + Change{{Fact::kBlockReadP95, 0.0249}}),
            "W4 unknown");
  EXPECT_EQ(Kind(kSaturated + kCold), "W4 cold_data");
}

TEST(ExplainDegradedTest, WhatIsMissingOnTheWayIsNamed) {
  Finding f = Explain(kPolicy + Change{{Fact::kCompactionBytes, kNan},
                                       {Fact::kCompactionThreads, kNan}});
  EXPECT_EQ(KindOf(f), "W3 policy");
  EXPECT_THAT(f.missing, ElementsAre("compaction_bytes", "compaction_threads"));
  // One of them is enough, and what comes further down was not asked.
  f = Explain(kPolicy + Change{{Fact::kCompactionBytes, kNan},
                               {Fact::kFileRefaults, kNan},
                               {Fact::kBlockCacheMisses, kNan}});
  EXPECT_THAT(f.missing, IsEmpty());
  f = Explain(kCacheMisses + Change{{Fact::kBlockCacheMisses, kNan}});
  EXPECT_THAT(f.missing, Contains("block_cache_misses"));
  f = Explain(kScan + Change{{Fact::kFileRefaults, kNan}} + kFromStorage);
  EXPECT_EQ(KindOf(f), "W4 unknown");
  EXPECT_THAT(f.missing,
              ElementsAre("fodc_container_memory_refault_pages_total"));
  f = Explain(kPressure + Change{{Fact::kAnonMemory, kNan}});
  EXPECT_THAT(f.missing, ElementsAre("fodc_container_memory_bytes"));
  // Who else took the memory is not known without the file pages.
  f = Explain(kReclaim + Change{{Fact::kFileMemory, kNan}});
  EXPECT_THAT(f.missing, ElementsAre("fodc_container_memory_bytes"));
  f = Explain(kReclaim + Change{{Fact::kKernelMemory, kNan}});
  EXPECT_THAT(f.missing, ElementsAre("fodc_container_memory_bytes"));
  EXPECT_THAT(Explain(kReclaim).missing, IsEmpty());
  // Nor what rules a policy out.
  f = Explain(kPolicy + Change{{Fact::kIoPressure, kNan}});
  EXPECT_EQ(KindOf(f), "W3 policy");
  EXPECT_THAT(f.missing, ElementsAre("fodc_pressure_stalled_seconds_total"));
  f = Explain(kPolicy + Change{{Fact::kBlockReadP95, kNan}});
  EXPECT_THAT(f.missing, ElementsAre("ktm_block_latency_seconds"));
  f = Explain(kScan + Change{{Fact::kAnonMemory, kNan}});
  EXPECT_EQ(KindOf(f), "W4 unknown");
}

// Whether it grew cannot be said.
TEST(ExplainDegradedTest, MemoryThatWasNotKnownWhileCalmIsMissing) {
  Window usual = Usual();
  usual.facts[Fact::kAnonMemory] = kNan;
  for (const Change& change : {kPressure, kScan}) {
    const std::vector<Window> windows(3, With(change));
    const Finding f = ExplainDegraded(windows, usual, {});
    EXPECT_EQ(KindOf(f), "W4 unknown");
    EXPECT_THAT(f.missing, ElementsAre("fodc_container_memory_bytes"));
  }
}

TEST(ExplainDegradedTest, OfNothingKnownNothingIsGuessed) {
  Window usual;
  usual.reads = 1000;
  usual.p95 = usual.p99 = 1e-6;
  Window now = usual;
  now.p95 = now.p99 = 1;
  const std::vector<Window> windows = {now};
  const Finding f = ExplainDegraded(windows, usual, {});
  EXPECT_EQ(KindOf(f), "W4 unknown");
  EXPECT_THAT(
      f.missing,
      ElementsAre("ktm_fadvise_dontneed_total", "ktm_cache_added_pages_total",
                  "ktm_memory_direct_reclaim_begin_total",
                  "fodc_container_memory_bytes",
                  "fodc_container_memory_refault_pages_total",
                  "block_cache_misses", "compaction_bytes",
                  "compaction_threads", "background_io_bytes",
                  "fodc_target_io_bytes_total", "ktm_block_latency_seconds",
                  "fodc_pressure_stalled_seconds_total"));
}

TEST(ExplainDegradedTest, TheSummaryHasTheNumbers) {
  EXPECT_EQ(Explain(kScan).summary,
            "File reads are slow (p99 4ms, usually 3µs): a wide, continuous "
            "read (9000/s pages added to the page cache) pushes out what is "
            "hot (3000/s pages came back).");
  EXPECT_THAT(Explain(kPressure).summary,
              HasSubstr("anonymous memory grew from 400 MiB to 520 MiB"));
}

// As where a tail that is always long hides what became of the rest.
TEST(ExplainDegradedTest, TheSummaryTellsTheQuantileThatGrewTheMost) {
  const auto summary = [](double reads, double p95, double p99) {
    Window usual = Usual();
    usual.p99 = 2e-3;
    Window now = usual;
    now.reads = reads;
    now.p50 = 5;
    now.p95 = p95;
    now.p99 = p99;
    return ExplainDegraded({&now, 1}, usual, {}).summary;
  };
  EXPECT_THAT(summary(1000, 1e-3, 4e-3), HasSubstr("p95 1ms, usually 2µs"));
  EXPECT_THAT(summary(1000, 3e-6, 1), HasSubstr("p99 1s, usually 2ms"));
  EXPECT_THAT(summary(1000, 1e-3, kNan), HasSubstr("p95 1ms, usually 2µs"));
  EXPECT_THAT(summary(20, 1e-3, 1), HasSubstr("median 5s, usually 1µs"));
}

TEST(ExplainDegradedTest, EveryIncidentHasAdviceAndIsOfAKnownKind) {
  for (const Change& change :
       {kPolicy, kPressure, kScan, kCacheMisses, kCompaction, kCold, Change{},
        kCold + Change{{Fact::kFileRefaults, 900}},
        kReclaim + Change{{Fact::kFileMemory, 100 * kMiB}},
        Change{{Fact::kRunQueueP95, 1}}}) {
    const Finding f = Explain(change);
    EXPECT_FALSE(f.advice.empty()) << KindOf(f);
    EXPECT_TRUE(
        std::any_of(AllIncidentKinds().begin(), AllIncidentKinds().end(),
                    [&f](const VerdictCause& k) {
                      return k.verdict == f.verdict && k.cause == f.cause;
                    }))
        << KindOf(f);
  }
}

Finding Calm(const Change& change, const Options& options = {}) {
  Window w = Usual();
  for (const auto& [fact, value] : change) w.facts[fact] = value;
  return ExplainCalm(w, options);
}

TEST(ExplainCalmTest, ChurnIsABackgroundScan) {
  EXPECT_EQ(KindOf(Calm({{Fact::kCacheAdds, 999}})), "");
  EXPECT_EQ(KindOf(Calm({{Fact::kCacheAdds, 1000}})), "W1");
  EXPECT_EQ(Calm({{Fact::kCacheAdds, 1000}}).advice, "");
  // Also where the scan itself makes the kernel reclaim.
  EXPECT_EQ(KindOf(Calm(kReclaim + Change{{Fact::kCacheAdds, 1000}})), "W1");
}

// A node that takes data in is no scan.
TEST(ExplainCalmTest, ChurnIsNamedAfterWhereItComesFrom) {
  const Change churn = {{Fact::kCacheAdds, 5000}};
  EXPECT_EQ(Calm(churn + kFromStorage).summary,
            "A scan in the background (5000 pages/s added to the page cache) "
            "hurts nobody: file reads are as fast as usual.");
  EXPECT_EQ(Calm(churn).summary,
            "Churn of the page cache (5000 pages/s added, hardly any of them "
            "read from storage) hurts nobody: file reads are as fast as "
            "usual.");
  EXPECT_EQ(Calm(churn + Change{{Fact::kStorageReads, kNan}}).summary,
            "Churn of the page cache (5000 pages/s added) hurts nobody: file "
            "reads are as fast as usual.");
  EXPECT_EQ(KindOf(Calm(churn)), "W1");
  // W2 is asked after it; that memory is tight is said all the same.
  EXPECT_THAT(Calm(churn + kReclaim).summary,
              HasSubstr("as usual, while the kernel reclaims pages."));
}

TEST(ExplainCalmTest, ReclaimIsTightButStable) {
  EXPECT_EQ(KindOf(Calm(kReclaim)), "W2");
  EXPECT_EQ(KindOf(Calm({{Fact::kReclaimEntries, 0.9}})), "");
  EXPECT_EQ(KindOf(Calm({{Fact::kReclaimScanned, 100}})), "W2");
  EXPECT_EQ(KindOf(Calm({{Fact::kReclaimStall, 0.02}})), "W2");
  EXPECT_EQ(KindOf(Calm({{Fact::kMemoryPressure, 0.02}})), "W2");
  EXPECT_EQ(Calm(kReclaim).advice, "Watch it.");
}

// Whatever else happens.
TEST(ExplainCalmTest, NothingElseIsSaidOfACalmTarget) {
  EXPECT_EQ(KindOf(Calm({})), "");
  EXPECT_EQ(KindOf(Calm(kDontneed + kMisses + kCompaction + kFromStorage +
                        kSaturated + kAnonGrew)),
            "");
}

TEST(NumbersTest, FitIntoAnIncidentWhenEverythingIsKnown) {
  const auto numbers = Numbers(Usual(), Usual());
  // The worst p95 and p99 come on top, and who died.
  EXPECT_LE(numbers.size() + 2 + Deaths::kMaxNumbers,
            evidence::kMaxIncidentNumbers);
  std::vector<std::string> names;
  names.reserve(numbers.size());
  for (const auto& n : numbers) names.push_back(n.name);
  EXPECT_THAT(names, Contains("read_p99_seconds"));
  EXPECT_THAT(names, Contains("baseline_read_p99_seconds"));
  EXPECT_THAT(names, Contains("baseline_cache_adds_pages_per_second"));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

TEST(NumbersTest, LeavesOutWhatIsNotKnown) {
  Window w;
  w.reads = 3;
  const auto numbers = Numbers(w, Window());
  ASSERT_EQ(numbers.size(), 1u);
  EXPECT_EQ(numbers[0].name, "window_reads");
}

TEST(AllFactsTest, AreInTheOrderOfTheEnum) {
  for (std::size_t i = 0; i < kFacts; ++i)
    EXPECT_EQ(static_cast<std::size_t>(AllFacts()[i].fact), i);
}

TEST(MeanTest, LeavesOutWhatAWindowDoesNotKnow) {
  std::vector<Window> windows(3, Usual());
  windows[0].facts[Fact::kCacheAdds] = kNan;
  windows[1].facts[Fact::kCacheAdds] = 10;
  windows[2].facts[Fact::kCacheAdds] = 20;
  for (Window& w : windows) w.facts[Fact::kReadBytes] = kNan;
  const Window mean = Mean(windows);
  EXPECT_EQ(mean.facts[Fact::kCacheAdds], 15);
  EXPECT_THAT(mean.facts.Has(Fact::kReadBytes), Not(true));
}

}  // namespace
}  // namespace fodc::detect
