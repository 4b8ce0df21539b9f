// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/exposition/page_reader.h"
#include "fodc/exposition/page_reader_testing.h"

namespace fodc::exposition {
namespace {

TEST(PageReaderMemoryTest, KeepsMemoryOfOnePageAndItsLayout) {
  PageReader reader;
  PageBuffer buffer;
  std::size_t after_two = 0;
  for (int scrape = 0; scrape < 50; ++scrape) {
    std::string page;
    for (int i = scrape; i < scrape + 1000; ++i) {
      page += "series{i=\"" + std::to_string(10'000 + i) + "\"} 1\n";
    }
    ASSERT_THAT(buffer.Append(page), IsOk());
    reader.Read(Format::kText, &buffer);
    if (scrape == 2) after_two = reader.memory_bytes();
  }
  EXPECT_EQ(reader.memory_bytes(), after_two);
  EXPECT_LT(after_two, 1000u * (25 + 200) * 2);
}

std::string Page(int first, int lines) {
  std::string page = "# TYPE series gauge\n# HELP series Some.\n";
  for (int i = first; i < first + lines; ++i) {
    page += StrCat("series{i=\"", i, "\"} ", i % 7, "\n");
  }
  return page;
}

// Both when the pages that follow can be followed, and when they cannot.
TEST(PageReaderMemoryTest, GivesBackWhatALargePageTook) {
  for (const bool portable : {false, true}) {
    FollowChecker checker(portable);
    for (int burst = 0; burst < 3; ++burst) {
      ASSERT_EQ(checker.Check(Format::kText, Page(burst * 100'000, 100'000)),
                "");
      EXPECT_GT(checker.reader().memory_bytes(), 5'000'000u);
      for (int calm = 0; calm < 25; ++calm) {
        ASSERT_EQ(
            checker.Check(Format::kText, Page(burst, 20 + calm % 3) + "b 1\n"),
            "")
            << calm;
      }
      // The page's own bytes are its buffer's matter.
      EXPECT_LT(checker.reader().memory_bytes(), 6'000'000u);
    }
    PageReader reader(PageReader::Options{.portable = portable});
    for (int i = 0; i < 25; ++i) {
      PageBuffer buffer;
      ASSERT_THAT(buffer.Append(i == 0 ? Page(0, 100'000) : Page(0, 20)),
                  IsOk());
      reader.Read(Format::kText, &buffer);
    }
    EXPECT_LT(reader.memory_bytes(), 100'000u);
  }
}

}  // namespace
}  // namespace fodc::exposition
