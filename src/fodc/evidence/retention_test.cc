// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <limits>
#include <string>
#include <vector>

#include "fodc/base/strings.h"

namespace fodc::evidence {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

UnixTime At(int second) { return UnixTime(1800000000s + second * 1s); }

// An event of `second` with `rss`, of 10 bytes.
KeptEvent Event(int second, std::uint64_t rss) {
  return {.id = StrCat("e", second),
          .at = At(second),
          .rss_bytes = rss,
          .bytes = 10,
          .target = "db"};
}

std::vector<std::string> Delete(const std::vector<KeptEvent>& events,
                                const RetentionLimits& limits,
                                UnixTime now = At(1000)) {
  return ChooseEventsToDelete(events, limits, now);
}

TEST(RetentionTest, DeletesNothingWithinTheLimits) {
  EXPECT_THAT(Delete({}, {}), IsEmpty());
  EXPECT_THAT(Delete({Event(1, 5), Event(2, 3)}, {}), IsEmpty());
}

TEST(RetentionTest, ByCountTheHighestRssStays) {
  EXPECT_THAT(Delete({Event(1, 5), Event(2, 9), Event(3, 4), Event(4, 6)},
                     {.max_events = 3}),
              ElementsAre("e3"));
  // All of one RSS: the newest stay.
  EXPECT_THAT(
      Delete({Event(1, 5), Event(2, 5), Event(3, 5)}, {.max_events = 2}),
      ElementsAre("e1"));
}

TEST(RetentionTest, ByBytesWhatDoesNotFitGoesAndSmallerOnesStay) {
  std::vector<KeptEvent> events = {Event(1, 3), Event(2, 8), Event(3, 9),
                                   Event(4, 1)};
  events[1].bytes = 75;
  EXPECT_THAT(Delete(events, {.max_bytes = 90}), ElementsAre("e2"));
}

// As Go: what shows most is kept though it alone exceeds the bytes.
TEST(RetentionTest, KeepsTheHighestRssWhateverItsSize) {
  std::vector<KeptEvent> events = {Event(1, 9), Event(2, 3), Event(3, 1)};
  events[0].bytes = 1000;
  EXPECT_THAT(Delete(events, {.max_bytes = 100}), ElementsAre("e2"));
  EXPECT_THAT(Delete(events, {.max_events = 1}), ElementsAre("e2"));
}

// After one bad night a smaller event is not deleted right after its capture.
TEST(RetentionTest, KeepsTheNewest) {
  EXPECT_THAT(
      Delete({Event(1, 9), Event(2, 8), Event(3, 1)}, {.max_events = 2}),
      ElementsAre("e2"));
}

TEST(RetentionTest, ZeroAndLessAreNoLimits) {
  std::vector<KeptEvent> events;
  for (int i = 0; i < 100; ++i) events.push_back(Event(i, 5));
  for (KeptEvent& e : events) e.bytes = 1 << 30;
  EXPECT_THAT(Delete(events, {.max_events = 0, .max_bytes = -1}), IsEmpty());
}

TEST(RetentionTest, KeepsPinnedEvents) {
  std::vector<KeptEvent> events = {Event(1, 1), Event(2, 9), Event(3, 2)};
  events[0].is_pinned = true;
  EXPECT_THAT(Delete(events, {.max_events = 1}), IsEmpty());
  events.push_back(Event(4, 3));
  EXPECT_THAT(Delete(events, {.max_events = 1}), ElementsAre("e3"));
  EXPECT_THAT(Delete(events, {.max_events = 1, .max_age = 1s}, At(100000)),
              ElementsAre("e3"));
}

TEST(RetentionTest, KeepsTheLastBeforeEachDeath) {
  std::vector<KeptEvent> events = {Event(1, 1), Event(2, 50), Event(3, 1),
                                   Event(4, 60), Event(5, 40)};
  // Both tell of one death: the later is the last before it.
  for (const int i : {0, 2}) {
    events[static_cast<std::size_t>(i)].has_death = true;
    events[static_cast<std::size_t>(i)].died_at = At(4);
  }
  EXPECT_THAT(Delete(events, {.max_events = 3}), ElementsAre("e1", "e2"));
}

TEST(RetentionTest, KeepsTheNewestOfEachRampUp) {
  std::vector<KeptEvent> events = {Event(1, 70), Event(2, 10), Event(3, 60),
                                   Event(4, 80)};
  events[0].ramp_up = events[1].ramp_up = "r1";
  EXPECT_THAT(Delete(events, {.max_events = 2}), ElementsAre("e1", "e3"));
  EXPECT_THAT(Delete(events, {.max_events = 3}), ElementsAre("e3"));
  events[0].bytes = 1000;  // more RSS, and no room for it
  events[2].ramp_up = "r2";
  EXPECT_THAT(Delete(events, {.max_events = 4, .max_bytes = 40}),
              ElementsAre("e1"));
}

TEST(RetentionTest, RampUpsOfTwoTargetsAreTwo) {
  std::vector<KeptEvent> events = {Event(1, 1), Event(2, 2), Event(3, 90),
                                   Event(4, 80)};
  events[0].ramp_up = events[1].ramp_up = "r";
  events[1].target = "other";
  EXPECT_THAT(Delete(events, {.max_events = 5}), IsEmpty());
  events.push_back(Event(5, 100));
  events.push_back(Event(6, 1));
  EXPECT_THAT(Delete(events, {.max_events = 5}), ElementsAre("e4"));
}

TEST(RetentionTest, ANodeThatDiesEveryMinuteLeavesPlaceForOthers) {
  std::vector<KeptEvent> events;
  for (int i = 0; i < 8; ++i) events.push_back(Event(i, 100));
  for (int i = 8; i < 40; ++i) {
    events.push_back(Event(i, 1));
    events.back().has_death = true;
    events.back().died_at = At(i);
  }
  const std::vector<std::string> gone = Delete(events, {.max_events = 16});
  EXPECT_EQ(gone.size(), 24u);
  // The newest, and the one that Go keeps; twelve deaths; and by RSS what is
  // left.
  std::vector<std::string> kept;
  for (const KeptEvent& e : events) {
    if (std::find(gone.begin(), gone.end(), e.id) == gone.end())
      kept.push_back(e.id);
  }
  EXPECT_THAT(kept, UnorderedElementsAre("e5", "e6", "e7", "e27", "e28", "e29",
                                         "e30", "e31", "e32", "e33", "e34",
                                         "e35", "e36", "e37", "e38", "e39"));
}

TEST(RetentionTest, KeepsTheNewestOfEachPod) {
  std::vector<KeptEvent> events;
  for (int i = 0; i < 20; ++i) {
    events.push_back(Event(i, 100));
    events.back().pod = i == 3 || i == 5 ? "quiet" : "noisy";
    events.back().ramp_up = StrCat("ramp-", i);
    events.back().rss_bytes = i == 5 ? 1 : 100;
  }
  const std::vector<std::string> gone = Delete(events, {.max_events = 4});
  EXPECT_THAT(gone, ::testing::SizeIs(16));
  EXPECT_THAT(gone, ::testing::Contains("e3"));
  EXPECT_THAT(gone, ::testing::Not(::testing::Contains("e5")));
}

TEST(RetentionTest, WhatIsTooOldGoes) {
  const std::vector<KeptEvent> events = {Event(1, 9), Event(2, 5), Event(50, 5),
                                         Event(60, 1)};
  // The highest RSS stays for ever, as in Go; the others by their age.
  EXPECT_THAT(Delete(events, {.max_age = 10s}, At(60)), ElementsAre("e2"));
  EXPECT_THAT(Delete(events, {.max_age = 9s}, At(60)),
              ElementsAre("e2", "e50"));
  EXPECT_THAT(Delete(events, {}, At(100000)), IsEmpty());
}

TEST(RetentionTest, NeitherCountsNorDeletesWhatIsBeingWritten) {
  std::vector<KeptEvent> events = {Event(1, 1), Event(2, 9), Event(3, 8)};
  events[0].is_busy = true;
  EXPECT_THAT(Delete(events, {.max_events = 2}), IsEmpty());
  events[1].is_busy = events[2].is_busy = true;
  EXPECT_THAT(Delete(events, {.max_events = 1}), IsEmpty());
}

TEST(RetentionTest, BearsNumbersAtTheirEnds) {
  std::vector<KeptEvent> events = {Event(1, ~0ULL), Event(2, 1), Event(3, 1)};
  for (KeptEvent& e : events) e.bytes = ~0ULL;
  events[1].at = UnixTime::min();
  EXPECT_THAT(
      Delete(events, {.max_events = std::numeric_limits<std::int64_t>::max(),
                      .max_bytes = std::numeric_limits<std::int64_t>::max(),
                      .max_age = std::chrono::nanoseconds::max()}),
      ElementsAre("e2"));
}

TEST(MayPinTest, LeavesHalfToOthers) {
  std::vector<KeptEvent> events = {Event(1, 1), Event(2, 1), Event(3, 1)};
  const RetentionLimits limits = {.max_events = 4, .max_bytes = 100};
  EXPECT_TRUE(MayPin(events, 5000, limits));  // one always
  events[0].is_pinned = true;
  EXPECT_TRUE(MayPin(events, 10, limits));
  EXPECT_FALSE(MayPin(events, 41, limits));
  events[1].is_pinned = true;
  EXPECT_FALSE(MayPin(events, 10, limits));
  EXPECT_TRUE(MayPin(events, 10, {.max_events = 0, .max_bytes = 0}));
}

}  // namespace
}  // namespace fodc::evidence
