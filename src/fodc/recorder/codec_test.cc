// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <tuple>

#include "fodc/base/status_matchers.h"
#include "fodc/recorder/bytes.h"
#include "fodc/recorder/column_codec.h"
#include "fodc/recorder/decimal.h"
#include "fodc/recorder/row_codec.h"
#include "fodc/recorder/series_pool.h"

namespace fodc::recorder {
namespace {

using ::testing::HasSubstr;

TEST(FindExponentTest, GivesTheFewestDigitsThatGiveTheBitsBack) {
  EXPECT_EQ(FindExponent(0), 0);
  EXPECT_EQ(FindExponent(-7), 0);
  EXPECT_EQ(FindExponent(0.5), 1);
  EXPECT_EQ(FindExponent(-12.34), 2);
  EXPECT_EQ(FindExponent(1e-9), 9);
  EXPECT_EQ(FindExponent(1e20), -6);
  for (const double v : {-0.0, 0.1 + 0.2, std::sqrt(2.0), 5e-324,
                         std::numeric_limits<double>::infinity(),
                         std::numeric_limits<double>::quiet_NaN(), 1e300}) {
    EXPECT_EQ(FindExponent(v), kRawExponent) << v;
  }
}

TEST(FindExponentTest, NeverLies) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200'000; ++i) {
    const double v = i % 2 == 0
                         ? FromBits(random())
                         : static_cast<double>(random() % 1'000'000'000) /
                               kPowersOfTen[random() % 12];
    const int e = FindExponent(v);
    if (e == kRawExponent) continue;
    std::int64_t m = 0;
    ASSERT_TRUE(ToMantissa(v, e, &m));
    ASSERT_TRUE(MantissaFits(m, e));
    ASSERT_EQ(BitsOf(FromDecimal(m, e)), BitsOf(v));
    ASSERT_EQ(MantissaOf(v, e), m);
  }
}

TEST(RowCodecTest, WritesAValueThatDidNotChange) {
  SlotState writer;
  SlotState reader;
  for (const double v : {3.5, 0.1 + 0.2}) {
    writer.Clear();
    reader.Clear();
    Row row;
    row.complete = true;
    row.added = {7};
    row.changes = {{0, 0, v}};
    for (int i = 0; i < 2; ++i) {
      std::string bytes;
      EncodeRow(row, &writer, &bytes);
      Row read;
      ASSERT_THAT(DecodeRow(bytes, reader, &read), IsOk());
      ApplyRow(read, &reader);
      EXPECT_EQ(BitsOf(reader.values[0]), BitsOf(v));
      row.complete = false;
      row.added.clear();
    }
  }
}

TEST(RowCodecTest, NamesTheOffsetOfTheDamage) {
  SlotState state;
  Row row;
  row.complete = true;
  row.added = {1, 2, 3};
  row.changes = {{0, 0, 1.0}, {2, 0, 2.5}};
  std::string bytes;
  EncodeRow(row, &state, &bytes);
  Row read;
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_THAT(DecodeRow(std::string_view(bytes).substr(0, n), {}, &read),
                StatusIs(Code::kDataLoss, HasSubstr("row damaged at byte")));
  }
  EXPECT_THAT(DecodeRow(bytes + "x", {}, &read),
              StatusIs(Code::kDataLoss, HasSubstr("row damaged at byte")));
}

// Numbers of foreign bytes at the ends of what they can be.
TEST(IdRunsTest, RefusesRunsBeyondEveryId) {
  constexpr std::int64_t kMost = UINT32_MAX;
  for (const auto& [first, n, good] :
       {std::tuple{std::int64_t{INT64_MAX}, 1u, false},
        {std::int64_t{INT64_MAX} - 1, 2u, false},
        {std::int64_t{INT64_MIN}, 1u, false},
        {std::int64_t{-1}, 1u, false},
        {kMost + 1, 1u, false},
        {kMost, 2u, false},
        {kMost, 1u, true},
        {std::int64_t{0}, 0u, false}}) {
    std::string bytes;
    AppendVarint(&bytes, std::max(n, 1u));
    AppendSigned(&bytes, first);
    AppendVarint(&bytes, n);
    ByteReader in(bytes);
    std::vector<SeriesId> ids;
    EXPECT_EQ(ReadIdRuns(&in, &ids), good) << first << " " << n;
    EXPECT_EQ(ids.size(), good ? n : 0u) << first << " " << n;
  }
}

