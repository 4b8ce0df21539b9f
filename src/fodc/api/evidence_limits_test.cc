// SPDX-License-Identifier: Apache-2.0
// Bodies of evidence towards clients that are slow, gone, hostile or too many,
// from agents that fail.
#include "fodc/api/evidence_test_peer.h"

namespace fodc::api {
namespace {

using fleet::AgentKind;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using EvidenceLimitsTest = EvidenceRoutesTest;

TEST_F(EvidenceLimitsTest, CutsTheConnectionWhenTheAgentFailsInMidBody) {
  Tell();
  evidence_.cut = Unavailable("the agent is gone");
  // Without a length, too: a chunked body must not end well.
  for (const std::string& target :
       {Heap(), StrCat("/incidents/a-0/", kId, "/heap.pprof"),
        StrCat("/incidents/a-0/", kId, ".tar.zst")}) {
    evidence_.gone = false;
    evidence_.said = 100;
    net::RawClient client(loop_, routes_.port());
    client.Get(target);
    const auto r = client.Read();
    EXPECT_EQ(r.status, 200) << target;
    EXPECT_FALSE(r.complete) << target;
    EXPECT_TRUE(client.WaitForEnd());
    EXPECT_TRUE(evidence_.gone);
  }
  EXPECT_EQ(routes_.stats().bodies_aborted, 3u);
}

TEST_F(EvidenceLimitsTest, AFailureBeforeTheFirstByteIsAnAnswer) {
  Tell();
  evidence_.content = "";
  evidence_.cut = Unavailable("the agent is gone");
  const auto r = Ask(Heap());
  EXPECT_EQ(r.status, 404);
  EXPECT_EQ(r.body, "Profile not available: the agent is gone\n");
  EXPECT_EQ(r.Header("Content-Disposition"), "");
  EXPECT_EQ(Ask(StrCat("/incidents/a-0/", kId, ".tar.zst")).status, 503);
}

TEST_F(EvidenceLimitsTest, AClientThatDoesNotReadIsNotReadFor) {
  Tell();
  evidence_.large = 256u << 20;
  net::RawClient client(loop_, routes_.port(), 4096);
  client.Get(Heap());
  std::uint64_t before = 1;
  ASSERT_TRUE(loop_.RunUntil([&] {
    return std::exchange(before, evidence_.given) == evidence_.given;
  }));
  ASSERT_TRUE(loop_.RunUntil([&] {
    clock_.Advance(std::chrono::seconds(1));
    return routes_.stats().write_timeouts == 1;
  }));
  // What the sockets hold, and a piece.
  EXPECT_GT(evidence_.given, 0u);
  EXPECT_LT(evidence_.given, 32u << 20);
  EXPECT_TRUE(evidence_.gone);
}

TEST_F(EvidenceLimitsTest, AClientThatReadsGetsAllHoweverMuch) {
  Tell();
  evidence_.large = 16u << 20;
  EXPECT_EQ(Ask(Heap()).body.size(), 16u << 20);
}

TEST_F(EvidenceLimitsTest, AClientThatLeavesInMidBodyEndsTheFetch) {
  Tell();
  evidence_.large = 256u << 20;
  net::RawClient client(loop_, routes_.port(), 4096);
  client.Get(Heap());
  ASSERT_TRUE(loop_.RunUntil([&] { return evidence_.given > 0; }));
  EXPECT_FALSE(evidence_.gone);
  client.Close();
  EXPECT_TRUE(loop_.RunUntil([&] { return evidence_.gone; }));
  EXPECT_LT(evidence_.given, *evidence_.large);
  EXPECT_EQ(routes_.stats().clients_gone, 1u);
}

TEST_F(EvidenceLimitsTest, AClientThatLeavesTakesItsQuestionAlong) {
  Tell();
  evidence_.is_silent = true;
  net::RawClient client(loop_, routes_.port());
  client.Get(Heap());
  ASSERT_TRUE(loop_.RunUntil([&] { return evidence_.asked.size() == 1; }));
  EXPECT_EQ(evidence_.withdrawn, 0);
  client.Close();
  EXPECT_TRUE(loop_.RunUntil([&] { return evidence_.withdrawn == 1; }));
}

TEST_F(EvidenceLimitsTest, SoManyBodiesAtATimeAndNoMore) {
  Tell();
  evidence_.is_silent = true;
  std::vector<net::RawClient> waiting;
  for (std::size_t i = 1; i <= 2; ++i) {
    waiting.emplace_back(loop_, routes_.port()).Get(Heap());
    ASSERT_TRUE(loop_.RunUntil([&] { return evidence_.asked.size() == i; }));
  }
  const auto refused = Ask(StrCat("/incidents/a-0/", kId, ".tar.zst"));
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.Header("Retry-After"), "5");
  EXPECT_THAT(refused.body, HasSubstr("bodies of evidence"));
  waiting.clear();
  ASSERT_TRUE(loop_.RunUntil([&] { return evidence_.withdrawn == 2; }));
  evidence_.is_silent = false;
  EXPECT_TRUE(loop_.RunUntil([&] { return Ask(Heap()).status == 200; }));
}

TEST_F(EvidenceLimitsTest, SoManyListsAtATimeAndNoMore) {
  id_ = Admit("a-0", AgentKind::kV1);
  evidence_.is_silent = true;
  net::RawClient client(loop_, routes_.port());
  client.Get("/pressure-profiles");
  ASSERT_TRUE(loop_.RunUntil([&] { return !evidence_.silent_lists.empty(); }));
  const auto refused = Ask("/pressure-profiles");
  EXPECT_EQ(refused.status, 503);
  EXPECT_THAT(refused.body, HasSubstr("lists of profiles"));
  evidence_.is_silent = false;
  evidence_.silent_lists.front()(OkStatus());
  EXPECT_EQ(client.Read().body, "[]\n");
  EXPECT_TRUE(
      loop_.RunUntil([&] { return Ask("/pressure-profiles").status == 200; }));
}

TEST_F(EvidenceLimitsTest, CutsABodyThatIsNotAsLongAsWasSaid) {
  Tell();
  for (const std::uint64_t said : {9u, 11u}) {
    evidence_.said = said;
    net::RawClient client(loop_, routes_.port());
    client.Get(Heap());
    EXPECT_TRUE(client.WaitForEnd());
  }
  EXPECT_EQ(routes_.stats().bodies_aborted, 2u);
}

TEST_F(EvidenceLimitsTest, RefusesHostileNamesAndAsksNobody) {
  Tell();
  const std::string id = kId;
  for (const std::string& bad :
       {std::string("%2e%2e"), std::string("%2e%2e%2f"),
        std::string("..%2f..%2fetc%2fpasswd"), std::string("%2fetc%2fpasswd"),
        std::string("%00"), std::string("heap%00"), std::string("%ff%fe"),
        std::string("a%0d%0ab"), std::string("HEAP"), std::string(".hidden"),
        std::string(10'000, 'x')}) {
    for (const std::string& target :
         {StrCat("/pressure-profiles/", bad, "/", id, "/heap"),
          StrCat("/pressure-profiles/a-0/", bad, "/heap"),
          StrCat("/pressure-profiles/a-0/", id, "/", bad),
          StrCat("/incidents/", bad, "/", id), StrCat("/incidents/a-0/", bad),
          StrCat("/incidents/", bad, "/", id, ".tar.zst"),
          StrCat("/incidents/a-0/", bad, ".tar.zst"),
          StrCat("/incidents/", bad, "/", id, "/heap.pprof"),
          StrCat("/incidents/a-0/", bad, "/heap.pprof"),
          StrCat("/incidents/a-0/", id, "/", bad)}) {
      const auto r = Ask(target);
      EXPECT_TRUE(r.status == 400 || r.status == 404)
          << target.substr(0, 99) << " gets " << r.status;
      EXPECT_LT(r.body.size(), 500u) << target.substr(0, 99);
    }
    for (const std::string& target :
         {StrCat("/incidents/", bad, "/", id, "/pin"),
          StrCat("/incidents/a-0/", bad, "/unpin")}) {
      const auto r = Ask(target, "Content-Length: 0\r\n", "POST");
      EXPECT_TRUE(r.status == 400 || r.status == 404)
          << target.substr(0, 99) << " gets " << r.status;
    }
  }
  // As they stand these are no part of any path.
  for (const char* dots :
       {"/incidents/a-0/..", "/incidents/a-0/../../etc/passwd",
        "/pressure-profiles/a-0/../x/heap"}) {
    const auto r = Ask(dots);
    EXPECT_TRUE(r.status == 301 || r.status == 404) << dots << r.status;
  }
  EXPECT_THAT(evidence_.asked, IsEmpty());
  EXPECT_THAT(evidence_.pins, IsEmpty());
}

}  // namespace
}  // namespace fodc::api
