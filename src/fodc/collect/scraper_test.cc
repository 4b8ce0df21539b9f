// SPDX-License-Identifier: Apache-2.0
// What an endpoint's pages cost and what is said of it.
#include "fodc/collect/scraper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "fodc/collect/collector_testing.h"

namespace fodc::collect {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::SizeIs;

using ScraperTest = CollectorFixture;

TEST_F(ScraperTest, BadLinesAreCountedByReasonAndLoggedOnce) {
  LogCapture log;
  ServePage("/m", "a 1\nb{ 2\nc 3\na 4\nc 5\nd \xff 1\n");
  Make({Url("/m")});
  collector_->Start();
  for (std::uint64_t n = 1; n <= 3; ++n) {
    ASSERT_TRUE(Scraped(n));
    clock_.Advance(1s);
  }
  EXPECT_EQ(Own("/m", "up"), 1);
  EXPECT_THAT(Page("/m"), ElementsAre(Pair("a{}", 1), Pair("c{}", 3)));
  using exposition::LineProblem;
  EXPECT_EQ(
      status()
          .bad_lines[static_cast<std::size_t>(LineProblem::kDuplicateSeries)],
      6u);
  EXPECT_EQ(Own("/m", "scrape_bad_lines_total"), 12);
  EXPECT_THAT(log.Lines("bad lines in a page"), SizeIs(3));
  EXPECT_THAT(log.Lines("reason=duplicate_series"), SizeIs(1));
}

TEST_F(ScraperTest, RefusedLinesAreSaidWhenTheyBeginAndWhenTheyEnd) {
  LogCapture log;
  recording_options_.max_series = 2;
  std::uint64_t n = 0;
  const auto scrape = [&](std::string page) {
    ServePage("/m", std::move(page));
    if (n == 0) collector_->Start();
    if (n > 0) clock_.Advance(1s);
    ASSERT_TRUE(Scraped(++n));
  };
  ServePage("/m", "");
  Make({Url("/m")});
  scrape("a 1\nb 2\nc 3\nd 4\n");
  scrape("a 1\nb 2\nc 3\nd 4\n");
  EXPECT_EQ(status().refused_lines, 2u);
  EXPECT_THAT(Page("/m"), ElementsAre(Pair("a{}", 1), Pair("b{}", 2)));
  // What says so is recorded however full it is.
  EXPECT_EQ(Own("/m", "up"), 1);
  EXPECT_EQ(Own("/m", "scrape_samples_scraped"), 4);
  EXPECT_THAT(log.Lines("\"series are refused"), SizeIs(1));

  scrape("b 2\nc 3\nd 4\n");
  EXPECT_EQ(status().refused_lines, 1u);
  EXPECT_THAT(Page("/m"), ElementsAre(Pair("b{}", 2), Pair("c{}", 3)));
  EXPECT_THAT(log.Lines("no series are refused any more"), SizeIs(0));
  scrape("c 3\nd 4\n");
  EXPECT_EQ(status().refused_lines, 0u);
  EXPECT_THAT(Page("/m"), ElementsAre(Pair("c{}", 3), Pair("d{}", 4)));
  EXPECT_THAT(log.Lines("\"series are refused"), SizeIs(1));
  EXPECT_THAT(log.Lines("no series are refused any more"), SizeIs(1));
}

}  // namespace
}  // namespace fodc::collect
