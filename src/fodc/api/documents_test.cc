// SPDX-License-Identifier: Apache-2.0
// /cluster, /health, /sd and the rest; what is no route.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "fodc/api/api_test_peer.h"

namespace fodc::api {
namespace {

using fleet::AgentKind;
using nlohmann::json;
using std::chrono::seconds;
using ::testing::HasSubstr;

using DocumentsTest = ApiTest;

TEST_F(DocumentsTest, ClusterTellsWhoIsThereAndHowTheyAre) {
  Node a(this, "a-0", "ROLE_DATA", {{"type", "hot"}});
  const auto target = [](const std::string& name, double value,
                         exposition::MetricType type) {
    return TestSample{name, {{"target", "db"}}, value, type};
  };
  const auto gauge = exposition::MetricType::kGauge;
  const auto counter = exposition::MetricType::kCounter;
  for (int i = 0; i < 12; ++i) {
    a.Scrape("page", {{"x", {}, 1}});
    a.Scrape("target db",
             {target("fodc_target_up", 1, gauge),
              target("fodc_target_pid", 4711, gauge),
              target("fodc_target_start_time_seconds", 1767225600, gauge),
              target("fodc_target_restarts_total", 2, counter),
              target("fodc_target_cpu_seconds_total", i * 0.25, counter),
              target("fodc_target_resident_memory_bytes", 250, gauge),
              target("fodc_container_memory_limit_bytes", 1000, gauge),
              {"fodc_pressure_avg10_ratio",
               {{"kind", "some"}, {"resource", "memory"}, {"target", "db"}},
               0.5}});
    clock_.Advance(seconds(1));
    loop_.RunReady();
  }
  const auto r = Get("/cluster");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.Header("Content-Type"), "application/json");
  const json node = json::parse(r.body)["nodes"][0];
  EXPECT_EQ(node["name"], "a-0");
  EXPECT_EQ(node["role"], "ROLE_DATA");
  EXPECT_EQ(node["labels"], (json{{"type", "hot"}}));
  EXPECT_EQ(node["address"], "10.0.0.1:9090");
  EXPECT_EQ(node["container_names"], json::array({"data"}));
  EXPECT_EQ(node["agent"]["id"], a.id());
  EXPECT_EQ(node["agent"]["kind"], "flight");
  EXPECT_EQ(node["agent"]["version"], "9.9");
  EXPECT_EQ(node["agent"]["status"], "online");
  EXPECT_EQ(node["agent"]["last_heartbeat"], "2026-01-01T00:00:00.000Z");
  ASSERT_EQ(node["targets"].size(), 1u);
  EXPECT_EQ(node["targets"][0]["container"], "data");
  EXPECT_EQ(node["targets"][0]["up"], true);
  EXPECT_EQ(node["targets"][0]["pid"], 4711);
  EXPECT_EQ(node["targets"][0]["started_at"], "2026-01-01T00:00:00.000Z");
  EXPECT_EQ(node["targets"][0]["restarts"], 2);
  EXPECT_EQ(node["window"]["from"], "2026-01-01T00:00:00.000Z");
  EXPECT_EQ(node["window"]["to"], "2026-01-01T00:00:11.000Z");
  EXPECT_EQ(node["window"]["samples"], 12 * 9);
  EXPECT_EQ(node["window"]["series"], 9);
  EXPECT_GT(node["window"]["bytes"], 0);
  EXPECT_EQ(node["window"]["interval_seconds"], 1);
  EXPECT_EQ(node["indicators"]["rss_bytes"], 250);
  EXPECT_EQ(node["indicators"]["memory_limit_bytes"], 1000);
  EXPECT_EQ(node["indicators"]["rss_limit_ratio"], 0.25);
  EXPECT_EQ(node["indicators"]["pressure"]["memory_some"], 0.5);
  // Two looks, five seconds apart.
  EXPECT_EQ(node["indicators"]["cpu_cores"], 0.25);
}

TEST_F(DocumentsTest, ADeadTargetUsesNoProcessor) {
  Node a(this, "a-0");
  const auto cluster = [this] {
    return json::parse(Get("/cluster").body)["nodes"][0];
  };
  for (int i = 0; i < 12; ++i) {
    a.Scrape("page", {{"x"}, {"y"}, {"z"}});
    a.Scrape("target db",
             {{"fodc_target_up", {{"target", "db"}}, 1},
              {"fodc_target_cpu_seconds_total", {{"target", "db"}}, i * 0.25}});
    clock_.Advance(seconds(1));
    loop_.RunReady();
  }
  EXPECT_EQ(cluster()["indicators"]["cpu_cores"], 0.25);
  EXPECT_EQ(cluster()["window"]["series"], 5);
  const auto find_dead = [&] {
    a.Scrape("target db", {{"fodc_target_up", {{"target", "db"}}, 0}});
  };
  find_dead();
  EXPECT_TRUE(cluster()["indicators"]["cpu_cores"].is_null());
  // The page is current for two intervals.
  EXPECT_EQ(cluster()["window"]["series"], 4);
  for (int i = 0; i < 2; ++i) {
    clock_.Advance(seconds(1));
    find_dead();
  }
  EXPECT_EQ(cluster()["window"]["series"], 1);
  EXPECT_EQ(cluster()["targets"][0]["up"], false);
}

TEST_F(DocumentsTest, ClusterKeepsWhatASilentNodeWas) {
  Node a(this, "a-0");
  const auto scrape = [&](int i) {
    a.Scrape("scrape", {{"up", {}, 1}});
    a.Scrape(
        "target db",
        {{"fodc_target_up", {{"target", "db"}}, 1},
         {"fodc_target_pid", {{"target", "db"}}, 4711},
         {"fodc_target_restarts_total", {{"target", "db"}}, 3},
         {"fodc_target_last_death_uptime_seconds", {{"target", "db"}}, 2.5},
         {"fodc_target_cpu_seconds_total", {{"target", "db"}}, i * 0.25},
         {"fodc_container_memory_limit_bytes", {{"target", "db"}}, 1000},
         {"fodc_pressure_avg10_ratio",
          {{"kind", "some"}, {"resource", "memory"}},
          0.5}});
  };
  for (int i = 0; i < 12; ++i) {
    if (i > 0) clock_.Advance(seconds(1));
    scrape(i);
    loop_.RunReady();
  }
  json node = json::parse(Get("/cluster").body)["nodes"][0];
  EXPECT_EQ(node["indicators"]["up"], 1);
  EXPECT_EQ(node["indicators"]["age_seconds"], 0);
  EXPECT_EQ(node["indicators"]["cpu_cores"], 0.25);
  for (int i = 0; i < 60; ++i) {
    clock_.Advance(seconds(1));
    loop_.RunReady();
  }
  node = json::parse(Get("/cluster").body)["nodes"][0];
  EXPECT_EQ(node["indicators"]["up"], 0);
  EXPECT_EQ(node["indicators"]["age_seconds"], 60);
  EXPECT_EQ(node["indicators"]["memory_limit_bytes"], 1000);
  // What was so then is no news of now.
  EXPECT_TRUE(node["indicators"]["cpu_cores"].is_null());
  EXPECT_TRUE(node["indicators"]["pressure"].empty());
  ASSERT_EQ(node["targets"].size(), 1u);
  EXPECT_EQ(node["targets"][0]["up"], false);
  EXPECT_EQ(node["targets"][0]["pid"], 4711);
  EXPECT_EQ(node["targets"][0]["restarts"], 3);
  EXPECT_EQ(node["targets"][0]["last_death_uptime_seconds"], 2.5);
  // Once it is back, its use is measured anew.
  scrape(100);
  loop_.RunReady();
  node = json::parse(Get("/cluster").body)["nodes"][0];
  EXPECT_EQ(node["targets"][0]["up"], true);
  EXPECT_TRUE(node["indicators"]["cpu_cores"].is_null());
}

TEST_F(DocumentsTest, EveryNodesProcessorsAreLookedAtInTurn) {
  std::vector<std::unique_ptr<Node>> nodes;
  nodes.reserve(45);
  for (int i = 0; i < 45; ++i) {
    nodes.push_back(std::make_unique<Node>(this, StrCat("n-", i)));
  }
  for (int quarter = 0; quarter < 60; ++quarter) {
    if (quarter % 4 == 0) {
      for (const auto& node : nodes) {
        node->Scrape("page",
                     {{"process_cpu_seconds_total", {}, quarter * 0.5}});
      }
    }
    clock_.Advance(std::chrono::milliseconds(250));
    loop_.RunReady();
  }
  const json all = json::parse(Get("/cluster").body)["nodes"];
  for (const json& node : all) {
    EXPECT_EQ(node["indicators"]["cpu_cores"], 2) << node["name"];
  }
}

TEST_F(DocumentsTest, ClusterListsEveryKindAndFilters) {
  Admit("a-0", AgentKind::kV1);
  const auto b = Admit("b-0", AgentKind::kFlight, "ROLE_LIAISON");
  fleet_.registry().Disconnect(b);
  const json all = json::parse(Get("/cluster").body)["nodes"];
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0]["agent"]["kind"], "v1");
  EXPECT_TRUE(all[0]["window"].is_null());
  EXPECT_EQ(all[1]["agent"]["status"], "offline");
  const json some = json::parse(Get("/cluster?role=liaison").body)["nodes"];
  ASSERT_EQ(some.size(), 1u);
  EXPECT_EQ(some[0]["name"], "b-0");
  EXPECT_EQ(Get("/cluster?role=nobody").body, "{\"nodes\":[]}\n");
  const json one = json::parse(Get("/cluster?pod_name=A-0").body)["nodes"];
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0]["name"], "a-0");
}

