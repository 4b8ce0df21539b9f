// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/orphans.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

TEST(OrphansTest, ComeInTheirOrderHoweverMany) {
  const TempDirectory dir;
  for (const std::size_t most_bytes : {1u << 20, 1000u, 0u}) {
    Orphans orphans(dir.File("spill"), most_bytes);
    for (int i = 0; i < 20'000; ++i)
      ASSERT_THAT(orphans.Add(StrCat("key ", i)), IsOk());
    EXPECT_EQ(orphans.size(), 20'000U);
    int next = 0;
    for (;;) {
      const auto some = orphans.Take(999);
      ASSERT_THAT(some, IsOk());
      if (some->empty()) break;
      for (const std::string& key : *some)
        ASSERT_EQ(key, StrCat("key ", next++));
    }
    EXPECT_EQ(next, 20'000);
    // What is left in the directory is nothing.
    EXPECT_THAT(ListDirectory(dir.path()), IsOkAndHolds(testing::IsEmpty()));
  }
}

TEST(OrphansTest, ADirectoryThatIsNotThereIsSaid) {
  Orphans orphans("/none/spill", 0);
  EXPECT_THAT(orphans.Add("a"), StatusIs(Code::kNotFound, testing::_));
}

}  // namespace
}  // namespace fodc::backup
