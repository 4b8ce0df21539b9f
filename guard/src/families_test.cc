// SPDX-License-Identifier: Apache-2.0
#include "families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc::guard {
namespace {

using ::testing::HasSubstr;

std::string_view TypeText(MetricType type) {
  if (type == MetricType::kCounter) return "counter";
  return type == MetricType::kGauge ? "gauge" : "histogram";
}

TEST(FamiliesTest, TheDocumentHasEachWithItsTypeAndSeriesAndNoOther) {
  const auto page =
      ReadFile(test::SourcePath("docs/reference/guard-metrics.md"));
  ASSERT_THAT(page, IsOk());
  const auto lines = Split(*page, '\n');
  std::size_t rows = 0;
  for (std::string_view line : lines) rows += line.starts_with("| `fodc_");
  EXPECT_EQ(rows, StandardFamilies().size());
  for (const StandardFamily& f : StandardFamilies()) {
    const std::string head =
        StrCat("| `", f.name, "` | ", TypeText(f.type), " |");
    const auto row = std::find_if(
        lines.begin(), lines.end(),
        [&head](std::string_view line) { return line.starts_with(head); });
    ASSERT_NE(row, lines.end()) << head;
    for (std::string_view series : f.series) {
      if (series.empty()) continue;
      for (std::string_view label : Split(series, ',')) {
        const auto equals = label.find('=');
        for (std::string_view word :
             {label.substr(0, equals), label.substr(equals + 1)}) {
          EXPECT_THAT(std::string(*row), HasSubstr(StrCat("`", word, "`")));
        }
      }
    }
  }
}

}  // namespace
}  // namespace fodc::guard
