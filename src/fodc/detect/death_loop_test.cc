// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/death_loop.h"

#include <gtest/gtest.h>

#include "fodc/detect/missed_rounds.h"

namespace fodc::detect {
namespace {

using namespace std::chrono_literals;

TEST(DeathLoopTest, BeginsWithTheThirdYoungDeathInARowAndEndsWithALife) {
  using Change = DeathLoop::Change;
  DeathLoop loop(DeathLoopOptions{.young = 30s, .deaths = 3});
  EXPECT_EQ(loop.OnDeath(1s), Change::kNone);
  EXPECT_EQ(loop.OnDeath(2s), Change::kNone);
  EXPECT_EQ(loop.OnDeath(29s), Change::kBegan);
  EXPECT_EQ(loop.OnDeath(1s), Change::kAnother);
  EXPECT_EQ(loop.deaths(), 4);
  EXPECT_EQ(loop.OnAlive(29s), Change::kNone);
  EXPECT_EQ(loop.OnAlive(30s), Change::kEnded);
  EXPECT_EQ(loop.OnAlive(31s), Change::kNone);
  EXPECT_EQ(loop.deaths(), 0);
}

TEST(DeathLoopTest, OldDeathIsNoneOfThem) {
  using Change = DeathLoop::Change;
  DeathLoop loop(DeathLoopOptions{.young = 30s, .deaths = 2});
  EXPECT_EQ(loop.OnDeath(1s), Change::kNone);
  EXPECT_EQ(loop.OnDeath(1h), Change::kNone);
  EXPECT_EQ(loop.OnDeath(1s), Change::kNone);
  EXPECT_EQ(loop.OnDeath(1s), Change::kBegan);
  EXPECT_EQ(loop.OnDeath(30s), Change::kEnded);
}

TEST(DeathLoopTest, CountOutlivesTheAgent) {
  DeathLoop loop(DeathLoopOptions{.young = 30s, .deaths = 3});
  loop.Restore(2);
  EXPECT_EQ(loop.OnDeath(1s), DeathLoop::Change::kBegan);
}

TEST(MissedRoundsTest, IsDownAfterSoManyRoundsInARow) {
  using Change = MissedRounds::Change;
  MissedRounds endpoint(3);
  EXPECT_EQ(endpoint.OnRound(true), Change::kNone);
  EXPECT_EQ(endpoint.OnRound(false), Change::kNone);
  EXPECT_EQ(endpoint.OnRound(false), Change::kNone);
  EXPECT_EQ(endpoint.OnRound(true), Change::kNone);
  EXPECT_EQ(endpoint.OnRound(false), Change::kNone);
  EXPECT_EQ(endpoint.OnRound(false), Change::kNone);
  EXPECT_EQ(endpoint.OnRound(false), Change::kDown);
  EXPECT_EQ(endpoint.OnRound(false), Change::kNone);  // told once
  EXPECT_EQ(endpoint.missed(), 3);
  EXPECT_EQ(endpoint.OnRound(true), Change::kBack);
  EXPECT_FALSE(endpoint.is_down());
}

TEST(MissedRoundsTest, OneThatRestartsHasAllItsRoundsToStart) {
  using Change = MissedRounds::Change;
  MissedRounds endpoint(2);
  EXPECT_EQ(endpoint.OnRound(true), Change::kNone);
  EXPECT_EQ(endpoint.OnRound(false), Change::kNone);
  endpoint.OnRestart();
  EXPECT_EQ(endpoint.OnRound(false), Change::kNone);
  EXPECT_EQ(endpoint.OnRound(false), Change::kDown);
  // It is news that the next one does not answer either.
  endpoint.OnRestart();
  EXPECT_FALSE(endpoint.is_down());
  EXPECT_EQ(endpoint.OnRound(false), Change::kNone);
  EXPECT_EQ(endpoint.OnRound(false), Change::kDown);
}

TEST(MissedRoundsTest, OneThatNeverAnsweredIsNotDown) {
  MissedRounds endpoint(1);
  EXPECT_EQ(endpoint.OnRound(false), MissedRounds::Change::kNone);
  EXPECT_EQ(endpoint.OnRound(true), MissedRounds::Change::kNone);
  EXPECT_EQ(endpoint.OnRound(false), MissedRounds::Change::kDown);
}

}  // namespace
}  // namespace fodc::detect
