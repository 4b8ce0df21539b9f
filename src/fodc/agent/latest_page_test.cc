// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/latest_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "fodc/base/strings.h"
#include "fodc/exposition/page_reader.h"
#include "fodc/recorder/recording.h"

namespace fodc::agent {
namespace {

using exposition::Format;
using exposition::Label;
using exposition::MetricType;
using exposition::SeriesDesc;
using ::testing::HasSubstr;
using ::testing::Not;

class LatestPageTest : public ::testing::Test {
 protected:
  struct Line {
    std::string name;
    std::vector<Label> labels;
    std::string family;
    MetricType type;
    std::string help;
    double value;
    std::string unit = {};
  };

  void Add(const std::string& source, const std::string& container,
           const std::vector<Line>& lines) {
    const auto id = recording_.OpenSource(source, container);
    std::vector<SeriesDesc> descs;
    std::vector<double> values;
    for (const Line& l : lines) {
      descs.push_back({.name = l.name,
                       .labels = l.labels,
                       .family = l.family,
                       .type = l.type,
                       .help = l.help,
                       .unit = l.unit});
      values.push_back(l.value);
    }
    recording_.SpliceLines(id, 0, 0, descs);
    recording_.Append(id, {.monotonic_ms = 1, .unix_ms = 1}, values,
                      std::nullopt);
  }
  std::string Text(Format format, std::size_t piece_bytes = 1 << 18) {
    std::vector<LatestPage::Part> parts;
    for (auto& frame : recording_.Take().Latest()) {
      auto identity = std::make_shared<const exposition::Identity>(
          "ROLE_DATA", "pod-0", frame.container_name,
          std::map<std::string, std::string>{{"type", "hot"}});
      parts.push_back(
          {.frame = std::move(frame), .identity = std::move(identity)});
    }
    LatestPage page(std::move(parts), own_, format);
    std::string text;
    for (;;) {
      std::string piece;
      const auto step = page.Next(&piece, piece_bytes);
      EXPECT_TRUE(step.ok());
      text += piece;
      if (*step == net::BodyStep::kDone) return text;
    }
  }
  // What a reader makes of the page; fails if a line of it is bad.
  std::size_t SamplesOf(Format format, const std::string& text) {
    exposition::PageReader reader;
    exposition::PageBuffer buffer;
    EXPECT_TRUE(buffer.Append(text).ok());
    reader.Read(format, &buffer);
    EXPECT_EQ(reader.stats().lost_lines(), 0u) << text;
    EXPECT_FALSE(reader.stats().is_truncated);
    return reader.values().size();
  }

