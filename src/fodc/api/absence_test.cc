// SPDX-License-Identifier: Apache-2.0
// What is shown after the proxy itself was away.
#include <gmock/gmock.h>

#include <algorithm>

#include "fodc/api/api_test_peer.h"

namespace fodc::api {
namespace {

using fleet::AgentKind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::Not;

class AbsenceTest : public ApiTest {
 protected:
  AbsenceTest() { fleet_.Watch(); }
  // The proxy's loop is at work for that long.
  void Pass(milliseconds time) {
    for (; time.count() > 0; time -= fleet::Fleet::kWatchPeriod) {
      clock_.Advance(std::min<milliseconds>(time, fleet::Fleet::kWatchPeriod));
      fleet_.Watch();
    }
  }
  void ScrapeFor(Node* node, int times) {
    for (; times > 0; --times) {
      node->Scrape("scrape", {{"up", {{"endpoint", "page"}}, 1}});
      Pass(milliseconds(1000));
    }
  }
  std::string UpOf(const std::string& pod) {
    const std::string body = Get("/metrics").body;
    const std::string end = StrCat("pod_name=\"", pod, "\"} ");
    const auto at = body.find(end);
    return at == std::string::npos ? "none" : body.substr(at + end.size(), 1);
  }
};

TEST_F(AbsenceTest, WhatLiesUnreadAfterAPauseIsWaitedFor) {
  Node a(this, "a-0");
  Node silent(this, "silent");
  ScrapeFor(&silent, 3);
  ScrapeFor(&a, 5);
  EXPECT_EQ(UpOf("a-0"), "1");
  EXPECT_EQ(UpOf("silent"), "0");
  clock_.Advance(seconds(3));
  // Nothing was read yet. Who was silent before is so now.
  EXPECT_EQ(UpOf("a-0"), "none");
  EXPECT_EQ(api_->stats().catching_up_nodes, 1u);
  EXPECT_EQ(UpOf("silent"), "0");
  EXPECT_THAT(Get("/cluster?pod_name=a-0").body, HasSubstr("\"up\":null"));
  EXPECT_EQ(fleet_.stats().absences, 1u);
  a.Scrape("scrape", {{"up", {{"endpoint", "page"}}, 1}});
  EXPECT_EQ(UpOf("a-0"), "1");
  // Who says nothing for two intervals of the proxy's presence is down.
  clock_.Advance(seconds(3));
  EXPECT_EQ(UpOf("a-0"), "none");
  Pass(milliseconds(2000));
  EXPECT_EQ(UpOf("a-0"), "none");
  Pass(milliseconds(10));
  EXPECT_EQ(UpOf("a-0"), "0");
}

TEST_F(AbsenceTest, WhatIsFreshIsShownAfterAStutter) {
  Node a(this, "a-0");
  ScrapeFor(&a, 3);
  clock_.Advance(milliseconds(400));
  EXPECT_EQ(UpOf("a-0"), "1");
  EXPECT_EQ(fleet_.stats().absences, 1u);
  EXPECT_THAT(Get(StrCat("/metrics?at=", FormatRfc3339(clock_.Unix(), 3))).body,
              HasSubstr("pod_name=\"a-0\"} 1\n"));
}

TEST_F(AbsenceTest, WhoComesAfterAPauseWasNotThereInIt) {
  Pass(seconds(1));
  clock_.Advance(seconds(60));
  Node late(this, "late");  // before anybody noticed the pause
  Pass(milliseconds(50));
  EXPECT_EQ(UpOf("late"), "none");
  Pass(seconds(21));
  EXPECT_EQ(UpOf("late"), "0");
}

TEST_F(AbsenceTest, AProxyThatStuttersDoesNotWaitForEver) {
  Node a(this, "a-0");
  ScrapeFor(&a, 3);
  for (int i = 0; i < 6; ++i) {
    clock_.Advance(milliseconds(600));
    fleet_.Watch();
    Pass(milliseconds(500));
  }
  EXPECT_EQ(UpOf("a-0"), "0");
}

TEST_F(AbsenceTest, AgentsThatTookTheProxyForDeadAreAwaited) {
  Node a(this, "a-0");
  Node b(this, "b-0");
  ScrapeFor(&b, 3);
  ScrapeFor(&a, 3);
  fleet_.Disconnect(b.id());
  EXPECT_EQ(UpOf("b-0"), "0");
  clock_.Advance(seconds(12));
  fleet_.Disconnect(a.id());
  EXPECT_EQ(UpOf("a-0"), "none");
  EXPECT_EQ(UpOf("b-0"), "0") << "it had left before";
  Pass(seconds(10));
  EXPECT_EQ(UpOf("a-0"), "0");
  // One that leaves after a short pause has its own reasons.
  Node c(this, "c-0");
  ScrapeFor(&c, 3);
  clock_.Advance(seconds(3));
  fleet_.Disconnect(c.id());
  EXPECT_EQ(UpOf("c-0"), "0");
}

TEST_F(AbsenceTest, AV1AgentCannotAnswerWhileTheProxyIsAway) {
  Admit("v-0", AgentKind::kV1);
  net::RawClient client(loop_, server_.port());
  client.Get("/metrics");
  ASSERT_TRUE(loop_.RunUntil([&] { return commander_.asked().size() == 1; }));
  clock_.Advance(seconds(30));
  EXPECT_THAT(client.Read().body, Not(HasSubstr("up{")));
  const auto asked = commander_.asked().size();
  net::RawClient again(loop_, server_.port());
  again.Get("/metrics");
  ASSERT_TRUE(
      loop_.RunUntil([&] { return commander_.asked().size() > asked; }));
  Pass(seconds(30));
  EXPECT_THAT(again.Read().body, HasSubstr("pod_name=\"v-0\"} 0\n"));
}

}  // namespace
}  // namespace fodc::api