TEST_F(DocumentsTest, ClusterListsARivalBesideTheFirst) {
  const auto first = Admit("a-0", AgentKind::kFlight);
  fleet::Registry::Claim claim;
  claim.kind = AgentKind::kV1;
  claim.identity.pod_name = "a-0";
  claim.identity.role = "ROLE_DATA";
  claim.found_alive = {first};
  ASSERT_TRUE(fleet_.Admit(claim).conflict);
  const json nodes = json::parse(Get("/cluster").body)["nodes"];
  ASSERT_EQ(nodes.size(), 2u);
  std::map<std::string, std::string> status;
  for (const json& node : nodes) {
    EXPECT_EQ(node["pod_name"], "a-0");
    status[node["agent"]["kind"]] = node["agent"]["status"];
  }
  EXPECT_EQ(status["flight"], "online");
  EXPECT_EQ(status["v1"], "conflict");
  EXPECT_EQ(json::parse(Get("/health").body)["agents_online"], 1);
}

TEST_F(DocumentsTest, ClusterHoldsManyNodes) {
  for (int i = 0; i < 50; ++i) Admit(StrCat("n-", i), AgentKind::kV1);
  EXPECT_EQ(json::parse(Get("/cluster").body)["nodes"].size(), 50u);
}

TEST_F(DocumentsTest, HealthHasTheShapeOfTheContract) {
  EXPECT_EQ(Get("/health").body,
            "{\"agents_online\":0,\"agents_total\":0,\"status\":\"healthy\","
            "\"uptime_seconds\":0}\n");
  Admit("a-0", AgentKind::kV1);
  fleet_.registry().Disconnect(Admit("b-0", AgentKind::kV1));
  clock_.Advance(seconds(3));
  const auto r = Get("/health");
  EXPECT_EQ(r.body,
            "{\"agents_online\":1,\"agents_total\":2,\"status\":\"healthy\","
            "\"uptime_seconds\":3}\n");
  EXPECT_EQ(r.Header("Content-Type"), "application/json");
}

