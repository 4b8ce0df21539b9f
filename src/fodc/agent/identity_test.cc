// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fodc::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(NodeIdentityTest, WithoutAnyWordTheRoleIsUnspecified) {
  NodeIdentity id("pod-0", "", {});
  EXPECT_EQ(id.role(), "ROLE_UNSPECIFIED");
  EXPECT_FALSE(id.is_role_known());
}

TEST(NodeIdentityTest, TheNodeIsBelievedAndFollowed) {
  NodeIdentity id("pod-0", "", {});
  EXPECT_TRUE(id.Learn("ROLE_DATA", {{"type", "hot"}}));
  EXPECT_FALSE(id.Learn("ROLE_DATA", {{"type", "hot"}}));
  EXPECT_TRUE(id.Learn("ROLE_DATA", {{"type", "warm"}}));
  EXPECT_THAT(id.labels(), ElementsAre(Pair("type", "warm")));
  // A node that is starting does not take back what is known.
  EXPECT_FALSE(id.Learn("ROLE_UNSPECIFIED", {}));
  EXPECT_FALSE(id.Learn("", {}));
  EXPECT_EQ(id.role(), "ROLE_DATA");
  EXPECT_TRUE(id.Learn("ROLE_LIAISON", {}));
  EXPECT_EQ(id.role(), "ROLE_LIAISON");
}

TEST(NodeIdentityTest, WhatTheOperatorSaidStays) {
  NodeIdentity id("pod-0", "etcd", {{"zone", "a"}});
  EXPECT_TRUE(id.Learn("ROLE_DATA", {{"zone", "b"}, {"type", "hot"}}));
  EXPECT_EQ(id.role(), "etcd");
  EXPECT_THAT(id.labels(), ElementsAre(Pair("type", "hot"), Pair("zone", "a")));
}

TEST(NodeIdentityTest, LabelsThatNoProxyWouldTakeAreLeftOut) {
  const auto is_taken = [](const NodeIdentity& id) {
    fleet::AgentIdentity identity;
    identity.pod_name = id.pod_name();
    identity.labels = id.labels();
    return fleet::CheckIdentitySize(fleet::EncodedBytes(identity),
                                    identity.labels.size())
        .ok();
  };
  NodeIdentity::Labels many;
  for (int i = 0; i < 200; ++i) many["k" + std::to_string(i)] = "v";
  NodeIdentity id("pod-0", "", {{"zzz", "given"}});
  EXPECT_TRUE(id.Learn("ROLE_DATA", many));
  EXPECT_EQ(id.labels().size(), fleet::kMaxIdentityLabels);
  EXPECT_EQ(id.labels().at("zzz"), "given");
  EXPECT_TRUE(is_taken(id));
  EXPECT_FALSE(id.Learn("ROLE_DATA", many));

  EXPECT_TRUE(id.Learn("ROLE_DATA",
                       {{"large", std::string(100'000, 'x')}, {"small", "y"}}));
  EXPECT_THAT(id.labels(),
              ElementsAre(Pair("small", "y"), Pair("zzz", "given")));
  EXPECT_TRUE(is_taken(id));
}

TEST(NodeIdentityTest, LabelsOfASourceFollow) {
  NodeIdentity id("pod-0", "", {{"type", "hot"}});
  const auto before = id.For("db");
  EXPECT_EQ(id.For("db"), before);
  std::string text;
  for (const auto& label : before->labels())
    text += std::string(label.name) + "=" + std::string(label.value) + " ";
  EXPECT_EQ(text,
            "container_name=db node_role=ROLE_UNSPECIFIED node_type=hot "
            "pod_name=pod-0 ");
  id.Learn("ROLE_DATA", {});
  EXPECT_NE(id.For("db"), before);
  EXPECT_FALSE(id.For("")->Has("container_name"));
}

}  // namespace
}  // namespace fodc::agent
