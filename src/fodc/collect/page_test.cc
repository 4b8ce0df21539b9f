// SPDX-License-Identifier: Apache-2.0
// Pages, from text to the recording's frames and back.
#include "fodc/collect/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/collect/recording_testing.h"
#include "tests/support/frames.h"

namespace fodc::collect {
namespace {

using exposition::Format;
using exposition::PageBuffer;
using recorder::FrameTime;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

Endpoint TestEndpoint() {
  return {.url = "http://h/m", .name = "http://h/m", .container_name = "db"};
}

recorder::RecordingOptions Options(std::size_t budget_bytes,
                                   std::size_t max_series) {
  recorder::RecordingOptions options;
  options.budget_bytes = budget_bytes;
  options.max_series = max_series;
  return options;
}

class PageTest : public ::testing::Test {
 protected:
  explicit PageTest(recorder::RecordingOptions options = {})
      : recording_(1, std::move(options)), page_(recording_, TestEndpoint()) {}

  std::size_t Record(std::string_view text) {
    now_ += 1000;
    EXPECT_TRUE(buffer_.Append(text).ok());
    return page_.Record(&buffer_, Format::kText,
                        {.monotonic_ms = now_, .unix_ms = now_});
  }
  std::map<std::string, double> Latest() const {
    return LatestSamples(recording_, "http://h/m");
  }

