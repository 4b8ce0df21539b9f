// SPDX-License-Identifier: Apache-2.0
// Real situations on the real kernel, told by the proxy: README.md says what
// each does, and why it is real.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "tests/kernel/scenario_fixture.h"

namespace fodc::test {
namespace {

using nlohmann::json;
using testing::IsEmpty;

// Reads were slow, by the incident's own numbers.
#define EXPECT_SLOW(incident)                                            \
  EXPECT_TRUE(NumberOf(incident, "worst_read_p95_seconds") >=            \
                  3 * NumberOf(incident, "baseline_read_p95_seconds") || \
              NumberOf(incident, "worst_read_p99_seconds") >=            \
                  3 * NumberOf(incident, "baseline_read_p99_seconds"))

// It drops its own hot pages and has to read them again.
TEST_F(ScenarioTest, EvictionByItsOwnPolicyIsW3) {
  ASSERT_NO_FATAL_FAILURE(StartCalm());
  Disturb("eviction");
  const auto incident = AwaitVerdict("W3", "policy");
  ASSERT_TRUE(incident.is_object());
  EXPECT_SLOW(incident);
  EXPECT_GT(NumberOf(incident, "dontneed_calls_per_second"), 1);
  EXPECT_GT(NumberOf(incident, "cache_adds_pages_per_second"), 100);
  EXPECT_THAT(incident["missing_signals"], IsEmpty());
  ExpectItEnds(incident);
}

// Its own memory grows under the limit, and what is hot has to go.
TEST_F(ScenarioTest, MemoryThatGrowsUnderTheLimitIsW5) {
  ASSERT_NO_FATAL_FAILURE(StartCalm());
  Disturb("pressure");
  const auto incident = AwaitVerdict("W5", "own_memory");
  ASSERT_TRUE(incident.is_object());
  EXPECT_SLOW(incident);
  EXPECT_GT(NumberOf(incident, "anonymous_memory_bytes"),
            NumberOf(incident, "baseline_anonymous_memory_bytes") + (8 << 20));
  EXPECT_GT(NumberOf(incident, "reclaim_entries_per_second"), 1);
  EXPECT_EQ(NumberOf(incident, "memory_limit_bytes"), 96 << 20);
  ExpectItEnds(incident);
}

// A wide read under the limit pushes out what is hot.
TEST_F(ScenarioTest, WideScanUnderTheLimitIsW3) {
  ASSERT_NO_FATAL_FAILURE(StartCalm());
  Disturb("scan");
  const auto incident = AwaitVerdict("W3", "scan");
  ASSERT_TRUE(incident.is_object());
  EXPECT_SLOW(incident);
  EXPECT_GT(NumberOf(incident, "file_refault_pages_per_second"), 20);
  EXPECT_GT(NumberOf(incident, "cache_adds_pages_per_second"),
            3 * NumberOf(incident, "file_refault_pages_per_second"));
  ExpectItEnds(incident);
}

// The same scan, with room for all that it reads.
TEST_F(ScenarioTest, ScanThatHurtsNobodyIsW1AndNoIncident) {
  // Where other work on this machine stops the node for a second, that is slow,
  // and not the scan's doing; the scan takes sixteen.
  constexpr int kTries = 3;
  for (int tries = 1;; ++tries) {
    ASSERT_NO_FATAL_FAILURE(StartCalm("2GiB", /*start_windows=*/10));
    Disturb("scan");
    EXPECT_TRUE(WaitUntil(
        [this] {
          return OnProxy("fodc_detector_calm_verdict", {{"verdict", "W1"}}) ==
                 1;
        },
        30s, 100ms));
    // To the end, and until the detector has looked at it.
    EXPECT_TRUE(WaitUntil(
        [this] {
          return OnNode("hotnode_scanned_bytes_total") == 1 << 30 &&
                 OnProxy("fodc_detector_calm_verdict", {{"verdict", "W1"}}) ==
                     0;
        },
        60s, 100ms));
    EXPECT_TRUE(WaitUntil([this] { return IsCalm(); }, 30s, 100ms));
    const json all = Incidents();
    if (all["total"] == 0) return;
    // A machine that is slow for longer is not blamed on the scan.
    for (const json& incident : all["incidents"])
      ASSERT_EQ(incident["cause"], "unknown");
    ASSERT_LT(tries, kTries) << "there was an incident in each scan";
    (void)std::puts("Something else slowed the node: the scan is tried again.");
    StopAll();
  }
}

// It reads what was never read, around its block cache.
TEST_F(ScenarioTest, ColdReadsAreW4) {
  ASSERT_NO_FATAL_FAILURE(StartCalm("512MiB"));
  Disturb("cold");
  const auto incident = AwaitVerdict("W4", "cold_data");
  ASSERT_TRUE(incident.is_object());
  EXPECT_SLOW(incident);
  EXPECT_GT(NumberOf(incident, "storage_read_bytes_per_second"), 1 << 20);
  EXPECT_LT(NumberOf(incident, "block_cache_misses_per_second"), 10);
  EXPECT_THAT(incident["missing_signals"], IsEmpty());
  ExpectItEnds(incident);
}

// The same cold reads, because its block cache does not have them.
TEST_F(ScenarioTest, MissesOfItsBlockCacheAreW6) {
  // Where the machine has taken pages that the node had in the page cache, what
  // it reads comes back, which is a scan's mark, and the verdict rightly that.
  constexpr int kTries = 3;
  for (int tries = 1;; ++tries) {
    ASSERT_NO_FATAL_FAILURE(StartCalm("512MiB"));
    Disturb("misses");
    const auto incident = AwaitVerdict("W6", "");
    ASSERT_TRUE(incident.is_object());
    EXPECT_SLOW(incident);
    EXPECT_GT(NumberOf(incident, "block_cache_misses_per_second"), 10);
    EXPECT_THAT(incident["missing_signals"], IsEmpty());
    const auto ended = AwaitEnd(incident);
    ASSERT_TRUE(ended.is_object());
    if (ended["cause"] != "scan" || tries == kTries)
      return ExpectCalmAfter(ended, incident);
    EXPECT_GT(NumberOf(ended, "file_refault_pages_per_second"), 20);
    (void)std::puts("Pages came back: the misses are tried again.");
    StopAll();
  }
}

}  // namespace
}  // namespace fodc::test
