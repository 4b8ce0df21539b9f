// SPDX-License-Identifier: Apache-2.0
// Which series a recording lets in, and when.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/recording_testing.h"

namespace fodc::recorder {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr Incarnation kLife = 1'000'001;

struct Many {
  Many(std::string_view prefix, int n) {
    for (int i = 0; i < n; ++i) names.push_back(StrCat(prefix, i));
    for (const std::string& name : names) descs.push_back(Desc(name));
  }
  std::vector<std::string> names;
  std::vector<exposition::SeriesDesc> descs;
};

void Append(Recording* r, SourceId s, std::int64_t ms,
            std::vector<double> values) {
  r->Append(s, {ms, ms + 1'700'000'000'000}, values, std::nullopt);
}

TEST(AdmissionTest, RefusedLinesComeInWhenSeriesLeave) {
  Recording r(kLife, {.max_series = 2});
  const SourceId s = r.OpenSource("page", "");
  const exposition::SeriesDesc d[] = {Desc("a"), Desc("b"), Desc("c"),
                                      Desc("d")};
  const auto describe = [&](std::size_t line) { return d[line + 1]; };
  r.SpliceLines(s, 0, 0, d);
  r.Readmit(s, [&](std::size_t line) { return d[line]; });
  Append(&r, s, 1000, {1, 2, 3, 4});
  EXPECT_EQ(r.refused_lines(s), 2u);
  EXPECT_EQ(r.stats().refused_lines, 2u);
  EXPECT_EQ(r.stats().refused_series, 2u);

  r.SpliceLines(s, 0, 1, {});
  r.Readmit(s, describe);
  Append(&r, s, 2000, {2, 3, 4});
  EXPECT_EQ(r.refused_lines(s), 1u);
  EXPECT_EQ(r.stats().refused_series, 2u);  // counted when they came
  EXPECT_THAT(FramesOf(r)[1].samples,
              ElementsAre(Pair("b{}", BitsOf(2)), Pair("c{}", BitsOf(3))));

  r.SpliceLines(s, 2, 1, {});
  EXPECT_EQ(r.refused_lines(s), 0u);
}

// Everything is in the open stretch when the burst is over.
TEST(AdmissionTest, RecordsNewSeriesAfterAnExplosion) {
  constexpr std::size_t kBudget = 2u << 20;
  Recording r(kLife, {.budget_bytes = kBudget});
  const SourceId s = r.OpenSource("page", "");
  const exposition::SeriesDesc first = Desc("first");
  r.SpliceLines(s, 0, 0, {&first, 1});
  Append(&r, s, 1000, {1});
  const Many burst("exploding_series_number_", 30'000);
  r.SpliceLines(s, 1, 0, burst.descs);
  Append(&r, s, 2000, std::vector<double>(30'001, 7));
  ASSERT_GT(r.refused_lines(s), 10'000u);
  ASSERT_EQ(r.stats().chunks, 0u);

  // New lines come before the old ones go, as a page's edits may have it.
  const Many fresh("fresh_", 50);
  r.SpliceLines(s, 1, 0, fresh.descs);
  r.SpliceLines(s, 51, 30'000, {});
  const auto describe = [&](std::size_t line) { return fresh.descs[line - 1]; };
  const std::vector<double> values(51, 3);
  // The newest frame holds its series until there is a newer one.
  for (int i = 3; i < 5; ++i) {
    r.Readmit(s, describe);
    Append(&r, s, i * 1000, values);
  }
  EXPECT_EQ(r.refused_lines(s), 0u);
  EXPECT_LE(r.memory_bytes(), kBudget);
  EXPECT_THAT(FramesOf(r).back().samples, SizeIs(51));
  EXPECT_THAT(ToModel(r.Take().Latest()[0]).samples, SizeIs(51));
  EXPECT_LE(r.stats().series, 51u);
  // Whoever follows the log from anywhere gets what it refers to.
  for (Sequence from = 0; from < 3; ++from) {
    Recording mirror(0, {});
    for (const LogEntry& e : EntriesOf(r, {kLife, from})) {
      ASSERT_THAT(mirror.ApplyOverGap(e), IsOk());
    }
    EXPECT_EQ(FramesOf(mirror).back(), FramesOf(r).back());
  }
}

TEST(AdmissionTest, TheNewestFrameStaysReadableWhileItsSeriesGo) {
  Recording r(kLife, {.budget_bytes = 1u << 20});
  const SourceId s = r.OpenSource("page", "");
  const Many many("before_", 30'000);
  r.SpliceLines(s, 0, 0, many.descs);
  Append(&r, s, 1000, std::vector<double>(30'000, 7));
  const std::size_t was = r.Take().Latest()[0].values.size();
  ASSERT_GT(was, 1000u);
  r.SpliceLines(s, 0, 30'000, {});
  const exposition::SeriesDesc next = Desc("next");
  r.SpliceLines(s, 0, 0, {&next, 1});
  const Snapshot snapshot = r.Take();
  const SourceFrame frame = snapshot.Latest()[0];
  ASSERT_EQ(frame.values.size(), was);
  for (const SeriesRef& series : *frame.series) ASSERT_TRUE(series);
  EXPECT_EQ(r.refused_lines(s), 0u);
}

TEST(AdmissionTest, OwnReadingsAreNeverRefused) {
  Recording r(kLife, {.budget_bytes = 600'000, .max_series = 5});
  const SourceId page = r.OpenSource("page", "");
  const Many many("page_series_", 20'000);
  r.SpliceLines(page, 0, 0, many.descs);
  Append(&r, page, 1000, std::vector<double>(20'000, 1));
  EXPECT_EQ(r.stats().active_series, 5u);

  const SourceId own = r.OpenSource("own", "", Admission::kAlways);
  const exposition::SeriesDesc d[] = {Desc("up"), Desc("errors_total")};
  r.SpliceLines(own, 0, 0, d);
  Append(&r, own, 1000, {0, 4});
  EXPECT_EQ(r.refused_lines(own), 0u);
  EXPECT_THAT(FramesOf(r).back().samples, SizeIs(2));
  // Nor do they take the place of others.
  r.SpliceLines(page, 0, 20'000, {});
  r.SpliceLines(page, 0, 0, std::span(many.descs).first(5));
  Append(&r, page, 2000, {1, 2, 3, 4, 5});
  EXPECT_EQ(r.refused_lines(page), 0u);
  EXPECT_EQ(r.stats().active_series, 7u);
}

TEST(AdmissionTest, OwnReadingsFindAFullIndexOpen) {
  Recording r(kLife, {.budget_bytes = 600'000});
  const SourceId page = r.OpenSource("page", "");
  const Many many("page_series_", 20'000);
  r.SpliceLines(page, 0, 0, many.descs);
  Append(&r, page, 1000, std::vector<double>(20'000, 1));
  ASSERT_GT(r.refused_lines(page), 0u);
  const SourceId own = r.OpenSource("own", "", Admission::kAlways);
  const exposition::SeriesDesc d[] = {Desc("up"), Desc("errors_total")};
  r.SpliceLines(own, 0, 0, d);
  Append(&r, own, 1000, {0, 4});
  EXPECT_EQ(r.refused_lines(own), 0u);
  EXPECT_LE(r.memory_bytes(), 600'000u);
}

}  // namespace
}  // namespace fodc::recorder
