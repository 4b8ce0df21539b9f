// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/snapshots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "examples/kvnode/store_testing.h"

namespace kvnode {
namespace {

using fodc::IsOk;
using testing::ElementsAre;

class SnapshotsTest : public StoreTest {
 protected:
  std::vector<std::string> Names() const {
    return *fodc::ListDirectory(dir_.File("snapshots"));
  }
  fodc::FakeClock clock_;
  Snapshots snapshots_{dir_.File("snapshots"), 2, clock_};
};

TEST_F(SnapshotsTest, IsNamedByItsTimeAndHoldsTheData) {
  EXPECT_THAT(Put(1, "a", "1"), IsOk());
  const auto path = snapshots_.Make(*store_);
  ASSERT_THAT(path, IsOk());
  EXPECT_EQ(*path, dir_.File("snapshots/20260101T000000.000000000Z"));
  const auto copy = Store::Open({.directory = *path});
  ASSERT_THAT(copy, IsOk());
  EXPECT_EQ((*copy)->applied(), 1u);
}

TEST_F(SnapshotsTest, KeepsTheNewestAndWhatIsNotItsOwn) {
  ASSERT_THAT(fodc::MakeDirectories(dir_.File("snapshots/a-note")), IsOk());
  for (int i = 0; i < 4; ++i) {
    EXPECT_THAT(snapshots_.Make(*store_), IsOk());
    clock_.Advance(std::chrono::seconds(1));
  }
  EXPECT_THAT(Names(), ElementsAre("20260101T000002.000000000Z",
                                   "20260101T000003.000000000Z", "a-note"));
}

TEST_F(SnapshotsTest, ASecondOneAtTheSameInstantIsAnError) {
  EXPECT_THAT(snapshots_.Make(*store_), IsOk());
  EXPECT_FALSE(snapshots_.Make(*store_).ok());
  EXPECT_EQ(Names().size(), 1u);
}

}  // namespace
}  // namespace kvnode
