// SPDX-License-Identifier: Apache-2.0
// A series that stands twice on a page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/exposition/page_reader.h"
#include "fodc/exposition/page_reader_testing.h"

namespace fodc::exposition {
namespace {

using ::testing::ElementsAre;

TEST(PageReaderDuplicatesTest, TheFirstOfDuplicatedSeriesCounts) {
  PageReader reader;
  ReadPage(&reader,
           "a{x=\"1\",y=\"2\"} 1\n"
           "a{y=\"2\",x=\"1\"} 2\n"
           "a{x=\"1\" , y=\"2\"} 3\n"
           "a{x=\"1\"} 4\n"
           "b{x=\"\\d\"} 5\n"
           "b{x=\"\\\\d\"} 6\n");
  EXPECT_THAT(reader.values(), ElementsAre(1, 4, 5));
  EXPECT_EQ(reader.stats().problem(LineProblem::kDuplicateSeries), 3u);
  ASSERT_EQ(reader.problems().size(), 3u);
  EXPECT_EQ(reader.problems()[0].line, 2u);
  EXPECT_EQ(reader.problems()[2].line, 6u);
}

// Wherever they stand: they are found later than they are read.
TEST(PageReaderDuplicatesTest, FindsDuplicatesOfAnyLine) {
  std::string before = "# HELP a Help.\n# TYPE a gauge\n";
  std::vector<std::string> series;
  for (int i = 0; i < 200; ++i) {
    series.push_back("a{i=\"" + std::to_string(i) + "\",j=\"x\"} ");
    before += series.back() + std::to_string(i) + "\n";
    if (i % 50 == 49) before += "# TYPE b" + std::to_string(i) + " gauge\n";
  }
  const std::string_view ends[] = {"", "b 1\n", "# TYPE b gauge\n",
                                   "b 1\n\n# odd  line\nc 2\n"};
  const auto samples_of = [](std::string_view end) {
    std::size_t samples = 200;
    for (const char c : end) samples += c >= '0' && c <= '9';
    return samples;
  };
  for (const int i : {0, 1, 100, 198, 199}) {
    for (const std::string_view end : ends) {
      for (int times = 1; times <= 3; ++times) {
        std::string page = before;
        for (int n = 0; n < times; ++n) {
          page += series[static_cast<std::size_t>(i)] + "777\n";
        }
        page += end;
        for (const bool portable : {false, true}) {
          PageReader reader(PageReader::Options{.portable = portable});
          ReadPage(&reader, page);
          EXPECT_EQ(reader.values().size(), samples_of(end)) << page;
          EXPECT_EQ(reader.values()[static_cast<std::size_t>(i)], i);
          EXPECT_EQ(reader.stats().problem(LineProblem::kDuplicateSeries),
                    static_cast<std::uint64_t>(times));
        }
      }
    }
  }
}

}  // namespace
}  // namespace fodc::exposition
