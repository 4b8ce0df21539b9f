// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/identity_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/exposition/metric.h"

namespace fodc::exposition {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(NamesTest, KnowsLegalOnes) {
  for (const char* good : {"a", "_", "a:b", ":x", "A9_"}) {
    EXPECT_TRUE(IsMetricName(good)) << good;
  }
  for (const char* bad : {"", "9a", "a-b", "a b", "a\n", "\xc3\xa4", "a{"}) {
    EXPECT_FALSE(IsMetricName(bad)) << bad;
    EXPECT_FALSE(IsLabelName(bad)) << bad;
  }
  EXPECT_TRUE(IsLabelName("le"));
  EXPECT_FALSE(IsLabelName("a:b"));
  EXPECT_FALSE(IsLabelName("__name__"));
}

TEST(CanonicalLabelsTest, TakesWhatIsWritten) {
  std::string text;
  EXPECT_TRUE(AreCanonicalLabels(text));
  const Label labels[] = {{"b", "q\"u\\o\nte\xff"}, {"a", ""}};
  AppendCanonicalLabels(&text, labels);
  EXPECT_TRUE(AreCanonicalLabels(text)) << text;
}

TEST(CanonicalLabelsTest, RefusesTheRest) {
  for (const char* bad :
       {"a", "a=", "a=b", "a=\"b", "a=\"b\",", "a=\"\\x\"", "a=\"b\nc\"",
        "a=\"\\", "b=\"\",a=\"\"", "a=\"\",a=\"\"", "a-b=\"\"", "=\"\"",
        "a=\"\"b=\"\"", "__name__=\"x\"", "a\n{}=\"\""}) {
    EXPECT_FALSE(AreCanonicalLabels(bad)) << bad;
  }
}

TEST(IdentityLabelsTest, GivesLegalNamesAndLosesNoKnownOne) {
  EXPECT_THAT(IdentityLabels("ROLE_DATA", "p", "",
                             {{"topology.kubernetes.io/zone", "z"},
                              {"role", "mine"},
                              {"pod_name", "other"},
                              {"", "nameless"},
                              {"empty", ""},
                              {"new\nline", "v\xff"}}),
              ElementsAre(Pair("node_new_line", "v\xEF\xBF\xBD"),
                          Pair("node_role", "ROLE_DATA"),
                          Pair("node_topology_kubernetes_io_zone", "z"),
                          Pair("pod_name", "p")));
}

}  // namespace
}  // namespace fodc::exposition
