// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/sample_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "fodc/base/status_matchers.h"

namespace fodc::ctl {
namespace {

using exposition::Label;
using exposition::MetricType;

const std::vector<Label> kLabels{{"a", "x\"y\\z\n,"}, {"b", ""}};

std::string WriteAll(SampleFormat format, bool with_times) {
  StringOutput out;
  const auto writer = MakeSampleWriter(format, with_times, &out);
  const std::vector<std::int64_t> times{-1, 1795246273857};
  const std::vector<double> values{0.1,
                                   -std::numeric_limits<double>::infinity()};
  EXPECT_THAT(writer->Write({.name = "n_total",
                             .labels = kLabels,
                             .family = "n_total",
                             .type = MetricType::kCounter,
                             .help = "Two\nlines \"x\"",
                             .unit = ""},
                            times, values),
              IsOk());
  EXPECT_THAT(writer->End(), IsOk());
  return out.text;
}

TEST(SampleWriterTest, Csv) {
  EXPECT_EQ(WriteAll(SampleFormat::kCsv, true),
            "timestamp,name,labels,value\n"
            "1969-12-31T23:59:59.999Z,n_total,"
            "\"a=\"\"x\\\"\"y\\\\z\\n,\"\",b=\"\"\"\"\",0.1\n"
            "2026-11-21T07:31:13.857Z,n_total,"
            "\"a=\"\"x\\\"\"y\\\\z\\n,\"\",b=\"\"\"\"\",-Inf\n");
}

TEST(SampleWriterTest, TextHasMilliseconds) {
  EXPECT_EQ(WriteAll(SampleFormat::kText, true),
            "# HELP n_total Two\\nlines \"x\"\n# TYPE n_total counter\n"
            "n_total{a=\"x\\\"y\\\\z\\n,\",b=\"\"} 0.1 -1\n"
            "n_total{a=\"x\\\"y\\\\z\\n,\",b=\"\"} -Inf 1795246273857\n");
}

TEST(SampleWriterTest, OpenMetricsHasSecondsAndAnEnd) {
  EXPECT_EQ(WriteAll(SampleFormat::kOpenMetrics, true),
            "# HELP n Two\\nlines \\\"x\\\"\n# TYPE n counter\n"
            "n_total{a=\"x\\\"y\\\\z\\n,\",b=\"\"} 0.1 -0.001\n"
            "n_total{a=\"x\\\"y\\\\z\\n,\",b=\"\"} -Inf 1795246273.857\n"
            "# EOF\n");
}

// A family's samples under the names that each format gives them.
std::string WriteFamily(SampleFormat format, MetricType type,
                        std::string_view family,
                        const std::vector<std::string_view>& names) {
  StringOutput out;
  const auto writer = MakeSampleWriter(format, false, &out);
  for (const std::string_view name : names) {
    EXPECT_THAT(
        writer->Write({.name = name,
                       .labels = {},
                       .family = family,
                       .type = type,
                       .help = "",
                       .unit = "seconds"},
                      std::vector<std::int64_t>{0}, std::vector<double>{1}),
        IsOk());
  }
  EXPECT_THAT(writer->End(), IsOk());
  return out.text;
}

TEST(SampleWriterTest, HeadsAreThoseOfTheirFormat) {
  // A counter of an OpenMetrics page, whose creation time comes first.
  const std::vector<std::string_view> counter{"x_created", "x_total"};
  EXPECT_EQ(WriteFamily(SampleFormat::kOpenMetrics, MetricType::kCounter, "x",
                        counter),
            "# TYPE x counter\nx_created 1\nx_total 1\n# EOF\n");
  EXPECT_EQ(
      WriteFamily(SampleFormat::kText, MetricType::kCounter, "x", counter),
      "# TYPE x_created gauge\nx_created 1\n"
      "# TYPE x_total counter\nx_total 1\n");
  // One head, though another family stands between.
  EXPECT_EQ(WriteFamily(SampleFormat::kText, MetricType::kSummary, "y",
                        {"y_count", "y_created", "y_sum"}),
            "# TYPE y summary\ny_count 1\n"
            "# TYPE y_created gauge\ny_created 1\ny_sum 1\n");
  EXPECT_EQ(WriteFamily(SampleFormat::kOpenMetrics, MetricType::kGauge,
                        "z_seconds", {"z_seconds"}),
            "# TYPE z_seconds gauge\n# UNIT z_seconds seconds\n"
            "z_seconds 1\n# EOF\n");
}

TEST(SampleWriterTest, JsonIsJson) {
  const auto j = nlohmann::json::parse(WriteAll(SampleFormat::kJson, true),
                                       nullptr, false);
  ASSERT_EQ(j.size(), 1U);
  EXPECT_EQ(j[0]["name"], "n_total");
  EXPECT_EQ(j[0]["labels"]["a"], "x\"y\\z\n,");
  EXPECT_EQ(j[0]["data"][0]["value"], 0.1);
  EXPECT_EQ(j[0]["data"][1]["value"], "-Inf");
  EXPECT_EQ(j[0]["data"][1]["timestamp"], "2026-11-21T07:31:13.857Z");
}

TEST(SampleWriterTest, NothingIsStillADocument) {
  for (const auto& [format, text] :
       std::vector<std::pair<SampleFormat, std::string>>{
           {SampleFormat::kCsv, "timestamp,name,labels,value\n"},
           {SampleFormat::kJson, "[]\n"},
           {SampleFormat::kText, ""},
           {SampleFormat::kOpenMetrics, "# EOF\n"}}) {
    StringOutput out;
    EXPECT_THAT(MakeSampleWriter(format, true, &out)->End(), IsOk());
    EXPECT_EQ(out.text, text);
  }
}

TEST(OpenMetricsToCsvTest, IsWhatTheCsvWriterWritesInPiecesOfAnySize) {
  const std::string text = WriteAll(SampleFormat::kOpenMetrics, true);
  for (std::size_t piece = 1; piece < 40; ++piece) {
    StringOutput out;
    OpenMetricsToCsv csv(&out);
    for (std::size_t at = 0; at < text.size(); at += piece) {
      ASSERT_THAT(csv.Feed(text.substr(at, piece)), IsOk());
    }
    EXPECT_THAT(csv.End(), IsOk());
    EXPECT_EQ(out.text, WriteAll(SampleFormat::kCsv, true));
  }
}

TEST(OpenMetricsToCsvTest, CutAndBadTextIsAnError) {
  StringOutput out;
  OpenMetricsToCsv cut(&out);
  EXPECT_THAT(cut.Feed("a 1 2\n"), IsOk());
  EXPECT_THAT(cut.End(), StatusIs(Code::kDataLoss, testing::_));
  for (const char* line :
       {"a\n", "a 1\n", "a{b=\"c 1 2\n", "a x 2\n", "a 1 x\n", "a 1 1e300\n"}) {
    OpenMetricsToCsv bad(&out);
    EXPECT_THAT(bad.Feed(line), StatusIs(Code::kDataLoss, testing::_)) << line;
  }
}

}  // namespace
}  // namespace fodc::ctl
