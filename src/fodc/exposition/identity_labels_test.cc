// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/identity_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fodc::exposition {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

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
