// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/peers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Pair;

class PeersTest : public ::testing::Test {
 protected:
  std::unique_ptr<PeerLimit> Make(unsigned max, std::size_t peers = 100) {
    PeerLimitOptions options;
    options.max_per_peer = max;
    options.max_peers = peers;
    auto made = PeerLimit::Create(options, clock_);
    EXPECT_THAT(made, IsOk());
    return *std::move(made);
  }
  FakeClock clock_;
};

TEST_F(PeersTest, EachPeerHasItsShare) {
  const auto limit = Make(8);
  std::vector<PeerHold> held;
  for (int i = 0; i < 8; ++i) {
    held.push_back(limit->Acquire("analytics"));
    ASSERT_TRUE(held.back().admitted());
  }
  const PeerHold ninth = limit->Acquire("analytics");
  EXPECT_FALSE(ninth.admitted());
  EXPECT_EQ(ninth.refusal(), Refusal::kPeer);
  EXPECT_TRUE(limit->Acquire("shop").admitted());
  held.pop_back();
  EXPECT_TRUE(limit->Acquire("analytics").admitted());
}

// 7.1, rule 6.
TEST_F(PeersTest, DoubleReleaseIsHarmlessAndNothingStaysBehind) {
  const auto limit = Make(2);
  PeerHold a = limit->Acquire("10.0.0.1");
  PeerHold b = limit->Acquire("10.0.0.1");
  EXPECT_EQ(limit->held_by("10.0.0.1"), 2u);
  EXPECT_EQ(limit->peers(), 1u);
  a.Release();
  a.Release();
  EXPECT_EQ(limit->held_by("10.0.0.1"), 1u);
  b = PeerHold();
  EXPECT_EQ(limit->held_by("10.0.0.1"), 0u);
  EXPECT_EQ(limit->peers(), 0u);
}

// 7.1, rule 6: one that subscribes leaves the protocol, not the count.
TEST_F(PeersTest, AConnectionStaysCountedUntilItsOwnCleanUpEnds) {
  const auto limit = Make(1);
  struct Subscription {
    PeerHold hold;
  };
  Subscription subscription;
  {
    PeerHold connection = limit->Acquire("10.0.0.1");
    subscription.hold = std::move(connection);
  }
  EXPECT_FALSE(limit->Acquire("10.0.0.1").admitted());
  subscription = Subscription();
  EXPECT_TRUE(limit->Acquire("10.0.0.1").admitted());
}

// 7.1, rule 7.
TEST_F(PeersTest, TenRefusalsInASecondAreToldThenSilence) {
  const auto limit = Make(1);
  const PeerHold held = limit->Acquire("10.0.0.1");
  const PeerHold other = limit->Acquire("10.0.0.2");
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(limit->Acquire("10.0.0.1").should_tell()) << i;
  }
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(limit->Acquire("10.0.0.1").should_tell()) << i;
  }
  EXPECT_TRUE(limit->Acquire("10.0.0.2").should_tell());
  clock_.Advance(milliseconds(1000));
  EXPECT_FALSE(limit->Acquire("10.0.0.1").should_tell());
  clock_.Advance(milliseconds(1));
  EXPECT_TRUE(limit->Acquire("10.0.0.1").should_tell());
}

TEST_F(PeersTest, SlowRefusalsAreAlwaysTold) {
  const auto limit = Make(1);
  const PeerHold held = limit->Acquire("10.0.0.1");
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(limit->Acquire("10.0.0.1").should_tell()) << i;
    clock_.Advance(milliseconds(101));
  }
}

TEST_F(PeersTest, TheTableIsBounded) {
  const auto limit = Make(1, 3);
  std::vector<PeerHold> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(limit->Acquire(StrCat("peer", i)));
  }
  EXPECT_EQ(limit->Acquire("one more").refusal(), Refusal::kPeerTable);
  EXPECT_EQ(limit->Acquire("peer0").refusal(), Refusal::kPeer);
  EXPECT_EQ(limit->peers(), 3u);
  held.pop_back();
  EXPECT_TRUE(limit->Acquire("one more").admitted());
}

TEST_F(PeersTest, WithoutALimitPeersAreStillCounted) {
  const auto limit = Make(0);
  std::vector<PeerHold> held;
  for (int i = 0; i < 1000; ++i) held.push_back(limit->Acquire("proxy"));
  EXPECT_TRUE(held.back().admitted());
  EXPECT_EQ(limit->held_by("proxy"), 1000u);
}

TEST_F(PeersTest, ImpossibleOptionsAreRefused) {
  PeerLimitOptions options;
  options.max_peers = 0;
  EXPECT_THAT(PeerLimit::Create(options, clock_),
              StatusIs(Code::kInvalidArgument, HasSubstr("room")));
  options = {};
  options.told_window = {};
  EXPECT_THAT(PeerLimit::Create(options, clock_),
              StatusIs(Code::kInvalidArgument, HasSubstr("window")));
}

TEST_F(PeersTest, ThreadsCountTogether) {
  const auto limit = Make(3);
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; ++i) {
        const PeerHold own = limit->Acquire(StrCat("thread", t, "-", i % 7));
        PeerHold shared = limit->Acquire("all");
        if (!shared.admitted()) continue;
        const int now = inside.fetch_add(1) + 1;
        int seen = most.load();
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        inside.fetch_sub(1);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_LE(most.load(), 3);
  EXPECT_EQ(limit->peers(), 0u);
}

// 7.1, rule 10: a node's own pools fit under the cap that its peers set.
TEST(OwnPoolsTest, TogetherTheyFitUnderTheCap) {
  EXPECT_THAT(SplitOwnPools(512, 4, 4), Pair(4u, 4u));
  EXPECT_THAT(SplitOwnPools(0, 4, 4), Pair(4u, 4u));
  EXPECT_THAT(SplitOwnPools(6, 4, 4), Pair(3u, 3u));
  EXPECT_THAT(SplitOwnPools(2, 4, 4), Pair(1u, 1u));
  EXPECT_THAT(SplitOwnPools(1, 4, 4), Pair(1u, 0u));
  EXPECT_THAT(SplitOwnPools(4, 100, 1), Pair(3u, 1u));
  EXPECT_THAT(SplitOwnPools(3, 0, 9), Pair(0u, 3u));
  for (unsigned cap = 1; cap < 12; ++cap) {
    for (unsigned a = 0; a < 9; ++a) {
      for (unsigned b = 0; b < 9; ++b) {
        const auto [x, y] = SplitOwnPools(cap, a, b);
        ASSERT_LE(x + y, cap);
        ASSERT_LE(x, a);
        ASSERT_LE(y, b);
      }
    }
  }
}

}  // namespace
}  // namespace fodc::guard
