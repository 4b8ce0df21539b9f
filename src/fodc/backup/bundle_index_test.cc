// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/bundle_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/backup/bundle_name.h"

namespace fodc::backup {
namespace {

using ::testing::ElementsAre;

TEST(BundleIndexTest, KnowsWhatIsThere) {
  BundleIndex index;
  EXPECT_EQ(index.NextNumber(), 0U);
  index.Add(9, 10);
  index.Add(3, 100);
  index.Add(4, 100);
  index.Add(5, 1);
  index.Add(3, 50);  // as it is now
  EXPECT_EQ(index.NextNumber(), 10U);
  EXPECT_TRUE(index.Has({.bundle = 3, .at = 40, .stored = 10}));
  EXPECT_FALSE(index.Has({.bundle = 3, .at = 40, .stored = 11}));
  EXPECT_FALSE(index.Has({.bundle = 2, .stored = 1}));
  EXPECT_TRUE(index.Has({.bundle = 3, .bundles = 3, .stored = 151}));
  EXPECT_FALSE(index.Has({.bundle = 3, .bundles = 3, .stored = 150}));
  EXPECT_FALSE(index.Has({.bundle = 3, .bundles = 4, .stored = 161}));
  EXPECT_FALSE(index.Has({.bundle = 9, .bundles = 2, .stored = 10}));
}

TEST(BundleIndexTest, WhatIsHalfEmptyIsWasteful) {
  BundleIndex index;
  index.Add(1, 100);
  index.Count({.bundle = 1, .at = 0, .stored = 30});
  EXPECT_TRUE(index.IsWasteful({.bundle = 1, .at = 0, .stored = 30}));
  index.Count({.bundle = 1, .at = 30, .stored = 20});
  EXPECT_FALSE(index.IsWasteful({.bundle = 1, .at = 0, .stored = 30}));
  index.Count({.bundle = 7, .stored = 1});
  EXPECT_FALSE(index.IsWasteful({.bundle = 7, .stored = 1})) << "not there";
  EXPECT_FALSE(index.IsWasteful({.bundle = 1, .bundles = 2, .stored = 1}))
      << "there is nothing else in it";
}

TEST(BundleIndexTest, TellsWhichAreUsed) {
  BundleIndex index;
  for (std::uint64_t i = 0; i < 5; ++i) index.Add(i, 10);
  index.Use({.bundle = 1, .stored = 1});
  index.Use({.bundle = 3, .bundles = 9, .stored = 1});
  index.Use({.bundle = 77, .stored = 1});
  std::vector<bool> used;
  for (const BundleIndex::Bundle& bundle : index.bundles())
    used.push_back(bundle.is_used);
  EXPECT_THAT(used, ElementsAre(false, true, false, true, true));
}

TEST(BundleNameTest, IsReadBack) {
  for (const std::uint64_t n : {0ULL, 42ULL, ~0ULL})
    EXPECT_EQ(ParseBundleName(BundleName(n)), n);
  EXPECT_EQ(BundlePath(42), ".bundles/000000000000002a");
  for (const char* bad : {"", "2a", "000000000000002A", "000000000000002g",
                          "000000000000002a0"}) {
    EXPECT_FALSE(ParseBundleName(bad)) << bad;
  }
}

}  // namespace
}  // namespace fodc::backup
