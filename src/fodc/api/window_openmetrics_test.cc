// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/window_openmetrics.h"

#include <gtest/gtest.h>

#include <set>

#include "fodc/base/strings.h"
#include "fodc/recorder/recording.h"

namespace fodc::api {
namespace {

constexpr int kFamilies = 50;
constexpr int kFrames = 10;

OpenMetricsNode MakeNode(int number) {
  recorder::Recording recording(1, {});
  const auto source = recording.OpenSource("page", "");
  std::vector<std::string> names;
  names.reserve(kFamilies);
  for (int f = 0; f < kFamilies; ++f) names.push_back(StrCat("family_", f));
  std::vector<exposition::SeriesDesc> lines;
  // Not in the order of families.
  for (int f = kFamilies; f-- > 0;) {
    exposition::SeriesDesc desc;
    desc.name = desc.family = names[static_cast<std::size_t>(f)];
    desc.type = exposition::MetricType::kGauge;
    lines.push_back(desc);
  }
  recording.SpliceLines(source, 0, 0, lines);
  for (int i = 0; i < kFrames; ++i) {
    std::vector<double> values;
    for (int f = kFamilies; f-- > 0;) values.push_back(f * 1000 + i);
    recording.Append(source, {1000 * i, 1000 * i}, values, std::nullopt);
  }
  OpenMetricsNode node;
  node.agent.id = StrCat("id-", number);
  node.agent.identity.pod_name = StrCat("pod-", number);
  node.snapshot = recording.Take();
  return node;
}

TEST(WindowOpenMetricsTest, OpensARecordingForManySeriesAtATime) {
  constexpr int kNodes = 40;
  static_assert(kNodes > WindowOpenMetrics::kOpenNodes);
  std::vector<OpenMetricsNode> nodes;
  nodes.reserve(kNodes);
  for (int i = 0; i < kNodes; ++i) nodes.push_back(MakeNode(i));
  const exposition::SelectorSet all;
  WindowOpenMetrics text(std::move(nodes), {0, 1'000'000}, &all);
  std::string out;
  while (text.Append(&out, 10'000)) {
  }
  std::set<std::string> seen;
  std::string family;
  for (const std::string_view line : Split(out, '\n')) {
    if (line.starts_with("# TYPE ")) {
      EXPECT_LT(family, line);
      family = line;
    } else if (!line.empty() && line[0] != '#') {
      EXPECT_TRUE(seen.emplace(line).second) << line;
    }
  }
  EXPECT_EQ(seen.size(), std::size_t{kNodes} * kFamilies * kFrames);
  EXPECT_TRUE(seen.contains("family_7{pod_name=\"pod-39\"} 7009 9"));
  // Once to see what there is, once to read it.
  EXPECT_LE(text.opened(), 2u * kNodes);
}

}  // namespace
}  // namespace fodc::api
