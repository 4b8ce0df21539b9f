// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/page_writer.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/exposition/page_reader.h"
#include "fodc/exposition/page_reader_testing.h"
#include "tests/support/frames.h"

namespace fodc::exposition {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A page read, and its series as a writer takes them.
struct Source {
  explicit Source(std::string_view page, Format format = Format::kText) {
    PageBuffer buffer;
    EXPECT_THAT(buffer.Append(page), IsOk());
    reader.Read(format, &buffer);
    EXPECT_EQ(reader.stats().lost_lines(), 0u) << page;
  }

  std::shared_ptr<const RenderedLayout> Layout(
      Format format, std::span<const std::string_view> identity_names = {}) {
    // Describe's views end with the next call: own everything.
    struct Owned {
      std::string name, family, help, unit;
      std::vector<std::pair<std::string, std::string>> labels;
      std::vector<Label> views;
    };
    std::vector<Owned> owned(reader.values().size());
    std::vector<SeriesDesc> series;
    for (std::uint32_t i = 0; i < owned.size(); ++i) {
      Owned& o = owned[i];
      SeriesDesc d = reader.Describe(i);
      o.name = d.name;
      o.family = d.family;
      o.help = d.help;
      o.unit = d.unit;
      for (const Label& l : d.labels) o.labels.emplace_back(l.name, l.value);
      for (const auto& [name, value] : o.labels) {
        o.views.push_back({name, value});
      }
      d.name = o.name;
      d.family = o.family;
      d.help = o.help;
      d.unit = o.unit;
      d.labels = o.views;
      series.push_back(d);
    }
    return RenderedLayout::Build(format, series, identity_names);
  }

