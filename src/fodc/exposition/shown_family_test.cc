// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/shown_family.h"

#include <gtest/gtest.h>

#include <string>

namespace fodc::exposition {
namespace {

std::string Head(Format format, const FamilyHead& head) {
  std::string out;
  AppendFamilyHead(&out, format, head);
  return out;
}

TEST(FamilyHeadTest, EscapesHelpAsItsFormatDoes) {
  const FamilyHead head{.name = "x",
                        .type = MetricType::kGauge,
                        .help = "a\\b\n\"c\"",
                        .unit = ""};
  EXPECT_EQ(Head(Format::kText, head),
            "# HELP x a\\\\b\\n\"c\"\n# TYPE x gauge\n");
  EXPECT_EQ(Head(Format::kOpenMetrics, head),
            "# HELP x a\\\\b\\n\\\"c\\\"\n# TYPE x gauge\n");
}

TEST(FamilyHeadTest, HasItsOwnWordForTheUnknownType) {
  for (const MetricType type : {MetricType::kUnknown, MetricType::kUntyped}) {
    const FamilyHead head{.name = "x", .type = type, .help = "", .unit = ""};
    EXPECT_EQ(Head(Format::kText, head), "# TYPE x untyped\n");
    EXPECT_EQ(Head(Format::kOpenMetrics, head), "# TYPE x unknown\n");
  }
}

TEST(FamilyHeadTest, TellsAUnitThatTheNameEndsIn) {
  const auto with_unit = [](std::string_view name) {
    return FamilyHead{
        .name = name, .type = MetricType::kGauge, .help = "", .unit = "bytes"};
  };
  EXPECT_EQ(Head(Format::kOpenMetrics, with_unit("x_bytes")),
            "# TYPE x_bytes gauge\n# UNIT x_bytes bytes\n");
  EXPECT_EQ(Head(Format::kText, with_unit("x_bytes")),
            "# TYPE x_bytes gauge\n");
  for (const std::string_view name : {"x", "xbytes", "bytes", "_bytes"}) {
    EXPECT_EQ(Head(Format::kOpenMetrics, with_unit(name)),
              "# TYPE " + std::string(name) + " gauge\n");
  }
}

TEST(ShownFamilyTest, ACounterHasTheNameThatItsFormatGives) {
  const auto counter = MetricType::kCounter;
  EXPECT_EQ(FamilyInOpenMetrics("x_total", "x_total", counter).name, "x");
  EXPECT_EQ(FamilyInOpenMetrics("x_total", "x", counter).name, "x");
  EXPECT_EQ(FamilyInOpenMetrics("x_created", "x", counter).name, "x");
  EXPECT_EQ(FamilyInOpenMetrics("x", "x", counter).type, MetricType::kUnknown);
  EXPECT_EQ(FamilyInText("x_total", "x", counter).name, "x_total");
  EXPECT_EQ(FamilyInText("x_created", "x", counter).name, "x_created");
  EXPECT_EQ(FamilyInText("x_created", "x", counter).type, MetricType::kGauge);
}

}  // namespace
}  // namespace fodc::exposition