  recorder::Recording recording_{1, {}};
  std::vector<program::OwnFamily> own_;
};

TEST_F(LatestPageTest, FamiliesAreSortedWithIdentityAndEscapes) {
  Add("m", "db",
      {{"z_total",
        {{"path", "a\"b\\c\n"}},
        "z_total",
        MetricType::kCounter,
        "Zs\\\nand more",
        3},
       {"a", {}, "a", MetricType::kGauge, "", 0.5}});
  own_ = {{.name = "fodc_agent_x",
           .type = MetricType::kGauge,
           .help = "Own.",
           .samples = {
               {.name = "fodc_agent_x", .labels = {{"k", "v"}}, .value = 1}}}};
  EXPECT_EQ(Text(Format::kText),
            "# TYPE a gauge\n"
            "a{container_name=\"db\",node_role=\"ROLE_DATA\",node_type=\"hot\","
            "pod_name=\"pod-0\"} 0.5\n"
            "# HELP fodc_agent_x Own.\n"
            "# TYPE fodc_agent_x gauge\n"
            "fodc_agent_x{k=\"v\"} 1\n"
            "# HELP z_total Zs\\\\\\nand more\n"
            "# TYPE z_total counter\n"
            "z_total{container_name=\"db\",node_role=\"ROLE_DATA\","
            "node_type=\"hot\",path=\"a\\\"b\\\\c\\n\",pod_name=\"pod-0\"} "
            "3\n");
  EXPECT_EQ(SamplesOf(Format::kText, Text(Format::kText)), 3u);
}

TEST_F(LatestPageTest, ACollidingLabelIsKeptAsExported) {
  Add("m", "db",
      {{"a", {{"pod_name", "mine"}}, "a", MetricType::kGauge, "", 1}});
  EXPECT_THAT(Text(Format::kText), HasSubstr("exported_pod_name=\"mine\""));
  EXPECT_THAT(Text(Format::kText), HasSubstr(",pod_name=\"pod-0\""));
}

TEST_F(LatestPageTest, HistogramsStayTogether) {
  Add("m", "",
      {{"h_bucket", {{"le", "1"}}, "h", MetricType::kHistogram, "H.", 1},
       {"h_bucket", {{"le", "+Inf"}}, "h", MetricType::kHistogram, "H.", 2},
       {"h_sum", {}, "h", MetricType::kHistogram, "H.", 3},
       {"h_count", {}, "h", MetricType::kHistogram, "H.", 2}});
  for (const Format format : {Format::kText, Format::kOpenMetrics}) {
    const std::string text = Text(format);
    EXPECT_THAT(text, HasSubstr("# TYPE h histogram\nh_bucket{le=\"1\""));
    EXPECT_EQ(SamplesOf(format, text), 4u);
  }
}

TEST_F(LatestPageTest, OpenMetricsNamesCountersByTheirFamily) {
  Add("m", "",
      {{"a_total", {}, "a_total", MetricType::kCounter, "A.", 1},
       {"b", {}, "b", MetricType::kCounter, "", 2},  // no _total: no counter
       {"c", {}, "c", MetricType::kGauge, "", std::nan("")},
       {"c_total", {}, "c_total", MetricType::kCounter, "", 4},
       {"d", {}, "d", MetricType::kUntyped, "", INFINITY}});
  const std::string text = Text(Format::kOpenMetrics);
  EXPECT_THAT(text, HasSubstr("# HELP a A.\n# TYPE a counter\na_total{"));
  EXPECT_THAT(text, HasSubstr("# TYPE b unknown\nb{"));
  EXPECT_THAT(text, HasSubstr("# TYPE c gauge\nc{"));
  EXPECT_THAT(text, HasSubstr("# TYPE c_total unknown\nc_total{"));
  EXPECT_THAT(text, HasSubstr("# TYPE d unknown\n"));
  EXPECT_THAT(text, HasSubstr("} +Inf\n"));
  EXPECT_TRUE(text.ends_with("\n# EOF\n"));
  EXPECT_EQ(SamplesOf(Format::kOpenMetrics, text), 5u);
  const std::string plain = Text(Format::kText);
  EXPECT_THAT(plain, HasSubstr("# TYPE b counter\n"));
  EXPECT_THAT(plain, Not(HasSubstr("# EOF")));
}

TEST_F(LatestPageTest, OpenMetricsTellsTheUnit) {
  Add("m", "",
      {{"a_seconds_total",
        {},
        "a_seconds",
        MetricType::kCounter,
        "",
        1,
        "seconds"},
       {"b", {}, "b", MetricType::kGauge, "", 1, "bytes"}});
  const std::string text = Text(Format::kOpenMetrics);
  EXPECT_THAT(
      text, HasSubstr("# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"));
  EXPECT_THAT(text, Not(HasSubstr("# UNIT b")));
  EXPECT_THAT(Text(Format::kText), Not(HasSubstr("UNIT")));
}

TEST_F(LatestPageTest, AFamilyOfSeveralSourcesHasOneHeadAndNoDuplicates) {
  Add("m1", "", {{"up", {}, "up", MetricType::kGauge, "", 1}});
  Add("m2", "",
      {{"up", {}, "up", MetricType::kGauge, "Late help.", 0},
       {"up", {{"x", "y"}}, "up", MetricType::kGauge, "", 5}});
  const std::string text = Text(Format::kText);
  EXPECT_TRUE(text.starts_with("# HELP up Late help.\n# TYPE up gauge\n"));
  EXPECT_EQ(SamplesOf(Format::kText, text), 2u);
}

TEST_F(LatestPageTest, ComesInPiecesOfTheSizeAskedFor) {
  std::vector<Line> lines;
  lines.reserve(2000);
  std::vector<std::string> names;
  names.reserve(2000);
  for (int i = 0; i < 2000; ++i) names.push_back(StrCat("v", i));
  for (int i = 0; i < 2000; ++i) {
    lines.push_back({"one_family",
                     {{"i", names[static_cast<std::size_t>(i)]}},
                     "one_family",
                     MetricType::kGauge,
                     "",
                     i * 1.0});
  }
  Add("m", "", lines);
  const std::string whole = Text(Format::kText);
  EXPECT_EQ(Text(Format::kText, 1000), whole);
  EXPECT_EQ(SamplesOf(Format::kText, whole), 2000u);
}

}  // namespace
}  // namespace fodc::agent