TEST(IdRunsTest, GoesOnAfterTheLastId) {
  const std::vector<SeriesId> ids = {UINT32_MAX - 1, UINT32_MAX, 5, 6};
  std::string bytes;
  AppendIdRuns(&bytes, ids);
  ByteReader in(bytes);
  std::vector<SeriesId> read;
  EXPECT_TRUE(ReadIdRuns(&in, &read));
  EXPECT_EQ(read, ids);
}

// Columns of one kind each, of every length up to a few groups.
TEST(ColumnCodecTest, GivesBackEveryKindOfColumn) {
  std::mt19937_64 random(2);
  for (std::size_t rows = 1; rows < 40; ++rows) {
    ColumnEncoder encoder(rows);
    std::vector<std::vector<double>> model;
    for (int kind = 0; kind < 24; ++kind) {
      std::vector<double> column = {kind % 3 == 0 ? 0.0 : kind * 1.5};
      std::vector<ColumnChange> changes;
      int exponent = kind % 3 == 0 ? 0 : 1;
      for (std::uint32_t row = 1; row < rows; ++row) {
        double v = column.back();
        switch (kind % 8) {
          case 1:
            v += 4096 * static_cast<double>(random() % 3);
            break;
          case 2:
            v += 10;
            break;
          case 3:
            v += 1000 + static_cast<double>(random() % 4);
            break;
          case 4:
            v += 0.001 * static_cast<double>(random() % 4);
            exponent = kRawExponent;
            break;
          case 5:
            v = FromBits(random());
            exponent = kRawExponent;
            break;
          case 6:  // as the column before it, from another start
            if (model.back()[0] == model.back()[0]) v += row % 4;
            break;
          default:
            break;
        }
        if (BitsOf(v) != BitsOf(column.back())) changes.push_back({row, v});
        column.push_back(v);
      }
      encoder.Add(column[0], changes, exponent);
      model.push_back(column);
    }
    std::string bytes;
    encoder.Finish(&bytes);
    const std::size_t size = bytes.size();
    bytes.append(ColumnDecoder::kSlackBytes, '\0');
    ColumnDecoder decoder;
    ASSERT_THAT(decoder.Init(std::string_view(bytes).substr(0, size), rows,
                             model.size()),
                IsOk());
    ColumnDecoder::Cache cache;
    std::vector<double> read(rows);
    for (std::size_t c = 0; c < model.size(); ++c) {
      for (ColumnDecoder::Cache* use :
           {static_cast<ColumnDecoder::Cache*>(nullptr), &cache}) {
        decoder.Decode(c, read.data(), use);
        for (std::size_t row = 0; row < rows; ++row) {
          ASSERT_EQ(BitsOf(read[row]), BitsOf(model[c][row]))
              << "rows " << rows << " column " << c << " row " << row;
        }
      }
    }
  }
}

TEST(SeriesPoolTest, SharesEqualSeriesAndFreesThemWithTheLastReference) {
  SeriesPool pool;
  const std::size_t empty = pool.bytes();
  const exposition::Label labels[] = {{"b", "2"}, {"a", "1"}};
  const exposition::SeriesDesc desc = {
      .name = "x_bucket",
      .labels = labels,
      .family = "x",
      .type = exposition::MetricType::kHistogram,
      .help = "Help.",
      .unit = "seconds"};
  SeriesRef first = pool.Intern(desc);
  const SeriesRef second = pool.Intern(desc);
  EXPECT_EQ(first, second);
  EXPECT_EQ(first->name(), "x_bucket");
  EXPECT_EQ(first->labels(), "a=\"1\",b=\"2\"");
  EXPECT_EQ(first->family(), "x");
  EXPECT_EQ(first->help(), "Help.");
  EXPECT_EQ(first->unit(), "seconds");
  exposition::SeriesDesc other = desc;
  other.help = "Other help.";
  EXPECT_NE(pool.Intern(other), first);
  EXPECT_EQ(pool.size(), 1u);  // the other one is gone again
  {
    const SeriesRef last = std::move(first);
    EXPECT_GT(pool.bytes(), empty);
  }
  EXPECT_EQ(pool.size(), 1u);
}

TEST(SeriesPoolTest, IsOutlivedByItsSeries) {
  SeriesRef series;
  {
    SeriesPool pool;
    series = pool.Intern(SeriesEntry{.incarnation = 1,
                                     .id = 1,
                                     .name = "n",
                                     .labels = "",
                                     .family = "f",
                                     .type = {},
                                     .help = "",
                                     .unit = ""});
  }
  EXPECT_EQ(series->name(), "n");
  EXPECT_EQ(series->family(), "f");
}

}  // namespace
}  // namespace fodc::recorder
