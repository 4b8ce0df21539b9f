// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/names.h"

#include <gtest/gtest.h>

namespace fodc::exposition {
namespace {

TEST(NamesTest, TellsLegalNames) {
  for (const char* good : {"a", "_", "A_9", "__x__"}) {
    EXPECT_TRUE(IsMetricName(good)) << good;
    EXPECT_TRUE(IsLabelName(good)) << good;
  }
  EXPECT_TRUE(IsMetricName("a:b"));
  EXPECT_FALSE(IsLabelName("a:b"));
  EXPECT_TRUE(IsMetricName("__name__"));
  EXPECT_FALSE(IsLabelName("__name__"));
  for (const char* bad : {"", "9a", "a b", "a-b", "a\nb", "\xc3\xa9", "a{"}) {
    EXPECT_FALSE(IsMetricName(bad)) << bad;
    EXPECT_FALSE(IsLabelName(bad)) << bad;
  }
}

TEST(NamesTest, MakesLegalNamesOfAnyText) {
  EXPECT_EQ(ToMetricName("a:b"), "a:b");
  EXPECT_EQ(ToMetricName("a b\n# c"), "a_b___c");
  EXPECT_EQ(ToMetricName("9"), "_9");
  EXPECT_EQ(ToLabelName(""), "_");
  EXPECT_EQ(ToLabelName("a:b"), "a_b");
  EXPECT_EQ(ToLabelName("__name__"), "exported___name__");
  EXPECT_EQ(NodeLabelName("topology.kubernetes.io/zone"),
            "node_topology_kubernetes_io_zone");
  EXPECT_EQ(NodeLabelName("9"), "node_9");
}

}  // namespace
}  // namespace fodc::exposition
