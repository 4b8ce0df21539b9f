// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/guardian_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/agent/features.h"
#include "fodc/agent/options.h"
#include "fodc/base/status_matchers.h"

namespace fodc::agent {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

template <typename Change>
Status CheckWith(Change change) {
  Options o;
  change(o.guardian);
  return Check(o).status();
}

TEST(GuardianFlagsTest, IsOffByDefaultAndNeedsNothingThen) {
  const Options o;
  EXPECT_FALSE(o.guardian.enabled);
  const auto c = Check(o);
  ASSERT_TRUE(c.ok());
  EXPECT_FALSE(FeaturesOf(o, *c).guardian);
  EXPECT_EQ(c->guardian.levels.capture.percent(), 75);
  EXPECT_EQ(c->guardian.levels.term.percent(), 90);
  EXPECT_TRUE(c->guardian.levels.kill.is_off());
  EXPECT_EQ(c->guardian.grace, 30s);
  EXPECT_EQ(c->guardian.capture_cooldown, 5min);
  EXPECT_EQ(c->guardian.longest_wait, 1s);
}

TEST(GuardianFlagsTest, WhatIsGivenIsTaken) {
  Options o;
  o.guardian.enabled = o.guardian.dry_run = true;
  o.guardian.term = "480MiB";
  o.guardian.kill = "500MiB";
  const auto c = Check(o);
  ASSERT_TRUE(c.ok()) << c.status().ToString();
  EXPECT_TRUE(c->guardian.dry_run);
  EXPECT_TRUE(FeaturesOf(o, *c).guardian);
  EXPECT_EQ(c->guardian.levels.term.At(1), 480U << 20);
}

// Each names flag, value and limit, also while the guardian is off.
TEST(GuardianFlagsTest, RefusesNonsense) {
  const auto bad = Code::kInvalidArgument;
  EXPECT_THAT(
      CheckWith([](GuardianFlags& g) { g.capture = "101%"; }),
      StatusIs(bad, AllOf(HasSubstr("--guardian-capture"), HasSubstr("101%"))));
  EXPECT_THAT(CheckWith([](GuardianFlags& g) { g.term = "90"; }),
              StatusIs(bad, HasSubstr("--guardian-term: \"90\"")));
  EXPECT_THAT(CheckWith([](GuardianFlags& g) { g.kill = "-1"; }),
              StatusIs(bad, HasSubstr("--guardian-kill")));
  EXPECT_THAT(CheckWith([](GuardianFlags& g) { g.kill = "90%"; }),
              StatusIs(bad, AllOf(HasSubstr("--guardian-term is 90%"),
                                  HasSubstr("--guardian-kill is 90%"))));
  EXPECT_THAT(CheckWith([](GuardianFlags& g) { g.grace = 99ms; }),
              StatusIs(bad, HasSubstr("--guardian-grace is 99ms")));
  EXPECT_THAT(CheckWith([](GuardianFlags& g) { g.capture_cooldown = -1s; }),
              StatusIs(bad, HasSubstr("--guardian-capture-cooldown is -1s")));
  EXPECT_THAT(CheckWith([](GuardianFlags& g) { g.poll_interval = 9ms; }),
              StatusIs(bad, HasSubstr("--guardian-poll-interval is 9ms")));
  EXPECT_THAT(CheckWith([](GuardianFlags& g) { g.pause_raise = 1; }),
              StatusIs(bad, HasSubstr("--guardian-pause-raise is 1")));
  EXPECT_THAT(CheckWith([](GuardianFlags& g) { g.pause_deadline = 2min; }),
              StatusIs(bad, HasSubstr("--guardian-pause-deadline is 2m0s")));
  EXPECT_THAT(CheckWith([](GuardianFlags& g) {
                g.pause_at_wall = true;
                g.term = "off";
              }),
              StatusIs(bad, AllOf(HasSubstr("--guardian-pause-at-wall"),
                                  HasSubstr("--guardian-term"))));
}

}  // namespace
}  // namespace fodc::agent
