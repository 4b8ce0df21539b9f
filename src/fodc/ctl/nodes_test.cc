// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/nodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::ctl {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

constexpr std::string_view kCluster = R"({"nodes":[
 {"name":"b","role":"ROLE_LIAISON","labels":{},
  "agent":{"status":"offline"},"targets":[],"window":null,"indicators":{}},
 {"name":"a","role":"ROLE_DATA","labels":{"type":"hot"},
  "agent":{"id":"1","status":"online"},
  "targets":[{"container":"x","up":true},{"container":"y","up":false}],
  "window":{"from":"2026-11-21T07:00:00Z","to":"2026-11-21T07:12:30Z",
            "series":1200,"samples":1000,"bytes":230},
  "indicators":{"rss_bytes":104857600,"memory_limit_bytes":209715200,
                "cpu_cores":0.125}}]})";

TEST(NodesTest, TableHasWhatTheProxySays) {
  const auto rows = ParseCluster(kCluster);
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ(
      RenderNodes(*rows),
      "NODE  ROLE      UP             RSS    CPU  SERIES  SAMPLES  WINDOW  "
      "BYTES/SAMPLE  STATUS\n"
      "a     data-hot  1/2  100 MiB (50%)  12.5%    1200     1000  12m30s  "
      "       0.230  online\n"
      "b     liaison   -                -      -       -        -       -  "
      "           -  offline\n");
}

TEST(NodesTest, AgentsOfOnePodAreToldApart) {
  const auto rows = ParseCluster(R"({"nodes":[
 {"name":"a","pod_name":"a","address":"h2:9090","agent":{"status":"conflict"}},
 {"name":"a","pod_name":"a","address":"h1:9090","agent":{"status":"online"}},
 {"name":"b","pod_name":"b","agent":{"status":"online"}}]})");
  ASSERT_THAT(rows, IsOk());
  const std::string table = RenderNodes(*rows);
  EXPECT_THAT(table, HasSubstr("  STATUS    ADDRESS\n"));
  EXPECT_THAT(table, testing::ContainsRegex("a .*  online    h1:9090\n"
                                            "a .*  conflict  h2:9090\n"
                                            "b .*  online    -\n"));
}

TEST(NodesTest, TellsSinceWhenANodeIsSilent) {
  const auto rows = ParseCluster(
      R"({"nodes":[{"name":"a","targets":[{"up":false}],
          "indicators":{"up":0,"age_seconds":185.5,"rss_bytes":1024}}]})");
  ASSERT_THAT(rows, IsOk());
  EXPECT_THAT(RenderNodes(*rows), HasSubstr("a     -     no (3m05s)  1.0 KiB"));
}

TEST(NodesTest, NamesCannotCommandTheTerminal) {
  const auto rows = ParseCluster(
      R"({"nodes":[{"name":"a\u001b[2Jb\u009b1Ac\u007f\u00e9\n",
          "agent":{"status":"\u0007"}}]})");
  ASSERT_THAT(rows, IsOk());
  const std::string table = RenderNodes(*rows);
  EXPECT_THAT(table, HasSubstr("\na?[2Jb?1Ac?\xc3\xa9?  "));
  EXPECT_THAT(table, EndsWith(" ?\n"));
}

TEST(NodesTest, NoNodesIsSaid) {
  const auto rows = ParseCluster(R"({"nodes":[]})");
  ASSERT_THAT(rows, IsOk());
  EXPECT_THAT(RenderNodes(*rows), HasSubstr("(no nodes)"));
}

TEST(NodesTest, OtherAnswersAreNotTakenForACluster) {
  for (const char* text : {"", "404 page not found", "[]", "{}",
                           R"({"nodes":1})", R"({"nodes":[)"}) {
    EXPECT_THAT(ParseCluster(text),
                StatusIs(Code::kDataLoss, HasSubstr("FODC proxy")));
  }
  // Members of a wrong kind are absent, not a crash.
  const auto rows = ParseCluster(
      R"({"nodes":[1,{"name":7,"targets":{},"window":[],"agent":"x"}]})");
  ASSERT_THAT(rows, IsOk());
  EXPECT_EQ(rows->size(), 2U);
}

}  // namespace
}  // namespace fodc::ctl
