// SPDX-License-Identifier: Apache-2.0
// /pressure-profiles and what is below /incidents: what is listed and sent.
#include "fodc/api/evidence_routes.h"

#include <nlohmann/json.hpp>

#include "fodc/api/evidence_test_peer.h"

namespace fodc::api {
namespace {

using fleet::AgentKind;
using nlohmann::json;
using ::testing::IsEmpty;

TEST_F(EvidenceRoutesTest, ListsProfilesWithTheKeysOfGoInItsOrder) {
  Tell();
  const auto r = Ask("/pressure-profiles");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body,
            StrCat(R"([{"captured_at":"2026-06-27T10:11:12.000000000Z",)",
                   R"("agent_id":")", id_,
                   R"(","pod_name":"a-0","role":"ROLE_DATA","profile_id":")",
                   kId, R"(","source_endpoint":"","profiles":[{"type":"heap",)",
                   R"("filename":"heap.pprof","filepath":"heap.pprof",)",
                   R"("format":"pprof","size_bytes":10}],"rss_bytes":77,)",
                   R"("cgroup_limit_bytes":0,"threshold_bytes":0,)",
                   R"("trigger_percent":0}])", "\n"));
  EXPECT_EQ(Ask("/pressure-profiles?pod_name=b-0").body, "[]\n");
  EXPECT_EQ(Ask("/pressure-profiles?role=datanode-x").status, 400);
}

TEST_F(EvidenceRoutesTest, ListOutlivesTheAgent) {
  Tell();
  fleet_.Remove(id_);
  EXPECT_EQ(json::parse(Ask("/pressure-profiles").body).size(), 1u);
}

TEST_F(EvidenceRoutesTest, AsksV1AgentsAnewBeforeItLists) {
  id_ = Admit("a-0", AgentKind::kV1);
  evidence_.on_refresh = [this] { Put(); };
  EXPECT_EQ(json::parse(Ask("/pressure-profiles").body).size(), 1u);
  EXPECT_EQ(evidence_.refreshed.size(), 1u);
}

TEST_F(EvidenceRoutesTest, SendsAProfileWithItsLength) {
  Tell();
  const auto r = Ask(Heap());
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "0123456789");
  EXPECT_EQ(r.Header("Content-Length"), "10");
  EXPECT_EQ(r.Header("ETag"), StrCat('"', kDigest, '"'));
  EXPECT_EQ(r.Header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(
      r.Header("Content-Disposition"),
      StrCat("attachment; filename=\"a-0-ROLE_DATA-", kId, "-heap.pprof\""));
  ASSERT_EQ(evidence_.asked.size(), 1u);
  EXPECT_EQ(evidence_.asked[0].second.artifact, "heap.pprof");
}

TEST_F(EvidenceRoutesTest, FindsWhatAV1AgentTellsWhenAsked) {
  id_ = Admit("a-0", AgentKind::kV1);
  evidence_.on_refresh = [this] { Put(); };
  // It cannot begin in the middle: the whole, then, and never a wrong part.
  const auto r = Ask(Heap(), "Range: bytes=2-3\r\n");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "0123456789");
  EXPECT_EQ(evidence_.asked.at(0).second.offset, 0u);
  EXPECT_EQ(evidence_.asked.at(0).second.length, std::nullopt);
}