  PageReader reader;
};

std::string Rewrite(std::string_view page, Format from, Format to) {
  Source source(page, from);
  const auto layout = source.Layout(to);
  const PagePart part{layout.get(), "", source.reader.values(), {}};
  std::string out;
  PageWriter(to, {&part, 1}).WriteAll(&out);
  return out;
}

std::string Rewrite(std::string_view page) {
  return Rewrite(page, Format::kText, Format::kText);
}

TEST(AppendNumberTest, WritesTheShortestTextThatReadsBack) {
  const auto text = [](double v) {
    std::string out;
    AppendNumber(&out, v);
    return out;
  };
  EXPECT_EQ(text(0), "0");
  EXPECT_EQ(text(-0.0), "-0");
  EXPECT_EQ(text(9), "9");
  EXPECT_EQ(text(10), "10");
  EXPECT_EQ(text(-12345), "-12345");
  EXPECT_EQ(text(18593032), "18593032");
  EXPECT_EQ(text(999999999999999), "999999999999999");
  EXPECT_EQ(text(1e15), "1e+15");
  EXPECT_EQ(text(9007199254740992), "9007199254740992");
  EXPECT_EQ(text(0.25), "0.25");
  EXPECT_EQ(text(100.005), "100.005");
  EXPECT_EQ(text(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(text(1.000000001), "1.000000001");
  EXPECT_EQ(text(1.5e-07), "1.5e-07");
  EXPECT_EQ(text(5e-324), "5e-324");
  EXPECT_EQ(text(std::numeric_limits<double>::max()),
            "1.7976931348623157e+308");
  EXPECT_EQ(text(std::nan("")), "NaN");
  EXPECT_EQ(text(INFINITY), "+Inf");
  EXPECT_EQ(text(-INFINITY), "-Inf");
}

TEST(AppendNumberTest, ReadsBackToTheSameBits) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 300'000; ++i) {
    double v = 0;
    switch (i % 4) {
      case 0: {
        const std::uint64_t bits = random();
        std::memcpy(&v, &bits, sizeof v);
        break;
      }
      case 1:
        v = static_cast<double>(random() % 1'000'000) / 1e3;
        break;
      case 2:
        v = static_cast<double>(random() >> (random() % 64));
        break;
      default:
        v = static_cast<double>(random() % 1'000'000'007) / 1e9;
        break;
    }
    if (v != v) continue;
    char text[kMaxNumberBytes];
    char* end = AppendNumber(text, v);
    ASSERT_LE(end - text, 24);
    double back = 0;
    ASSERT_TRUE(
        ParseNumber({text, static_cast<std::size_t>(end - text)}, &back));
    ASSERT_EQ(std::memcmp(&v, &back, sizeof v), 0)
        << std::string(text, end) << " for " << v;
    char shortest[64];
    std::snprintf(shortest, sizeof shortest, "%.15g", v);
    if (std::strtod(shortest, nullptr) == v && std::fabs(v) >= 1e-3 &&
        std::fabs(v) < 1e15) {
      ASSERT_LE(static_cast<std::size_t>(end - text), std::strlen(shortest));
    }
  }
}

TEST(PageWriterTest, SortsFamiliesAndWritesEachHeadOnce) {
  EXPECT_EQ(Rewrite("# HELP b Two \\\\ three\\nfour \"five\"\n"
                    "# TYPE b gauge\n"
                    "b{z=\"2\"} 2\n"
                    "# TYPE a_total counter\n"
                    "a_total 1\n"
                    "b{z=\"1\"} 1\n"
                    "c 3\n"),
            "# TYPE a_total counter\n"
            "a_total 1\n"
            "# HELP b Two \\\\ three\\nfour \"five\"\n"
            "# TYPE b gauge\n"
            "b{z=\"1\"} 1\n"
            "b{z=\"2\"} 2\n"
            "c 3\n");
}

TEST(PageWriterTest, EscapesLabelValues) {
  const std::string page =
      "a{x=\"q\\\"b\\\\n\\nl\",y=\"\",z=\"{},= \xc3\xa9\"} 1\n";
  EXPECT_EQ(Rewrite(page), page);
}

TEST(PageWriterTest, OrdersBucketsAndQuantilesByNumber) {
  EXPECT_EQ(Rewrite("# TYPE h histogram\n"
                    "h_count{a=\"1\"} 9\n"
                    "h_bucket{a=\"1\",le=\"+Inf\"} 9\n"
                    "h_bucket{a=\"1\",le=\"10\"} 5\n"
                    "h_bucket{a=\"1\",le=\"2\"} 4\n"
                    "h_sum{a=\"1\"} 3.5\n"
                    "h_bucket{a=\"0\",le=\"+Inf\"} 1\n"
                    "# TYPE s summary\n"
                    "s_sum 1\n"
                    "s{quantile=\"0.9\"} NaN\n"
                    "s{quantile=\"0.50\"} 2\n"
                    "s_count 3\n"),
            "# TYPE h histogram\n"
            "h_bucket{a=\"0\",le=\"+Inf\"} 1\n"
            "h_bucket{a=\"1\",le=\"2\"} 4\n"
            "h_bucket{a=\"1\",le=\"10\"} 5\n"
            "h_bucket{a=\"1\",le=\"+Inf\"} 9\n"
            "h_sum{a=\"1\"} 3.5\n"
            "h_count{a=\"1\"} 9\n"
            "# TYPE s summary\n"
            "s{quantile=\"0.50\"} 2\n"
            "s{quantile=\"0.9\"} NaN\n"
            "s_sum 1\n"
            "s_count 3\n");
}

TEST(PageWriterTest, MakesTextLegalOpenMetrics) {
  EXPECT_EQ(Rewrite("# HELP a_total Some \"a\".\n"
                    "# TYPE a_total counter\n"
                    "a_total 1\n"
                    "# TYPE b counter\n"
                    "b 2\n"
                    "# TYPE c untyped\n"
                    "c 3\n"
                    "d 4\n",
                    Format::kText, Format::kOpenMetrics),
            "# TYPE a counter\n"
            "# HELP a Some \\\"a\\\".\n"
            "a_total 1\n"
            "# TYPE b unknown\n"
            "b 2\n"
            "# TYPE c unknown\n"
            "c 3\n"
            "# TYPE d unknown\n"
            "d 4\n"
            "# EOF\n");
}

TEST(PageWriterTest, KeepsOpenMetricsAndMakesItLegalText) {
  const std::string page =
      "# TYPE a_seconds counter\n"
      "# UNIT a_seconds seconds\n"
      "# HELP a_seconds Time.\n"
      "a_seconds_total{x=\"1\"} 1\n"
      "a_seconds_created{x=\"1\"} 1700000000.123\n"
      "# TYPE b info\n"
      "b_info{v=\"1\"} 1\n"
      "# TYPE c stateset\n"
      "c{c=\"on\"} 1\n"
      "# EOF\n";
  EXPECT_EQ(Rewrite(page, Format::kOpenMetrics, Format::kOpenMetrics), page);
  EXPECT_EQ(Rewrite(page, Format::kOpenMetrics, Format::kText),
            "# HELP a_seconds_created Time.\n"
            "a_seconds_created{x=\"1\"} 1700000000.123\n"
            "# HELP a_seconds_total Time.\n"
            "# TYPE a_seconds_total counter\n"
            "a_seconds_total{x=\"1\"} 1\n"
            "# TYPE b_info gauge\n"
            "b_info{v=\"1\"} 1\n"
            "# TYPE c gauge\n"
            "c{c=\"on\"} 1\n");
}

TEST(PageWriterTest, MergesIdentityLabelsWithoutLoss) {
  Source source(
      "a 1\n"
      "a{pod_name=\"theirs\",exported_pod_name=\"too\"} 2\n"
      "a{x=\"1\"} 3\n");
  const std::vector<std::string_view> names = {"pod_name", "node_role"};
  const auto layout = source.Layout(Format::kText, names);
  const std::vector<Label> labels = {{"pod_name", "p\"1"}, {"node_role", "r"}};
  const std::string identity = RenderIdentity(labels);
  const PagePart part{layout.get(), identity, source.reader.values(), {}};
  std::string out;
  PageWriter(Format::kText, {&part, 1}).WriteAll(&out);
  EXPECT_EQ(out,
            "a{pod_name=\"p\\\"1\",node_role=\"r\"} 1\n"
            "a{exported_exported_pod_name=\"theirs\",exported_pod_name=\"too\","
            "pod_name=\"p\\\"1\",node_role=\"r\"} 2\n"
            "a{x=\"1\",pod_name=\"p\\\"1\",node_role=\"r\"} 3\n");
}

// Pages of several agents, each with its pod_name.
std::string Merge(Format format, const std::vector<std::string>& pages) {
  std::vector<std::unique_ptr<Source>> sources;
  std::vector<std::shared_ptr<const RenderedLayout>> layouts;
  std::vector<std::string> identities;
  const std::vector<std::string_view> names = {"pod"};
  for (std::size_t i = 0; i < pages.size(); ++i) {
    sources.push_back(std::make_unique<Source>(pages[i]));
    layouts.push_back(sources.back()->Layout(format, names));
    const std::string value = std::to_string(i);
    const Label label{"pod", value};
    identities.push_back(RenderIdentity({&label, 1}));
  }
  std::vector<PagePart> parts;
  for (std::size_t i = 0; i < pages.size(); ++i) {
    parts.push_back(
        {layouts[i].get(), identities[i], sources[i]->reader.values(), {}});
  }
  std::string out;
  PageWriter(format, parts).WriteAll(&out);
  return out;
}

TEST(PageWriterTest, MergesFamiliesOfManySources) {
  EXPECT_EQ(Merge(Format::kText,
                  {"# HELP b First.\n# TYPE b gauge\nb 1\na 1\n",
                   "# HELP b Second.\n# TYPE b counter\nb 2\n", "c 3\n"}),
            "a{pod=\"0\"} 1\n"
            "# HELP b First.\n"
            "# TYPE b gauge\n"
            "b{pod=\"0\"} 1\n"
            "b{pod=\"1\"} 2\n"
            "c{pod=\"2\"} 3\n");
}

TEST(PageWriterTest, WritesClashingFamiliesSeriesBySeries) {
  const std::vector<std::string> pages = {
      "# TYPE x histogram\nx_bucket{le=\"+Inf\"} 1\nx_sum 2\nx_count 3\n",
      "# TYPE x_count gauge\nx_count 4\n"};
  EXPECT_EQ(Merge(Format::kText, pages),
            "x_bucket{le=\"+Inf\",pod=\"0\"} 1\n"
            "# TYPE x_count gauge\n"
            "x_count{pod=\"1\"} 4\n"
            "x_count{pod=\"0\"} 3\n"
            "x_sum{pod=\"0\"} 2\n");
}

TEST(PageWriterTest, SplitsAFamilyWhoseTypesDiffer) {
  const std::vector<std::string> pages = {
      "# TYPE x gauge\nx 5\n",
      "# TYPE x histogram\nx_bucket{le=\"+Inf\"} 1\nx_sum 2\nx_count 3\n",
      "# TYPE x_total counter\nx_total 6\n"};
  EXPECT_EQ(Merge(Format::kOpenMetrics, pages),
            "# TYPE x unknown\n"
            "x{pod=\"0\"} 5\n"
            "# TYPE x_bucket unknown\n"
            "x_bucket{le=\"+Inf\",pod=\"1\"} 1\n"
            "# TYPE x_count unknown\n"
            "x_count{pod=\"1\"} 3\n"
            "# TYPE x_sum unknown\n"
            "x_sum{pod=\"1\"} 2\n"
            "# TYPE x_total unknown\n"
            "x_total{pod=\"2\"} 6\n"
            "# EOF\n");
}

TEST(PageWriterTest, WritesTimesInTheUnitOfTheFormat) {
  for (const Format format : {Format::kText, Format::kOpenMetrics}) {
    Source source("a 1.5\n");
    const auto layout = source.Layout(format);
    const PagePart part{layout.get(), "", source.reader.values(),
                        1700000000007};
    std::string out;
    PageWriter(format, {&part, 1}).WriteAll(&out);
    EXPECT_THAT(out,
                HasSubstr(format == Format::kText ? "a 1.5 1700000000007\n"
                                                  : "a 1.5 1700000000.007\n"));
  }
}

TEST(PageWriterTest, GivesTheSamePageInPiecesOfAnySize) {
  Source source(
      "# HELP h Some help.\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\n"
      "h_bucket{le=\"+Inf\"} 2\nh_sum 3.25\nh_count 2\na{b=\"c\"} NaN\n");
  const auto layout = source.Layout(Format::kOpenMetrics);
  const std::vector<PagePart> parts = {
      {layout.get(), "", source.reader.values(), 1000},
      {layout.get(), "", source.reader.values(), 2000}};
  std::string whole;
  PageWriter(Format::kOpenMetrics, parts).WriteAll(&whole);
  for (std::size_t size = 1; size < 200; ++size) {
    PageWriter writer(Format::kOpenMetrics, parts);
    std::string pieces;
    std::vector<char> buffer(size);
    while (const std::size_t n = writer.Write(buffer.data(), size)) {
      ASSERT_LE(n, size);
      pieces.append(buffer.data(), n);
    }
    ASSERT_EQ(pieces, whole) << size;
    EXPECT_EQ(writer.Write(buffer.data(), size), 0u);
  }
}

TEST(PageWriterTest, EmptyPages) {
  std::string out;
  PageWriter(Format::kText, {}).WriteAll(&out);
  EXPECT_EQ(out, "");
  PageWriter(Format::kOpenMetrics, {}).WriteAll(&out);
  EXPECT_EQ(out, "# EOF\n");
}

// Every series of a recorded page comes back with its value, in both formats.
TEST(PageWriterTest, RoundTripsRecordedPages) {
  for (const std::string_view name : test::kRecordingNames) {
    const auto recording = test::Recording::Load(test::RecordingPath(name));
    ASSERT_THAT(recording, IsOk());
    const std::string_view page = recording->frames().back().body;
    Source before(page);
    std::map<std::string, double> expected;
    const auto key = [](PageReader* reader, std::uint32_t i) {
      const SeriesDesc d = reader->Describe(i);
      std::string out(d.name);
      AppendCanonicalLabels(&out, d.labels);
      return out;
    };
    for (std::uint32_t i = 0; i < before.reader.values().size(); ++i) {
      expected[key(&before.reader, i)] = before.reader.values()[i];
    }
    for (const Format format : {Format::kText, Format::kOpenMetrics}) {
      Source after(Rewrite(page, Format::kText, format), format);
      EXPECT_FALSE(after.reader.stats().is_truncated);
      std::map<std::string, double> found;
      for (std::uint32_t i = 0; i < after.reader.values().size(); ++i) {
        found[key(&after.reader, i)] = after.reader.values()[i];
      }
      ASSERT_EQ(found.size(), expected.size()) << name;
      for (const auto& [series, value] : expected) {
        ASSERT_EQ(found.count(series), 1u) << series;
        ASSERT_EQ(std::memcmp(&found[series], &value, sizeof value), 0)
            << series;
      }
    }
  }
}

}  // namespace
}  // namespace fodc::exposition
