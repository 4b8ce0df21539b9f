// SPDX-License-Identifier: Apache-2.0
// /pressure-profiles and what is below /incidents: what is listed and sent.
#include "fodc/api/evidence_routes.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fodc/api/evidence_test_peer.h"

namespace fodc::api {
namespace {

using fleet::AgentKind;
using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_F(EvidenceRoutesTest, ListsProfilesWithTheKeysOfGoInItsOrder) {
  Tell();
  const auto r = Ask("/pressure-profiles");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(
      r.body,
      StrCat(R"([{"captured_at":"2026-06-27T10:11:12Z",)", R"("agent_id":")",
             id_, R"(","pod_name":"a-0","role":"ROLE_DATA","profile_id":")",
             kId, R"(","source_endpoint":"","profiles":[{"type":"heap",)",
             R"("filename":"heap.pprof","filepath":"heap.pprof",)",
             R"("format":"pprof","size_bytes":10}],"rss_bytes":77,)",
             R"("cgroup_limit_bytes":0,"threshold_bytes":0,)",
             R"("trigger_percent":0,"where":["agent"]}])", "\n"));
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
    EXPECT_EQ(all["events"][0]["where"], json({"agent"}));
    EXPECT_EQ(all["events"][0]["steps"][0]["sha256"], kDigest);
  }
  EXPECT_EQ(Ask("/incidents/a-0/none").status, 404);
  EXPECT_EQ(Ask("/incidents/b-0/5f-1").status, 404);
}

// The event of a detector's incident: it is not the first response that fired.
TEST_F(EvidenceRoutesTest, ADetectorsIncidentStaysTheDetectors) {
  fleet::ListedEvent event = Event();
  event.meta.trigger.kind = "read_latency";
  id_ = Admit("a-0", AgentKind::kFlight);
  Put(event);
  const json of = json::parse(Ask("/incidents/a-0/5f-1").body)["incident"];
  EXPECT_EQ(of["detector"], "read_latency");
  EXPECT_EQ(of["verdict"], "");
}

TEST_F(EvidenceRoutesTest, RepeatsTheIncident) {
  Tell();
  // What its evidence alone tells.
  json untold = json::parse(Ask("/incidents/a-0/5f-1").body)["incident"];
  EXPECT_EQ(untold["id"], "5f-1");
  EXPECT_EQ(untold["agent"], nullptr);
  EXPECT_THAT(untold["summary"].get<std::string>(),
              testing::HasSubstr("knows no more of it"));
  evidence::Incident incident;
  incident.id = "5f-1";
  incident.detector = "memory";
  incident.verdict = "W4";
  incident.started_ms = incident.updated_ms = 1'767'225'600'000;
  evidence::Incident bare = incident;
  bare.id = "5f-2";
  ASSERT_TRUE(fleet_.TakeIncidents(id_, {incident, bare}).ok());
  for (const std::string id : {"5f-1", kId}) {
    const json of = json::parse(Ask("/incidents/A-0/" + id).body);
    EXPECT_EQ(of["events"].size(), 1u);
    EXPECT_EQ(of["incident"]["id"], "5f-1");
    EXPECT_EQ(of["incident"]["verdict"], "W4");
    EXPECT_EQ(of["incident"]["detector"], "memory");
    EXPECT_EQ(of["incident"]["started_at"], "2026-01-01T00:00:00.000Z");
    EXPECT_EQ(of["incident"]["agent"]["status"], "online");
  }
  // One without evidence is one all the same; its agent is asked nothing.
  const auto r = Ask("/incidents/a-0/5f-2");
  EXPECT_EQ(r.status, 200);
  const json of = json::parse(r.body);
  EXPECT_EQ(of["incident"]["id"], "5f-2");
  EXPECT_EQ(of["pod_name"], "a-0");
  EXPECT_EQ(of["agent_id"], id_);
  EXPECT_EQ(of["events"], json::array());
  EXPECT_EQ(Ask("/incidents/b-0/5f-2").status, 404);
  EXPECT_EQ(Ask("/incidents/a-0/5f-2.tar.zst").status, 404);
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

TEST_F(EvidenceRoutesTest, ACapsuleHasNoLengthDigestOrRange) {
  Tell();
  const auto r =
      Ask(StrCat("/incidents/a-0/", kId, ".tar.zst"), "Range: bytes=2-3\r\n");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "0123456789");
  for (const char* name :
       {"Content-Length", "ETag", "Accept-Ranges", "Content-Range"}) {
    EXPECT_EQ(r.Header(name), "") << name;
  }
  EXPECT_EQ(evidence_.asked.at(0).second.length, std::nullopt);
}

class EvidenceRightsTest : public EvidenceRoutesTest {
 protected:
  // What each route answers, by its method and path.
  std::map<std::string, int> AnswersTo(net::Authorizer authorizer) {
    routes_.SetAuthorizer(std::move(authorizer));
    std::map<std::string, int> statuses;
    for (const std::string& path :
         {std::string("/pressure-profiles"), Heap(),
          std::string("/incidents/a-0/5f-1"),
          std::string("/incidents/a-0/5f-1.tar.zst"),
          std::string("/incidents/a-0/5f-1/heap.pprof")}) {
      statuses["GET " + path] = Ask(path).status;
    }
    for (const char* path :
         {"/incidents/a-0/5f-1/pin", "/incidents/a-0/5f-1/unpin"}) {
      statuses[StrCat("POST ", path)] =
          Ask(path, "Content-Length: 0\r\n", "POST").status;
    }
    return statuses;
  }
  static std::vector<std::string> Those(
      const std::map<std::string, int>& statuses, int status) {
    std::vector<std::string> out;
    for (const auto& [path, got] : statuses) {
      if (got == status) out.push_back(path);
    }
    return out;
  }
};

TEST_F(EvidenceRightsTest, WhoeverHasNoneGetsNothingFromAnyRoute) {
  Tell();
  const auto none = AnswersTo([](const net::HttpRequest&, net::Access) {
    return Status(Code::kUnauthenticated, "who are you?");
  });
  EXPECT_EQ(Those(none, 401).size(), 7u);
  const auto denied = AnswersTo([](const net::HttpRequest&, net::Access) {
    return PermissionDenied("no");
  });
  EXPECT_EQ(Those(denied, 403).size(), 7u);
  EXPECT_THAT(evidence_.asked, IsEmpty());
  EXPECT_THAT(evidence_.pins, IsEmpty());
}

TEST_F(EvidenceRightsTest, BodiesAndPinsAreForOperatorsButProfilesAsInGo) {
  Tell();
  const auto as_viewer =
      AnswersTo([](const net::HttpRequest&, net::Access access) {
        return access == net::Access::kViewer ? OkStatus()
                                              : PermissionDenied("no");
      });
  EXPECT_THAT(Those(as_viewer, 200),
              ElementsAre("GET /incidents/a-0/5f-1", "GET /pressure-profiles",
                          StrCat("GET ", Heap())));
  EXPECT_EQ(Those(as_viewer, 403).size(), 4u);
  EXPECT_EQ(evidence_.asked.size(), 1u);
  EXPECT_THAT(evidence_.pins, IsEmpty());
}

// Nobody is known by name yet: what comes from another machine may look, and
// take profiles unless they are restricted.
TEST_F(EvidenceRightsTest, FromOtherMachinesAsTheProxyIsSetUp) {
  Tell();
  const auto elsewhere = [](const net::HttpRequest& request,
                            net::Access access) {
    net::HttpRequest from_there = request;
    from_there.peer_is_loopback = false;
    return net::AuthorizeOpen(from_there, access);
  };
  EXPECT_EQ(Those(AnswersTo(elsewhere), 403).size(), 4u);
  for (const bool is_restricted : {false, true}) {
    ApiOptions options;
    options.evidence = &evidence_;
    options.restrict_profile_downloads = is_restricted;
    Api api(loop_, fleet_, commander_, options);
    net::HttpServer server(loop_);
    api.Install(&server);
    server.SetAuthorizer(elsewhere);
    ASSERT_TRUE(server.Listen("127.0.0.1:0").ok());
    net::RawClient client(loop_, server.port());
    client.Get(Heap());
    EXPECT_EQ(client.Read().status, is_restricted ? 403 : 200);
  }
}

}  // namespace
}  // namespace fodc::api