TEST_F(DocumentsTest, DiscoveryNamesEveryEndpoint) {
  Admit("v-0", AgentKind::kV1);  // tells no port
  const auto id = Admit("a-0", AgentKind::kFlight, "ROLE_DATA",
                        {{"type", "hot"}, {"a/b", "c"}});
  json groups = json::parse(Get("/sd").body);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0]["targets"], json::array({"10.0.0.1:9090"}));
  EXPECT_EQ(groups[0]["labels"],
            (json{{"__meta_fodc_agent_id", id},
                  {"__meta_fodc_agent_kind", "flight"},
                  {"__meta_fodc_agent_status", "online"},
                  {"__meta_fodc_agent_version", "9.9"},
                  {"__meta_fodc_container_names", ",data,"},
                  {"__meta_fodc_label_a_b", "c"},
                  {"__meta_fodc_label_type", "hot"},
                  {"__meta_fodc_node_name", "a-0"},
                  {"__meta_fodc_node_role", "ROLE_DATA"},
                  {"__meta_fodc_pod_name", "a-0"}}));
  fleet::AgentIdentity identity = fleet_.registry().Find(id)->identity;
  identity.advertise_address = "agent.example:1234";
  ASSERT_TRUE(fleet_.registry().UpdateIdentity(id, identity).ok());
  groups = json::parse(Get("/sd?pod_name=A-0").body);
  EXPECT_EQ(groups[0]["targets"], json::array({"agent.example:1234"}));
  EXPECT_EQ(Get("/sd?pod_name=x").body, "[]\n");
  EXPECT_EQ(Get("/sd?role=ROLE_LIAISON").body, "[]\n");
  EXPECT_EQ(json::parse(Get("/sd?role=role_data").body).size(), 1u);
}

