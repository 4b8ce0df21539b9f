// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace fodc::detect {
namespace {

using ::testing::ElementsAre;
using Step = HistogramTrack::Step;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(BucketsTest, AQuantileIsInterpolatedInsideOfItsBucket) {
  const Buckets b{{1, 2, 4, kInf}, {50, 40, 10, 0}};
  EXPECT_DOUBLE_EQ(*b.Quantile(0.5), 1);
  EXPECT_DOUBLE_EQ(*b.Quantile(0.25), 0.5);
  EXPECT_DOUBLE_EQ(*b.Quantile(0.9), 2);
  EXPECT_DOUBLE_EQ(*b.Quantile(0.95), 3);
  EXPECT_DOUBLE_EQ(*b.Quantile(1), 4);
}

TEST(BucketsTest, BeyondTheLastBoundItIsThatBound) {
  const Buckets b{{1, 2, kInf}, {1, 0, 9}};
  EXPECT_DOUBLE_EQ(*b.Quantile(0.99), 2);
}

TEST(BucketsTest, WithoutEventsThereIsNone) {
  EXPECT_EQ((Buckets{{1, kInf}, {0, 0}}).Quantile(0.95), std::nullopt);
  EXPECT_EQ(Buckets{}.Quantile(0.95), std::nullopt);
}

class HistogramTrackTest : public testing::Test {
 protected:
  Step Read(std::vector<double> values) { return track_.Read(values); }
  HistogramTrack track_;
};

TEST_F(HistogramTrackTest, CountsWhatCameBetweenFrames) {
  // Columns in any order.
  track_.SetColumns({{kInf, 0}, {1, 2}, {2, 1}});
  EXPECT_EQ(Read({100, 60, 50}), Step::kNothing);  // the first
  EXPECT_EQ(Read({107, 63, 51}), Step::kCounted);
  EXPECT_EQ(Read({108, 64, 52}), Step::kCounted);
  const Buckets b = track_.Take();
  EXPECT_THAT(b.bounds, ElementsAre(1, 2, kInf));
  EXPECT_THAT(b.counts, ElementsAre(2, 2, 4));
  EXPECT_EQ(b.total(), 8);
  EXPECT_EQ(track_.Take().total(), 0);
}

TEST_F(HistogramTrackTest, ACounterThatGoesBackCountsNothing) {
  track_.SetColumns({{1, 0}, {kInf, 1}});
  Read({10, 20});
  EXPECT_EQ(Read({1, 2}), Step::kReset);
  EXPECT_EQ(Read({2, 4}), Step::kCounted);
  EXPECT_THAT(track_.Take().counts, ElementsAre(1, 1));
}

TEST_F(HistogramTrackTest, ValuesThatAreNoCountsAreAsNone) {
  for (const double bad : {kNan, kInf, -kInf, -1.0, 1e300}) {
    HistogramTrack t;
    t.SetColumns({{1, 0}, {kInf, 1}});
    t.Read(std::vector<double>{1, 1});
    EXPECT_EQ(t.Read(std::vector<double>{bad, 5}), Step::kNothing) << bad;
    EXPECT_EQ(t.Read(std::vector<double>{7, 9}), Step::kNothing) << bad;
    EXPECT_EQ(t.Read(std::vector<double>{8, 10}), Step::kCounted) << bad;
    EXPECT_EQ(t.Take().total(), 1) << bad;
  }
}

TEST_F(HistogramTrackTest, BucketsThatWereReadInPassingAreRaised) {
  track_.SetColumns({{1, 0}, {2, 1}, {kInf, 2}});
  Read({0, 0, 0});
  EXPECT_EQ(Read({5, 3, 6}), Step::kCounted);
  EXPECT_THAT(track_.Take().counts, ElementsAre(5, 0, 1));
}

TEST_F(HistogramTrackTest, ForeignBoundsAreTakenAndBadOnesAreNoHistogram) {
  track_.SetColumns({{-3, 0}, {0.3, 1}, {1e9, 2}, {kInf, 3}});
  EXPECT_TRUE(track_.is_there());
  track_.SetColumns({{1, 0}, {2, 1}});  // without an end
  EXPECT_FALSE(track_.is_there());
  track_.SetColumns({{1, 0}, {1, 1}, {kInf, 2}});  // twice
  EXPECT_FALSE(track_.is_there());
  track_.SetColumns({{kNan, 0}, {kInf, 2}});
  EXPECT_FALSE(track_.is_there());
  std::vector<HistogramTrack::Column> many(HistogramTrack::kMaxBuckets + 1);
  for (std::size_t i = 0; i < many.size(); ++i)
    many[i].bound = static_cast<double>(i);
  many.back().bound = kInf;
  track_.SetColumns(many);
  EXPECT_FALSE(track_.is_there());
  EXPECT_EQ(Read({1}), Step::kNothing);
}

TEST_F(HistogramTrackTest, OtherBoundsBeginAnewAndOtherLinesDoNot) {
  track_.SetColumns({{1, 0}, {kInf, 1}});
  Read({1, 2});
  track_.SetColumns({{1, 1}, {kInf, 0}});
  EXPECT_EQ(Read({5, 4}), Step::kCounted);
  EXPECT_EQ(track_.Take().total(), 3);
  track_.SetColumns({{2, 1}, {kInf, 0}});
  EXPECT_EQ(Read({9, 9}), Step::kNothing);
  // One that vanished and came back, too.
  track_.SetColumns({});
  track_.SetColumns({{2, 1}, {kInf, 0}});
  EXPECT_EQ(Read({50, 50}), Step::kNothing);
}

}  // namespace
}  // namespace fodc::detect
