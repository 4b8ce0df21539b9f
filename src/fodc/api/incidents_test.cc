// SPDX-License-Identifier: Apache-2.0
// /incidents.
#include <gmock/gmock.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "fodc/api/api_test_peer.h"
#include "fodc/evidence/event_id.h"

namespace fodc::api {
namespace {

using evidence::Incident;
using fleet::AgentKind;
using nlohmann::json;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// `at`: seconds since 2026 began.
Incident Open(const std::string& id, int at, const std::string& verdict) {
  Incident i;
  i.id = id;
  i.detector = "read_latency";
  i.verdict = verdict;
  i.started_ms = 1'767'225'600'000 + at * 1000;
  i.updated_ms = i.started_ms + 500;
  return i;
}

Incident Ended(const std::string& id, int at, const std::string& verdict) {
  Incident i = Open(id, at, verdict);
  i.revision = 2;
  i.updated_ms = i.ended_ms = i.started_ms + 10'000;
  return i;
}

class IncidentsTest : public ApiTest {
 protected:
  void Tell(const fleet::AgentId& id, std::vector<Incident> incidents) {
    EXPECT_TRUE(fleet_.TakeIncidents(id, std::move(incidents)).ok());
  }
  // 50 nodes with 25 each, 20 MB as JSON; begun one after the other, "0.0"
  // first, then "1.0".
  void TellMany() {
    Incident large = Open("", 0, "W4");
    large.summary = large.advice =
        std::string(evidence::kMaxIncidentTextBytes, '"');
    for (int a = 0; a < 50; ++a) {
      const auto id = Admit(StrCat("n-", a), AgentKind::kFlight);
      for (int i = 0; i < 25; ++i) {
        large.id = StrCat(a, ".", i);
        large.started_ms = large.updated_ms = 1'767'225'600'000 + 50 * i + a;
        Tell(id, {large});
      }
    }
  }
  json Ask(const std::string& query) {
    const auto r = Get("/incidents" + query);
    EXPECT_EQ(r.status, 200) << r.body;
    EXPECT_EQ(r.Header("Content-Type"), "application/json");
    return json::parse(r.body);
  }
  std::vector<std::string> Ids(const std::string& query) {
    const json all = Ask(query);
    std::vector<std::string> ids;
    for (const json& i : all["incidents"]) ids.push_back(i["id"]);
    return ids;
  }
};

TEST_F(IncidentsTest, TellsAllThatIsKnownOfOne) {
  const auto id =
      Admit("a-0", AgentKind::kFlight, "ROLE_DATA", {{"type", "hot"}});
  Incident i = Open("5f-1", 1, "W3");
  i.cause = "policy";
  i.target = "data";
  i.summary = "reads became <slow>";
  i.advice = "raise eviction thresholds";
  i.revision = 4;
  i.numbers = {{"read_p99_seconds", 0.25},
               {"ratio", std::numeric_limits<double>::quiet_NaN()}};
  i.missing_signals = {"compaction_bytes"};
  Tell(id, {i});
  clock_.Advance(std::chrono::milliseconds(2500));
  const json all = Ask("");
  EXPECT_EQ(all["total"], 1);
  ASSERT_EQ(all["incidents"].size(), 1u);
  EXPECT_EQ(all["incidents"][0],
            json::parse(StrCat(R"({
    "id": "5f-1", "name": "a-0", "pod_name": "a-0", "role": "ROLE_DATA",
    "labels": {"type": "hot"}, "target": "data", "detector": "read_latency",
    "verdict": "W3", "cause": "policy", "state": "open", "watched": true,
    "started_at": "2026-01-01T00:00:01.000Z",
    "updated_at": "2026-01-01T00:00:01.500Z", "ended_at": null,
    "revision": 4, "summary": "reads became <slow>",
    "advice": "raise eviction thresholds",
    "numbers": [{"name": "read_p99_seconds", "value": 0.25},
                {"name": "ratio", "value": null}],
    "missing_signals": ["compaction_bytes"], "evidence": [],
    "agent": {"id": ")",
                               id, R"(", "status": "online",
              "last_heartbeat": "2026-01-01T00:00:00.000Z",
              "silence_seconds": 2.5}})")));
}

TEST_F(IncidentsTest, TellsWhatEvidenceThereIsAndWhereItLies) {
  const auto id = Admit("a-0", AgentKind::kFlight);
  const auto other = Admit("b-0", AgentKind::kFlight);
  Tell(id, {Open("5f-1", 1, "W3"), Open("5f-2", 2, "W3")});
  Tell(other, {Open("5f-1", 3, "W3")});
  fleet::ListedEvent event;
  event.id = "20260627T101112.000000000Z";
  event.meta.captured_at = *evidence::ParseEventId(event.id);
  event.meta.pod_name = "a-0";
  event.meta.incident_id = "5f-1";
  event.bytes = 77;
  event.is_pinned = true;
  ASSERT_TRUE(fleet_.events().Put(*fleet_.registry().Find(id), event).ok());
  // Also when the agent has gone.
  fleet_.Disconnect(id);
  const json all = Ask("")["incidents"];
  ASSERT_EQ(all.size(), 3u);
  EXPECT_THAT(all[0]["evidence"], IsEmpty()) << "of another node";
  EXPECT_THAT(all[1]["evidence"], IsEmpty()) << "of another incident";
  EXPECT_EQ(all[2]["evidence"], json::parse(R"([{
      "id": "20260627T101112.000000000Z",
      "captured_at": "2026-06-27T10:11:12.000000000Z",
      "bytes": 77, "pinned": true, "lies": ["agent"]}])"));
}

TEST_F(IncidentsTest, NoneIsAnEmptyList) {
  EXPECT_EQ(Get("/incidents").body, "{\"incidents\":[],\"total\":0}\n");
  Admit("a-0", AgentKind::kV1);
  Admit("b-0", AgentKind::kFlight);
  EXPECT_EQ(Get("/incidents").body, "{\"incidents\":[],\"total\":0}\n");
}

TEST_F(IncidentsTest, FiltersAndTheNewestComeFirst) {
  const auto a =
      Admit("a-0", AgentKind::kFlight, "ROLE_DATA", {{"type", "hot"}});
  const auto b = Admit("b-0", AgentKind::kFlight, "ROLE_LIAISON");
  Tell(a, {Ended("a1", 100, "W5"), Open("a2", 300, "W3")});
  Tell(b, {Open("b1", 200, "W3"), Ended("b2", 400, "W4")});
  EXPECT_THAT(Ids(""), ElementsAre("b2", "a2", "b1", "a1"));
  EXPECT_THAT(Ids("?role=datanode-hot"), ElementsAre("a2", "a1"));
  EXPECT_THAT(Ids("?pod_name=B-0"), ElementsAre("b2", "b1"));
  EXPECT_THAT(Ids("?pod_name=c-0"), IsEmpty());
  EXPECT_THAT(Ids("?verdict=w3"), ElementsAre("a2", "b1"));
  EXPECT_THAT(Ids("?state=ended"), ElementsAre("b2", "a1"));
  EXPECT_THAT(Ids("?state=open&role=liaison"), ElementsAre("b1"));
  EXPECT_THAT(Ids("?start_time=2026-01-01T00:01:50.5Z"),
              ElementsAre("b2", "a2", "b1"));
  EXPECT_THAT(Ids("?end_time=2026-01-01T00:03:20Z"), ElementsAre("b1", "a1"));
  EXPECT_THAT(Ids("?start_time=2026-01-01T00:01:45Z&end_time=1767225705"),
              ElementsAre("a1"));
  const json two = Ask("?limit=2");
  EXPECT_EQ(two["incidents"].size(), 2u);
  EXPECT_EQ(two["incidents"][1]["id"], "a2");
  EXPECT_EQ(two["total"], 4);
}

TEST_F(IncidentsTest, AnOpenOneOfADeadAgentSaysThatNobodyWatchesIt) {
  const auto a = Admit("a-0", AgentKind::kFlight);
  Tell(a, {Open("open", 2, "W3"), Ended("ended", 1, "W3")});
  fleet_.Disconnect(a);
  clock_.Advance(seconds(90));
  json all = Ask("")["incidents"];
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["state"], "open");
  EXPECT_EQ(all[0]["watched"], false);
  EXPECT_EQ(all[0]["agent"]["status"], "offline");
  EXPECT_EQ(all[0]["agent"]["silence_seconds"], 90);
  EXPECT_TRUE(all[1]["watched"].is_null());
  EXPECT_EQ(all[1]["ended_at"], "2026-01-01T00:00:11.000Z");
  // It comes back in another life, which knows nothing of it.
  fleet::Registry::Claim claim;
  claim.kind = AgentKind::kFlight;
  claim.identity.pod_name = "a-0";
  claim.identity.role = "ROLE_DATA";
  claim.identity.instance_id = "instance-a-0";
  claim.identity.incarnation = 6;
  const auto again = fleet_.Admit(claim).id;
  EXPECT_THAT(Ids("?state=open"), IsEmpty());
  all = Ask("?state=ended")["incidents"];
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["id"], "open");
  EXPECT_EQ(all[0]["ended_at"], all[0]["updated_at"]);
  EXPECT_THAT(all[0]["summary"].get<std::string>(),
              HasSubstr("nobody saw the end"));
  EXPECT_TRUE(all[0]["watched"].is_null());
  EXPECT_EQ(all[0]["agent"]["status"], "online");
  EXPECT_EQ(all[0]["agent"]["id"], again);
}

