// SPDX-License-Identifier: Apache-2.0
// Readings that need no whole snapshot, and series in any order.
#include <gtest/gtest.h>

#include <vector>

#include "fodc/recorder/recording.h"
#include "fodc/recorder/series_reader.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::recorder {
namespace {

class LatestTest : public ::testing::Test {
 protected:
  LatestTest() : recording_(1, {}) {
    source_ = recording_.OpenSource("page", "data");
    std::vector<exposition::SeriesDesc> lines(3);
    lines[0].name = lines[0].family = "a";
    lines[1].name = lines[1].family = "b";
    lines[2].name = lines[2].family = "c";
    recording_.SpliceLines(source_, 0, 0, lines);
    for (int i = 0; i < 5; ++i) Append(1000 * i, {1.0 + i, 2, 3.5 * i});
  }
  void Append(std::int64_t ms, std::vector<double> values) {
    recording_.Append(source_, {ms, 1'000'000 + ms}, values, {});
  }
  Recording recording_;
  SourceId source_ = 0;
};

TEST_F(LatestTest, IsThatOfASnapshot) {
  const auto frames = recording_.Latest();
  const Snapshot snapshot = recording_.Take();
  const auto expected = snapshot.Latest();
  ASSERT_EQ(frames.size(), 1u);
  ASSERT_EQ(expected.size(), 1u);
  EXPECT_EQ(frames[0].values, (std::vector<double>{5, 2, 14}));
  EXPECT_EQ(frames[0].values, expected[0].values);
  EXPECT_EQ(frames[0].series, expected[0].series);
  EXPECT_EQ(frames[0].name, expected[0].name);
  EXPECT_EQ(frames[0].time, expected[0].time);
  EXPECT_EQ(frames[0].source_name, "page");
  EXPECT_EQ(frames[0].container_name, "data");
}

TEST_F(LatestTest, AnInstantIsNoOlderThanItMayBe) {
  const Snapshot snapshot = recording_.Take();
  auto at = snapshot.At(1'002'500, 1000);
  ASSERT_TRUE(at.ok());
  ASSERT_EQ(at->size(), 1u);
  EXPECT_EQ((*at)[0].values[0], 3);
  at = snapshot.At(1'010'000, 1000);
  ASSERT_TRUE(at.ok());
  EXPECT_TRUE(at->empty());
}

TEST_F(LatestTest, ReadsSeriesInAnyOrder) {
  const Snapshot snapshot = recording_.Take();
  const auto reader = snapshot.OpenSeriesReader(
      {}, [](const SeriesView& v) { return v.series->name() != "b"; });
  ASSERT_EQ(reader->size(), 2u);
  std::span<const std::int64_t> times;
  std::span<const double> values;
  for (const std::size_t i : {1u, 0u, 1u}) {
    reader->Read(i, &times, &values);
    ASSERT_EQ(values.size(), 5u);
    EXPECT_EQ(values[2], i == 0 ? 3 : 7);
    EXPECT_EQ(times[2], 1'002'000);
    EXPECT_EQ(reader->series(i).series->name(), i == 0 ? "a" : "c");
  }
}

}  // namespace
}  // namespace fodc::recorder
