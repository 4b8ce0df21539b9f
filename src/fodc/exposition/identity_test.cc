// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fodc::exposition {
namespace {

using ::testing::ElementsAre;

TEST(IdentityTest, IsSortedAndEscaped) {
  const Identity id("ROLE_DATA", "a\"0", "data", {{"type", "hot"}});
  EXPECT_EQ(std::string_view(id.text(), id.text_bytes()),
            R"(,container_name="data",node_role="ROLE_DATA",node_type="hot",)"
            R"(pod_name="a\"0")");
  EXPECT_EQ(
      std::string_view(id.text() + id.offset(1), id.offset(2) - id.offset(1)),
      R"(,node_role="ROLE_DATA")");
  EXPECT_EQ(id.shape(), "container_name,node_role,node_type,pod_name,");
}

TEST(IdentityTest, LeavesOutWhatIsEmptyOrSaidAlready) {
  const Identity id("ROLE_DATA", "a", "",
                    {{"role", "x"},
                     {"pod_name", "y"},
                     {"container_name", "z"},
                     {"empty", ""},
                     {"a.b/c", "d"}});
  EXPECT_THAT(id.labels(), ElementsAre(Label{"node_a_b_c", "d"},
                                       Label{"node_role", "ROLE_DATA"},
                                       Label{"pod_name", "a"}));
}

TEST(ParseCanonicalLabelsTest, UnescapesValues) {
  std::vector<Label> labels;
  std::vector<std::string> unescaped;
  ParseCanonicalLabels(R"(a="1",b="q\"\\\n}",c="",d="x,y")", &labels,
                       &unescaped);
  EXPECT_THAT(labels, ElementsAre(Label{"a", "1"}, Label{"b", "q\"\\\n}"},
                                  Label{"c", ""}, Label{"d", "x,y"}));
  ParseCanonicalLabels("", &labels, &unescaped);
  EXPECT_TRUE(labels.empty());
}

TEST(LabelMergerTest, LosesNothing) {
  const Identity id("ROLE_DATA", "a", "", {});
  LabelMerger merger;
  EXPECT_THAT(merger.Merge(R"(le="1",pod_name="b",zone="z")", id),
              ElementsAre(Label{"exported_pod_name", "b"}, Label{"le", "1"},
                          Label{"node_role", "ROLE_DATA"},
                          Label{"pod_name", "a"}, Label{"zone", "z"}));
  EXPECT_THAT(
      merger.Merge(R"(exported_pod_name="c",pod_name="b")", id),
      ElementsAre(Label{"exported_exported_pod_name", "b"},
                  Label{"exported_pod_name", "c"},
                  Label{"node_role", "ROLE_DATA"}, Label{"pod_name", "a"}));
  EXPECT_TRUE(merger.Merge("", Identity()).empty());
}

}  // namespace
}  // namespace fodc::exposition