TEST_F(DocumentsTest, ProbesAndVersion) {
  EXPECT_EQ(Get("/healthz").status, 200);
  EXPECT_EQ(Get("/readyz").status, 200);
  ready_ = Unavailable("the proxy is stopping");
  EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_THAT(Get("/readyz").body, HasSubstr("stopping"));
  EXPECT_EQ(json::parse(Get("/version").body)["version"], "1.2.3");
}

TEST_F(DocumentsTest, RefusesWhatIsNoRoute) {
  const auto r = Get("/nope");
  EXPECT_EQ(r.status, 404);
  EXPECT_EQ(r.body, "404 page not found\n");
  for (const char* method : {"POST", "HEAD", "OPTIONS", "DELETE"}) {
    net::RawClient client(loop_, server_.port());
    client.Send(StrCat(method, " /metrics HTTP/1.1\r\nHost: x\r\n\r\n"));
    EXPECT_EQ(client.Read(std::string_view(method) == "HEAD").status, 405);
  }
}

// --- Bad input.

TEST_F(DocumentsTest, HugeHeadersAreRefused) {
  net::RawClient client(loop_, server_.port());
  client.Get("/metrics", StrCat("X: ", std::string(100'000, 'a'), "\r\n"));
  EXPECT_EQ(client.Read().status, 431);
}

TEST_F(DocumentsTest, ASlowClientKeepsNobodyWaiting) {
  // More than the sockets between us can hold.
  const std::string filler(500, 'f');
  std::vector<TestSample> many;
  many.reserve(8000);
  for (int i = 0; i < 8000; ++i) {
    many.push_back(
        {"x", {{"filler", filler}, {"number", std::to_string(i)}}, 1.0 * i});
  }
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = 0; i < 6; ++i) {
    nodes.push_back(std::make_unique<Node>(this, StrCat("n-", i)));
    nodes.back()->Scrape("page", many);
  }
  net::RawClient slow(loop_, server_.port(), 4096);
  slow.Get("/metrics");
  net::RawClient half(loop_, server_.port());
  half.Send("GET /metrics HTTP/1.1\r\n");
  // Until the sockets are full.
  std::uint64_t sent = 0;
  ASSERT_TRUE(loop_.RunUntil([&] {
    const bool still =
        api_->stats().pages == 1 && server_.stats().bytes_sent == sent;
    sent = server_.stats().bytes_sent;
    for (int i = 0; i < 20; ++i) loop_.RunReady();
    return still;
  }));
  EXPECT_EQ(Get("/health").status, 200);
  // Neither reads on nor sends on: both are cut at their deadlines.
  clock_.Advance(seconds(11));
  EXPECT_TRUE(loop_.RunUntil([&] {
    return server_.stats().write_timeouts == 1 &&
           server_.stats().header_timeouts == 1;
  }));
  EXPECT_TRUE(half.WaitForEnd());
  EXPECT_FALSE(slow.Read().complete);
}

TEST_F(DocumentsTest, ManyConnectionsLeaveRoomForOthers) {
  std::vector<std::unique_ptr<net::RawClient>> crowd;
  for (int i = 0; i < 1000; ++i) {
    crowd.push_back(std::make_unique<net::RawClient>(loop_, server_.port()));
    if (i % 50 == 0) loop_.RunReady();
  }
  for (int i = 0; i < 200; ++i) {
    crowd.push_back(std::make_unique<net::RawClient>(loop_, server_.port()));
    loop_.RunReady();
  }
  EXPECT_EQ(Get("/health").status, 200);
  EXPECT_GT(server_.stats().connections_evicted, 0u);
}

}  // namespace
}  // namespace fodc::api