  std::int64_t now_ = 1'000'000;
  recorder::Recording recording_;
  Page page_;
  PageBuffer buffer_;
};

TEST_F(PageTest, LinesComeMoveAndGo) {
  EXPECT_EQ(Record("# TYPE a counter\n# HELP a All.\na{x=\"1\"} 1\nb 2\n"), 2u);
  EXPECT_THAT(Latest(), ElementsAre(Pair("a{x=\"1\"}", 1), Pair("b{}", 2)));
  const auto frame = recording_.Take().Latest()[0];
  EXPECT_EQ(frame.container_name, "db");
  EXPECT_EQ((*frame.series)[0]->type(), exposition::MetricType::kCounter);
  EXPECT_EQ((*frame.series)[0]->help(), "All.");

  Record("# TYPE a counter\n# HELP a All.\na{x=\"0\"} 7\na{x=\"1\"} 1\nb 3\n");
  EXPECT_THAT(Latest(), ElementsAre(Pair("a{x=\"0\"}", 7),
                                    Pair("a{x=\"1\"}", 1), Pair("b{}", 3)));
  Record("b 4\nc 5\n");
  EXPECT_THAT(Latest(), ElementsAre(Pair("b{}", 4), Pair("c{}", 5)));
  Record("");
  EXPECT_THAT(Latest(), IsEmpty());
  Record("c 6\nb 4\n");
  EXPECT_THAT(Latest(), ElementsAre(Pair("b{}", 4), Pair("c{}", 6)));
}

TEST_F(PageTest, ABadLineCostsItselfAndIsNamed) {
  EXPECT_EQ(Record("a 1\nb{x=\"1\" 2\nc 3\na 9\nd xyz\ne 5"), 3u);
  EXPECT_THAT(Latest(),
              ElementsAre(Pair("a{}", 1), Pair("c{}", 3), Pair("e{}", 5)));
  EXPECT_EQ(page_.stats().lost_lines(), 3u);
  const auto* bad = page_.FirstBadLine(exposition::LineProblem::kBadLabels);
  ASSERT_NE(bad, nullptr);
  EXPECT_EQ(bad->line, 2u);
  EXPECT_EQ(page_.FirstBadLine(exposition::LineProblem::kBadUtf8), nullptr);
}

TEST_F(PageTest, EveryOtherLineGoesAndComesBack) {
  std::string all;
  std::string half;
  constexpr int kLines = 2000;
  for (int i = 0; i < kLines; ++i) {
    const std::string line = StrCat("m{i=\"", i, "\"} ", i, "\n");
    all += line;
    if (i % 2 == 1) half += line;
  }
  Record(all);
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(Record(half), kLines / 2u);
    auto latest = Latest();
    ASSERT_EQ(latest.size(), kLines / 2u);
    for (int i = 1; i < kLines; i += 2) {
      ASSERT_EQ(latest.at(StrCat("m{i=\"", i, "\"}")), i);
    }
    EXPECT_EQ(Record(all), std::size_t{kLines});
    latest = Latest();
    ASSERT_EQ(latest.size(), std::size_t{kLines});
    for (int i = 0; i < kLines; ++i) {
      ASSERT_EQ(latest.at(StrCat("m{i=\"", i, "\"}")), i);
    }
  }
  // They are the series that they were.
  EXPECT_EQ(recording_.stats().series, std::size_t{kLines});
}

TEST_F(PageTest, ManyLinesComeBetweenOthers) {
  std::string text = "first 0\nlast 0\n";
  Record(text);
  text = "first 0\n";
  for (int i = 0; i < 1000; ++i)
    text += StrCat("many{i=\"", i, "\",j=\"x\"} ", i, "\n");
  text += "last 1\n";
  EXPECT_EQ(Record(text), 1002u);
  const auto latest = Latest();
  ASSERT_EQ(latest.size(), 1002u);
  for (int i = 0; i < 1000; ++i)
    EXPECT_EQ(latest.at(StrCat("many{i=\"", i, "\",j=\"x\"}")), i);
  EXPECT_EQ(latest.at("last{}"), 1);
}

// Of one endpoint's page "m", alone or with another one without a name.
std::map<std::string, double> Recorded(bool is_labelled,
                                       std::string_view text) {
  recorder::Recording recording(1, {});
  Endpoint endpoint = TestEndpoint();
  endpoint.is_labelled = is_labelled;
  Page page(recording, endpoint);
  PageBuffer buffer;
  EXPECT_TRUE(buffer.Append(text).ok());
  page.Record(&buffer, Format::kText, {.monotonic_ms = 1, .unix_ms = 1});
  return LatestSamples(recording, "http://h/m");
}

TEST(PageLabelsTest, APageAloneIsRecordedAsItIs) {
  EXPECT_THAT(
      Recorded(false, "a{endpoint=\"x\",target=\"y\"} 1\nup{job=\"j\"} 2\n"),
      ElementsAre(Pair("a{endpoint=\"x\",target=\"y\"}", 1),
                  Pair("up{job=\"j\"}", 2)));
}

TEST(PageLabelsTest, OneOfSeveralPagesIsNamed) {
  EXPECT_THAT(
      Recorded(true,
               "a 1\nb{endpoint=\"x\"} 2\n"
               "c{endpoint=\"x\",exported_endpoint=\"y\"} 3\n"),
      ElementsAre(Pair("a{endpoint=\"http://h/m\"}", 1),
                  Pair("b{endpoint=\"http://h/m\",exported_endpoint=\"x\"}", 2),
                  Pair("c{endpoint=\"http://h/m\",exported_endpoint=\"y\","
                       "exported_exported_endpoint=\"x\"}",
                       3)));
}

TEST(PageLabelsTest, APageCannotSpeakForTheAgent) {
  EXPECT_THAT(Recorded(false, "up{endpoint=\"http://h/m\"} 7\n"),
              ElementsAre(Pair("up{exported_endpoint=\"http://h/m\"}", 7)));
  EXPECT_THAT(
      Recorded(true, "up 7\nscrape_errors_total{endpoint=\"e\"} 8\n"),
      ElementsAre(Pair("scrape_errors_total{exported_endpoint=\"http://h/m\","
                       "exported_exported_endpoint=\"e\"}",
                       8),
                  Pair("up{exported_endpoint=\"http://h/m\"}", 7)));
  EXPECT_THAT(
      Recorded(false,
               "fodc_target_up{target=\"node\"} 7\n"
               "fodc_agent_recording_bytes 8\n"),
      ElementsAre(Pair("fodc_agent_recording_bytes{exported_endpoint="
                       "\"http://h/m\"}",
                       8),
                  Pair("fodc_target_up{exported_endpoint=\"http://h/m\","
                       "exported_target=\"node\"}",
                       7)));
}

class SmallPageTest : public PageTest {
 protected:
  SmallPageTest() : PageTest(Options(2u << 20, 2000)) {}
};

TEST_F(SmallPageTest, AnExplosionOfSeriesIsBoundedAndCounted) {
  Record("calm 1\n");
  std::string text = "calm 2\n";
  for (int i = 0; i < 100'000; ++i) text += StrCat("boom{i=\"", i, "\"} 1\n");
  for (int round = 0; round < 3; ++round) {
    Record(text);
    EXPECT_LE(recording_.memory_bytes(), 2u << 20);
  }
  EXPECT_GE(recording_.stats().refused_series, 98'000u);
  EXPECT_LE(recording_.stats().active_series, 2000u);
  EXPECT_EQ(Latest().at("calm{}"), 2);
  // And over again.
  Record("calm 3\n");
  EXPECT_THAT(Latest(), ElementsAre(Pair("calm{}", 3)));
}

// Each page of the burst has other series, and all of it lies in the open
// stretch when the page is small again.
TEST_F(SmallPageTest, NewSeriesAreRecordedAfterAnExplosion) {
  Record("calm 1\n");
  for (int round = 0; round < 3; ++round) {
    std::string text = "calm 2\n";
    for (int i = 0; i < 20'000; ++i)
      text += StrCat("boom{round=\"", round, "\",i=\"", i, "\"} 1\n");
    Record(text);
    EXPECT_GT(page_.refused_lines(), 0u);
  }
  std::string text = "calm 3\n";
  for (int i = 0; i < 50; ++i) text += StrCat("fresh{i=\"", i, "\"} 1\n");
  Record(text);
  Record(text);
  EXPECT_EQ(page_.refused_lines(), 0u);
  EXPECT_EQ(Latest().size(), 51u);
}

TEST_F(SmallPageTest, RefusedLinesFollowTheirValuesOnceTheyAreIn) {
  std::string text;
  for (int i = 0; i < 2010; ++i) text += StrCat("a{i=\"", i, "\"} 1\n");
  Record(text + "late 7\n");
  EXPECT_EQ(page_.refused_lines(), 11u);
  EXPECT_FALSE(Latest().contains("late{}"));
  Record("late 8\n");
  EXPECT_THAT(Latest(), ElementsAre(Pair("late{}", 8)));
  Record("late 9\n");
  EXPECT_THAT(Latest(), ElementsAre(Pair("late{}", 9)));
}

// Real pages, whose layouts move, give the same frames as fresh readers do.
TEST(RecordedPagesTest, EveryFrameHoldsWhatItsPageSaid) {
  for (const std::string_view name : {"vm", "prometheus", "banyandb-data"}) {
    const auto pages = test::Recording::Load(test::RecordingPath(name));
    ASSERT_TRUE(pages.ok()) << pages.status().message();
    recorder::Recording recording(1, Options(64u << 20, 50'000));
    Page page(recording, TestEndpoint());
    PageBuffer buffer;
    std::size_t count = 0;
    for (const auto& frame : pages->frames()) {
      ASSERT_TRUE(buffer.Append(frame.body).ok());
      page.Record(&buffer, Format::kText,
                  {.monotonic_ms = frame.unix_ms, .unix_ms = frame.unix_ms});
      if (++count == 150) break;
    }
    std::size_t at = 0;
    exposition::PageReader fresh;
    const recorder::Snapshot snapshot = recording.Take();
    snapshot.ReadFrames({}, [&](const recorder::SourceFrame& f) {
      const auto& source = pages->frames()[at++];
      EXPECT_EQ(f.time.unix_ms, source.unix_ms);
      fresh.Forget();
      EXPECT_TRUE(buffer.Append(source.body).ok());
      fresh.Read(Format::kText, &buffer);
      // The order within a frame is the recorder's own.
      std::map<std::string, std::uint64_t> want, got;
      for (std::uint32_t i = 0; i < fresh.values().size(); ++i) {
        const exposition::SeriesDesc d = fresh.Describe(i);
        std::string text(d.name);
        text += '{';
        exposition::AppendCanonicalLabels(&text, d.labels);
        text += '}';
        want[text] = std::bit_cast<std::uint64_t>(fresh.values()[i]);
      }
      for (std::size_t i = 0; i < f.values.size(); ++i) {
        got[SeriesText(*(*f.series)[i])] =
            std::bit_cast<std::uint64_t>(f.values[i]);
      }
      EXPECT_EQ(got, want) << name << " frame " << at;
      return !::testing::Test::HasFailure();
    });
    EXPECT_EQ(at, count);
  }
}

}  // namespace
}  // namespace fodc::collect
