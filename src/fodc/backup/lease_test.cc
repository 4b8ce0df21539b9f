// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/lease.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>

#include "fodc/base/status_matchers.h"
#include "fodc/object_store/memory_store_testing.h"
#include "tests/support/wait.h"

namespace fodc::backup {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kKey[] = "2026-08-21/.meta/lease";

class LeaseTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Lease>> Take(const std::string& owner,
                                      std::chrono::nanoseconds ttl = 60s) {
    return Lease::Take(
        store_,
        {.time_dir = "2026-08-21", .owner = owner, .ttl = ttl, .settle = 1ms},
        SystemClock(), {}, [this](const Status& s) {
          why_ = s.message();
          is_lost_ = true;
        });
  }

  object_store::MemoryStore store_{SystemClock()};
  std::string why_;
  std::atomic<bool> is_lost_ = false;
};

TEST_F(LeaseTest, IsOnePersonsAtATime) {
  {
    const auto first = Take("first");
    ASSERT_THAT(first, IsOk());
    EXPECT_THAT(store_.keys(), ElementsAre(kKey));
    EXPECT_THAT(Take("second"), StatusIs(Code::kAlreadyExists,
                                         HasSubstr("first writes there")));
    EXPECT_THAT(store_.keys(), ElementsAre(kKey)) << "nothing is left";
  }
  EXPECT_THAT(store_.keys(), IsEmpty());
  EXPECT_THAT(Take("second"), IsOk());
}

TEST_F(LeaseTest, IsRenewed) {
  const auto lease = Take("first", 90ms);
  ASSERT_THAT(lease, IsOk());
  const UnixTime before = store_.objects().at(kKey).modified;
  EXPECT_TRUE(test::WaitUntil(
      [&] { return store_.objects().at(kKey).modified > before + 100ms; }));
  EXPECT_FALSE(is_lost_);
  EXPECT_THAT(Take("second", 90ms), StatusIs(Code::kAlreadyExists, testing::_));
}

// Its owner was killed. Whose clock is right does not matter: that of the store
// is asked.
TEST_F(LeaseTest, OneThatIsNotRenewedIsTakenOver) {
  store_.Set(kKey, R"({"id":"1","owner":"dead","ttl_seconds":1})");
  EXPECT_THAT(Take("second", 10s), StatusIs(Code::kAlreadyExists, testing::_));
  ASSERT_TRUE(test::WaitUntil([&] { return Take("third", 100ms).ok(); }));
}

TEST_F(LeaseTest, WhoLosesItIsTold) {
  const auto lease = Take("first", 90ms);
  ASSERT_THAT(lease, IsOk());
  store_.Set(kKey, R"({"id":"2","owner":"another"})");
  ASSERT_TRUE(test::WaitUntil([&] { return is_lost_.load(); }));
  EXPECT_THAT(why_, HasSubstr("another has taken the lease"));
}

TEST_F(LeaseTest, OneThatCannotBeRenewedIsLost) {
  const auto lease = Take("first", 90ms);
  ASSERT_THAT(lease, IsOk());
  store_.set_before([](std::string_view, std::string_view) {
    return Unavailable("the network is away");
  });
  ASSERT_TRUE(test::WaitUntil([&] { return is_lost_.load(); }));
  EXPECT_THAT(why_, HasSubstr("could not be renewed"));
  store_.set_before({});
}

TEST_F(LeaseTest, AStrangersTextIsNoLeaseOfOurs) {
  store_.Set(kKey, "no json");
  EXPECT_THAT(Take("first"), StatusIs(Code::kAlreadyExists, testing::_));
  store_.Set(kKey, std::string(100'000, 'x'));
  EXPECT_THAT(Take("first"), StatusIs(Code::kDataLoss, testing::_));
}

}  // namespace
}  // namespace fodc::backup