TEST_F(IncidentsTest, BadParametersAreNamed) {
  for (const auto& [query, word] : {std::pair("limit=none", "limit"),
                                    {"limit=1001", "limit"},
                                    {"state=x", "state"},
                                    {"start_time=x", "start_time"},
                                    {"end_time=x", "end_time"},
                                    {"start_time=2&end_time=1", "start_time"},
                                    {"role=datanode-x", "datanode-x"}}) {
    const auto r = Get(StrCat("/incidents?", query));
    EXPECT_EQ(r.status, 400) << query;
    EXPECT_THAT(r.body, HasSubstr(word));
  }
}

TEST_F(IncidentsTest, ManyAreBoundedAndWrittenPieceByPiece) {
  TellMany();
  const json all = Ask("?limit=1000");
  EXPECT_EQ(all["total"], 1250);
  ASSERT_EQ(all["incidents"].size(), 1000u);
  for (std::size_t i = 0; i < 1000; ++i) {
    const std::size_t from_oldest = 1249 - i;
    ASSERT_EQ(all["incidents"][i]["id"],
              StrCat(from_oldest % 50, ".", from_oldest / 50));
  }
  EXPECT_EQ(Ask("")["incidents"].size(), 100u);
}

TEST_F(IncidentsTest, RefusesMoreAnswersThanItMayHold) {
  TellMany();
  // More than the sockets between us can hold, and nobody reads on.
  std::vector<net::RawClient> slow;
  for (int i = 0; i < 2; ++i) {
    slow.emplace_back(loop_, server_.port(), 4096);
    slow.back().Get("/incidents?limit=1000");
  }
  net::RawResponse refused;
  ASSERT_TRUE(loop_.RunUntil([&] {
    refused = Get("/incidents");
    return refused.status == 503;
  }));
  EXPECT_EQ(refused.Header("Retry-After"), "5");
  EXPECT_THAT(refused.body, HasSubstr("lists of incidents are being read; the "
                                      "limit is 2"));
  EXPECT_GE(api_->stats().refused, 1u);
  EXPECT_EQ(Get("/cluster").status, 200);
  slow.clear();
  EXPECT_TRUE(loop_.RunUntil([&] { return Get("/incidents").status == 200; }));
}

TEST_F(IncidentsTest, AStrangersTimesMakeNoBadDocument) {
  const auto a = Admit("a-0", AgentKind::kFlight);
  Incident odd = Open("odd", 0, "W3");
  odd.updated_ms = odd.ended_ms = std::numeric_limits<std::int64_t>::max();
  Tell(a, {odd});
  EXPECT_THAT(Ids("?start_time=9e9"), ElementsAre("odd"));
}

}  // namespace
}  // namespace fodc::api
