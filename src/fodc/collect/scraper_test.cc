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

TEST_F(ScraperTest, AnOpenMetricsPageCutShortIsRecordedAndCounted) {
  LogCapture log;
  const auto serve = [this](std::string text) {
    Serve("/m", [text = std::move(text)] {
      HttpResponse r;
      r.content_type = "application/openmetrics-text; version=1.0.0";
      r.body = text;
      return r;
    });
  };
  serve("# TYPE a gauge\na 1\ncut 12");
  Make({Url("/m")});
  collector_->Start();
  ASSERT_TRUE(Scraped(1));
  clock_.Advance(1s);
  ASSERT_TRUE(Scraped(2));
  EXPECT_THAT(Page("/m"), ElementsAre(Pair("a{}", 1), Pair("cut{}", 12)));
  EXPECT_EQ(Own("/m", "up"), 1);
  EXPECT_EQ(Own("/m", "scrape_bad_lines_total"), 2);
  EXPECT_EQ(status().bad_lines[static_cast<std::size_t>(
                exposition::LineProblem::kTruncated)],
            2u);
  EXPECT_THAT(log.Lines("a page ends without # EOF"), SizeIs(1));
  EXPECT_THAT(log.Lines("reason=truncated"), SizeIs(1));

  serve("# TYPE a gauge\na 1 # {x=\"y\"} 1\nb 2 3\n# EOF\n");
  clock_.Advance(1s);
  ASSERT_TRUE(Scraped(3));
  EXPECT_EQ(Own("/m", "scrape_bad_lines_total"), 2);
  EXPECT_EQ(status().timestamps, 1u);
  EXPECT_EQ(status().exemplars, 1u);
}

TEST_F(ScraperTest, ABadLineThatComesBackIsNamedAgain) {
  LogCapture log;
  auto scrape = [&, n = std::uint64_t{0}](std::string page,
                                          auto later) mutable {
    ServePage("/m", std::move(page));
    if (n == 0) {
      Make({Url("/m")});
      collector_->Start();
    } else {
      clock_.Advance(later);
    }
    ASSERT_TRUE(Scraped(++n));
  };
  scrape("a 1\nfirst x\n", 1s);
  scrape("a 1\nfirst x\n", 20min);
  EXPECT_THAT(log.Lines("bad lines in a page"), SizeIs(1));
  scrape("a 1\n", 1s);
  scrape("a 1\nsecond x\n", 1s);
  EXPECT_THAT(log.Lines("text=\"second x\""), SizeIs(1));
  // Back and forth: not each time.
  scrape("a 1\n", 1s);
  scrape("a 1\nthird x\n", 1s);
  scrape("a 1\n", 1s);
  EXPECT_THAT(log.Lines("bad lines in a page"), SizeIs(2));
  scrape("a 1\nfourth x\n", 10min);
  EXPECT_THAT(log.Lines("text=\"fourth x\""), SizeIs(1));
  EXPECT_EQ(Own("/m", "scrape_bad_lines_total"), 5);
}

}  // namespace
}  // namespace fodc::collect
