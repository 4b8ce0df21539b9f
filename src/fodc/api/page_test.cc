// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "fodc/base/strings.h"
#include "fodc/recorder/series_pool.h"

namespace fodc::api {
namespace {

using exposition::Label;
using exposition::MetricType;
using ::testing::HasSubstr;

struct Sample {
  std::string_view name;
  std::vector<Label> labels = {};
  double value = 0;
  std::string_view family = {};
  MetricType type = MetricType::kUnknown;
  std::string_view help = {};
};

class PageTest : public ::testing::Test {
 protected:
  PagePart Part(std::string_view slot, const std::vector<Sample>& samples,
                std::shared_ptr<const exposition::Identity> identity) {
    auto series = std::make_shared<std::vector<recorder::SeriesRef>>();
    PagePart part;
    for (const Sample& s : samples) {
      series->push_back(pool_.Intern({s.name,
                                      s.labels,
                                      s.family.empty() ? s.name : s.family,
                                      s.type,
                                      s.help,
                                      {}}));
      part.values.push_back(s.value);
    }
    part.layout = cache_->Find(slot, series, *identity);
    part.identity = std::move(identity);
    return part;
  }
  static std::shared_ptr<const exposition::Identity> Pod(
      std::string_view name, std::string_view container = "") {
    return std::make_shared<const exposition::Identity>(
        "ROLE_DATA", name, container, std::map<std::string, std::string>());
  }
  std::string Text(std::vector<PagePart> parts, std::size_t piece = 1 << 20) {
    PageText page(&*cache_, std::move(parts));
    std::string out;
    for (bool more = true; more;) {
      std::string next;
      more = page.Append(&next, piece);
      EXPECT_TRUE(!more || next.size() >= piece);
      EXPECT_LE(next.size(), piece + 40'000);
      out += next;
    }
    return out;
  }

  recorder::SeriesPool pool_;
  std::optional<LineCache> cache_{std::in_place};
};

TEST_F(PageTest, MergesLabelsInOrder) {
  EXPECT_EQ(Text({Part("a", {{"x", {{"le", "1"}, {"zone", "z"}}, 2}, {"y", {}}},
                       Pod("p", "c"))}),
            "# TYPE x untyped\n"
            "x{container_name=\"c\",le=\"1\",node_role=\"ROLE_DATA\","
            "pod_name=\"p\",zone=\"z\"} 2\n"
            "# TYPE y untyped\n"
            "y{container_name=\"c\",node_role=\"ROLE_DATA\",pod_name=\"p\"} "
            "0\n");
}

TEST_F(PageTest, WritesSeriesWithoutIdentity) {
  EXPECT_EQ(Text({Part("a", {{"x", {}, 1}, {"x", {{"a", "q\"\\\n"}}, 2}},
                       std::make_shared<exposition::Identity>())}),
            "# TYPE x untyped\nx 1\nx{a=\"q\\\"\\\\\\n\"} 2\n");
}

TEST_F(PageTest, KeepsACollidingLabelAsExported) {
  EXPECT_THAT(Text({Part("a", {{"x", {{"pod_name", "other"}}}}, Pod("p"))}),
              HasSubstr("x{exported_pod_name=\"other\","
                        "node_role=\"ROLE_DATA\",pod_name=\"p\"} 0\n"));
}

TEST_F(PageTest, ShowsEveryLabelOfANodeWithMany) {
  std::map<std::string, std::string> many;
  for (int i = 0; i < 300; ++i) many[StrCat("key_", 100 + i)] = StrCat(i);
  const auto identity =
      std::make_shared<const exposition::Identity>("ROLE_DATA", "p", "c", many);
  // One label of its own among them.
  const std::string text =
      Text({Part("a", {{"x", {{"node_key_2", "own"}}, 1}}, identity)});
  std::string want = "x{container_name=\"c\",";
  for (int i = 0; i < 300; ++i) {
    want += StrCat("node_key_", 100 + i, "=\"", i, "\",");
    if (i == 99) want += "node_key_2=\"own\",";
  }
  want += "node_role=\"ROLE_DATA\",pod_name=\"p\"} 1\n";
  EXPECT_EQ(text, "# TYPE x untyped\n" + want);
}

TEST_F(PageTest, BoundsTheLabelsOfANode) {
  std::map<std::string, std::string> many;
  for (int i = 0; i < 70'000; ++i) many[StrCat("key_", i)] = "v";
  const auto identity =
      std::make_shared<const exposition::Identity>("ROLE_DATA", "p", "c", many);
  EXPECT_EQ(identity->labels().size(), exposition::kMaxShownNodeLabels + 3);
  EXPECT_THAT(Text({Part("a", {{"x", {{"node_key_2", "own"}}, 1}}, identity)}),
              HasSubstr("node_role=\"ROLE_DATA\",pod_name=\"p\"} 1\n"));
}

TEST_F(PageTest, ShowsNoNameThatIsNotLegal) {
  EXPECT_EQ(Text({Part("a",
                       {{"x y\nup{pod_name=\"q\"} 1\n#",
                         {{"__name__", "n"}, {"a b\n", "1"}, {"a_b_", "2"}},
                         3}},
                       Pod("p"))}),
            "# TYPE x_y_up_pod_name__q___1__ untyped\n"
            "x_y_up_pod_name__q___1__{a_b_=\"2\",exported___name__=\"n\","
            "exported_a_b_=\"1\",node_role=\"ROLE_DATA\",pod_name=\"p\"} 3\n");
  // One family, however it was written.
  EXPECT_EQ(Text({Part("b", {{"m n", {}, 1}, {"m_n", {{"x", "y"}}, 2}},
                       std::make_shared<exposition::Identity>())}),
            "# TYPE m_n untyped\nm_n 1\nm_n{x=\"y\"} 2\n");
}

TEST_F(PageTest, MergesFamiliesOfAllParts) {
  EXPECT_EQ(
      Text({Part("a", {{"b", {}, 1, "", MetricType::kUnknown}, {"a", {}, 2}},
                 Pod("p")),
            Part("b",
                 {{"b", {}, 3, "", MetricType::kCounter, "Help\\\n\"me\""},
                  {"c", {}, 4, "", MetricType::kGauge}},
                 Pod("q"))}),
      "# TYPE a untyped\n"
      "a{node_role=\"ROLE_DATA\",pod_name=\"p\"} 2\n"
      "# HELP b Help\\\\\\n\"me\"\n"
      "# TYPE b counter\n"
      "b{node_role=\"ROLE_DATA\",pod_name=\"p\"} 1\n"
      "b{node_role=\"ROLE_DATA\",pod_name=\"q\"} 3\n"
      "# TYPE c gauge\n"
      "c{node_role=\"ROLE_DATA\",pod_name=\"q\"} 4\n");
}

TEST_F(PageTest, LetsUntypedComponentsJoinTheirHistogram) {
  const auto none = std::make_shared<exposition::Identity>();
  const std::string text = Text(
      {Part("a", {{"h_bucket", {{"le", "1"}}, 1}, {"h_count", {}, 2}}, none),
       Part("b",
            {{"h_bucket", {{"le", "2"}}, 3, "h", MetricType::kHistogram},
             {"other_count", {}, 4}},
            none)});
  EXPECT_EQ(text,
            "# TYPE h histogram\n"
            "h_bucket{le=\"2\"} 3\n"
            "h_bucket{le=\"1\"} 1\n"
            "h_count 2\n"
            "# TYPE other_count untyped\n"
            "other_count 4\n");
}

TEST_F(PageTest, GivesSamplesOfOpenMetricsFamiliesThatTextKnows) {
  const auto none = std::make_shared<exposition::Identity>();
  const std::string text = Text(
      {Part("a",
            {{"om_total", {}, 1, "om", MetricType::kCounter, "Help."},
             {"om_created", {}, 2, "om", MetricType::kCounter},
             {"inf_info", {}, 1, "inf", MetricType::kInfo},
             {"h_bucket", {{"le", "1"}}, 3, "h", MetricType::kHistogram},
             {"h_created", {}, 4, "h", MetricType::kHistogram},
             {"g_gsum", {}, 5, "g", MetricType::kGaugeHistogram}},
            none),
       Part("b", {{"om_total", {{"of", "text"}}, 6, "", MetricType::kCounter}},
            none)});
  EXPECT_EQ(text,
            "# TYPE g_gsum untyped\n"
            "g_gsum 5\n"
            "# TYPE h histogram\n"
            "h_bucket{le=\"1\"} 3\n"
            "# TYPE h_created gauge\n"
            "h_created 4\n"
            "# TYPE inf_info gauge\n"
            "inf_info 1\n"
            "# TYPE om_created gauge\n"
            "om_created 2\n"
            "# HELP om_total Help.\n"
            "# TYPE om_total counter\n"
            "om_total 1\n"
            "om_total{of=\"text\"} 6\n");
}

TEST_F(PageTest, WritesEveryValue) {
  const double inf = std::numeric_limits<double>::infinity();
  const std::string text =
      Text({Part("a",
                 {{"x", {{"n", "1"}}, inf},
                  {"x", {{"n", "2"}}, -inf},
                  {"x", {{"n", "3"}}, std::nan("")},
                  {"x", {{"n", "4"}}, 0.1},
                  {"x", {{"n", "5"}}, -0.0},
                  {"x", {{"n", "6"}}, 123456789012345}},
                 std::make_shared<exposition::Identity>())});
  for (const char* line : {"x{n=\"1\"} +Inf\n", "x{n=\"2\"} -Inf\n",
                           "x{n=\"3\"} NaN\n", "x{n=\"4\"} 0.1\n",
                           "x{n=\"5\"} -0\n", "x{n=\"6\"} 123456789012345\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(PageTest, GivesTheSameTextInPiecesOfAnySize) {
  std::vector<std::string> names;
  names.reserve(300);
  for (int i = 0; i < 300; ++i) names.push_back(StrCat("family_", i));
  const std::string longest(100'000, 'v');
  const auto parts = [&] {
    std::vector<PagePart> out;
    for (int p = 0; p < 5; ++p) {
      std::vector<Sample> samples;
      for (const std::string& name : names) {
        samples.push_back({name, {{"p", "1"}}, 1.5});
        samples.push_back({name, {{"p", "2"}}, 2});
      }
      samples.push_back({"long", {{"v", longest}}, 3});
      out.push_back(Part(StrCat("slot", p), samples, Pod(StrCat("pod-", p))));
    }
    return out;
  };
  const std::string whole = Text(parts());
  EXPECT_GT(whole.size(), 600'000u);
  PageText small(&*cache_, parts());
  std::string pieces;
  while (small.Append(&pieces, 1000)) {
  }
  EXPECT_EQ(pieces, whole);
}

TEST_F(PageTest, WritesLinesThatTheCacheHasNoRoomFor) {
  const std::vector<Sample> samples = {
      {"a", {{"x", "1"}}, 1}, {"b", {{"x", "1"}}, 2}, {"b", {{"x", "2"}}, 3}};
  const std::string cached = Text({Part("s", samples, Pod("p"))});
  cache_.emplace(std::size_t{1});
  const std::string uncached = Text({Part("s", samples, Pod("p"))});
  EXPECT_EQ(cached, uncached);
  EXPECT_EQ(cache_->stats().lines, 1u);
  EXPECT_EQ(cache_->stats().uncached, 2u);
}

TEST_F(PageTest, IsEmptyWithoutParts) { EXPECT_EQ(Text({}), ""); }

class LineCacheTest : public PageTest {};

TEST_F(LineCacheTest, SharesLayoutsOfEqualSeries) {
  const std::vector<Sample> samples = {{"a", {}, 1}, {"b", {}, 2}};
  const PagePart first = Part("s1", samples, Pod("p"));
  const PagePart second = Part("s2", samples, Pod("q"));
  EXPECT_EQ(first.layout, second.layout);
  EXPECT_NE(first.layout, Part("s3", samples, Pod("p", "c")).layout);
  EXPECT_EQ(cache_->stats().built, 2u);
}

TEST_F(LineCacheTest, KeepsTheLinesOfALayoutThatChanges) {
  Part("s", {{"a", {}}, {"b", {}}, {"d", {}}}, Pod("p"));
  const PagePart part = Part("s", {{"a", {}}, {"c", {}}, {"d", {}}}, Pod("p"));
  EXPECT_EQ(cache_->stats().lines, 4u);
  EXPECT_EQ(cache_->stats().layouts, 1u);
  EXPECT_EQ(part.layout->lines[1]->family->name, "c");
}

TEST_F(LineCacheTest, MakesLinesOnceThereIsRoom) {
  Part("s1", {{"a", {}}, {"b", {}}}, Pod("p"));
  cache_.emplace(cache_->stats().bytes);
  Part("s1", {{"a", {}}, {"b", {}}, {"c", {}}, {"d", {}}}, Pod("p"));
  const std::vector<Sample> late = {{"e", {}}};
  EXPECT_EQ(Part("s2", late, Pod("p")).layout->lines[0], nullptr);
  cache_->Sweep();
  EXPECT_EQ(Part("s2", late, Pod("p")).layout->lines[0], nullptr);
  cache_->Sweep();  // nobody has asked for s1 since the last one
  EXPECT_NE(Part("s2", late, Pod("p")).layout->lines[0], nullptr);
}

TEST_F(LineCacheTest, ForgetsWhatNobodyShows) {
  Part("s1", {{"a", {}}}, Pod("p"));
  cache_->Sweep();
  Part("s2", {{"b", {}}}, Pod("p"));
  cache_->Sweep();
  const LineCacheStats s = cache_->stats();
  EXPECT_EQ(s.lines, 1u);
  EXPECT_EQ(s.layouts, 1u);
  EXPECT_EQ(s.families, 1u);
  EXPECT_EQ(s.shapes, 1u);
  EXPECT_EQ(cache_->FindFamily("a"), nullptr);
  EXPECT_NE(cache_->FindFamily("b"), nullptr);
  // An identity of other labels, which goes again.
  Part("s2", {{"b", {}}}, Pod("p", "container"));
  EXPECT_EQ(cache_->stats().shapes, 2u);
  cache_->Sweep();
  EXPECT_EQ(cache_->stats().shapes, 1u);
  EXPECT_EQ(Text({Part("s2", {{"b", {}}}, Pod("p"))}),
            "# TYPE b untyped\nb{node_role=\"ROLE_DATA\",pod_name=\"p\"} 0\n");
  cache_->Sweep();
  cache_->Sweep();
  EXPECT_EQ(cache_->stats().bytes, 0u);
  EXPECT_EQ(cache_->stats().shapes, 0u);
}

}  // namespace
}  // namespace fodc::api