TEST_F(EvidenceRoutesTest, SendsPartsOfWhatItKnows) {
  Tell();
  const auto part = [this](const std::string& range) {
    return Ask(Heap(), StrCat("Range: bytes=", range, "\r\n"));
  };
  const auto r = part("2-4");
  EXPECT_EQ(r.status, 206);
  EXPECT_EQ(r.body, "234");
  EXPECT_EQ(r.Header("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(r.Header("Content-Length"), "3");
  EXPECT_EQ(part("7-").body, "789");
  EXPECT_EQ(part("-2").body, "89");
  EXPECT_EQ(part("8-99").body, "89");
  EXPECT_EQ(part("10-").status, 416);
  EXPECT_EQ(part("10-").Header("Content-Range"), "bytes */10");
  for (const char* whole : {"4-2", "a-b", "1-2,4-5", "-", ""}) {
    EXPECT_EQ(part(whole).status, 200) << whole;
  }
  EXPECT_EQ(Ask(Heap(), "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n").status,
            200);
}

TEST_F(EvidenceRoutesTest, SaysThatNothingHasChanged) {
  Tell();
  const auto r = Ask(Heap(), StrCat("If-None-Match: \"", kDigest, "\"\r\n"));
  EXPECT_EQ(r.status, 304);
  EXPECT_THAT(evidence_.asked, IsEmpty());
  EXPECT_EQ(Ask(Heap(), "If-None-Match: \"other\"\r\n").status, 200);
}

TEST_F(EvidenceRoutesTest, RefusesAPartOfWhatHasJustChanged) {
  Tell();
  evidence_.content = "0123456";  // told as ten bytes long, sent as seven
  net::RawClient client(loop_, routes_.port());
  client.Get(Heap(), "Range: bytes=2-8\r\n");
  EXPECT_EQ(client.Read().status, 503);
}

TEST_F(EvidenceRoutesTest, TellsWhyThereIsNoBody) {
  Tell();
  evidence_.failure = Unavailable("agent a-0 is not connected");
  // Go's clients know one status for every profile that does not come.
  auto r = Ask(Heap());
  EXPECT_EQ(r.status, 404);
  EXPECT_EQ(r.body, "Profile not available: agent a-0 is not connected\n");
  EXPECT_EQ(r.Header("Content-Disposition"), "");
  EXPECT_EQ(Ask(StrCat("/incidents/a-0/", kId, "/heap.pprof")).status, 503);
  evidence_.failure = NotFound("gone");
  EXPECT_EQ(Ask(Heap()).status, 404);
  EXPECT_EQ(Ask(StrCat("/incidents/a-0/", kId, "/heap.pprof")).status, 404);
  // A type that there is, but not in this event; and one that there is not.
  EXPECT_EQ(Ask(StrCat("/pressure-profiles/a-0/", kId, "/cpu")).body,
            "Profile not found\n");
  r = Ask(StrCat("/pressure-profiles/a-0/", kId, "/heaps"));
  EXPECT_EQ(r.status, 400);
  EXPECT_EQ(r.body, "Unknown profile type\n");
}

TEST_F(EvidenceRoutesTest, ShowsTheEventsOfAnIncident) {
  Tell();
  for (const std::string id : {"5f-1", kId}) {
    const json all = json::parse(Ask("/incidents/a-0/" + id).body);
    ASSERT_EQ(all["events"].size(), 1u);
    EXPECT_EQ(all["events"][0]["id"], kId);
    EXPECT_EQ(all["events"][0]["lies"], json({"agent"}));
    EXPECT_EQ(all["events"][0]["steps"][0]["sha256"], kDigest);
  }
  EXPECT_EQ(Ask("/incidents/a-0/none").status, 404);
  EXPECT_EQ(Ask("/incidents/b-0/5f-1").status, 404);
}

TEST_F(EvidenceRoutesTest, SendsArtifactsAndCapsules) {
  Tell();
  EXPECT_EQ(Ask("/incidents/a-0/5f-1/heap.pprof").body, "0123456789");
  EXPECT_EQ(Ask("/incidents/a-0/5f-1/other").status, 404);
  EXPECT_EQ(Ask("/incidents/a-0/5f-1.tar.zst").body, "0123456789");
  EXPECT_EQ(evidence_.asked.back().second.artifact, "");
  EXPECT_EQ(evidence_.asked.back().second.event_id, kId);
}

TEST_F(EvidenceRoutesTest, PinsAndTakesThePinAway) {
  Tell();
  const auto post = [this](const std::string& what) {
    return Ask("/incidents/a-0/5f-1/" + what, "Content-Length: 0\r\n", "POST")
        .status;
  };
  EXPECT_EQ(post("pin"), 200);
  EXPECT_EQ(post("unpin"), 200);
  EXPECT_EQ(evidence_.pins, (std::vector<std::pair<std::string, bool>>{
                                {kId, true}, {kId, false}}));
  EXPECT_EQ(Ask("/incidents/a-0/5f-1/pin").status, 404);
}

TEST_F(EvidenceRoutesTest, BodiesAreForOperators) {
  Tell();
  routes_.SetAuthorizer([](const net::HttpRequest&, net::Access access) {
    return access == net::Access::kOperator ? PermissionDenied("no")
                                            : OkStatus();
  });
  EXPECT_EQ(Ask("/pressure-profiles").status, 200);
  EXPECT_EQ(Ask("/incidents/a-0/5f-1").status, 200);
  EXPECT_EQ(Ask(Heap()).status, 403);
  EXPECT_EQ(Ask("/incidents/a-0/5f-1.tar.zst").status, 403);
  EXPECT_EQ(Ask("/incidents/a-0/5f-1/heap.pprof").status, 403);
}

}  // namespace
}  // namespace fodc::api
