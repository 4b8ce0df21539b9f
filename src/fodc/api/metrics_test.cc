// SPDX-License-Identifier: Apache-2.0
// /metrics over real sockets.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "fodc/api/api_test_peer.h"
#include "fodc/api/instant_page.h"
#include "fodc/api/json_writer.h"
#include "fodc/net/compression.h"

namespace fodc::api {
namespace {

using fleet::AgentKind;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using MetricsTest = ApiTest;

TEST_F(MetricsTest, MergesNodesAndItsOwn) {
  Node a(this, "a-0", "ROLE_DATA", {{"type", "hot"}});
  Node b(this, "b-0", "ROLE_LIAISON");
  a.Scrape("page", {{"x_total",
                     {{"k", "v"}},
                     3,
                     exposition::MetricType::kCounter,
                     "Help."}});
  b.Scrape("page", {{"x_total", {}, 4, exposition::MetricType::kCounter}});
  const auto r = Get("/metrics");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.Header("Content-Type"),
            "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(r.body,
            "# TYPE fodc_proxy_test gauge\n"
            "fodc_proxy_test 7\n"
            "# HELP x_total Help.\n"
            "# TYPE x_total counter\n"
            "x_total{container_name=\"data\",k=\"v\",node_role=\"ROLE_DATA\","
            "node_type=\"hot\",pod_name=\"a-0\"} 3\n"
            "x_total{container_name=\"data\",node_role=\"ROLE_LIAISON\","
            "pod_name=\"b-0\"} 4\n");
}

TEST_F(MetricsTest, FiltersByRoleAndPodWithoutRegardToCase) {
  Node a(this, "a-0", "ROLE_DATA", {{"type", "hot"}});
  Node b(this, "b-0", "ROLE_LIAISON");
  a.Scrape("page", {{"x"}});
  b.Scrape("page", {{"x"}});
  for (const char* query :
       {"role=role_data", "role=datanode", "role=datanode-HOT", "pod_name=A-0",
        "pod_name=a-0&role=ROLE_DATA"}) {
    const std::string body = Get(StrCat("/metrics?", query)).body;
    EXPECT_THAT(body, HasSubstr("pod_name=\"a-0\"")) << query;
    EXPECT_THAT(body, Not(HasSubstr("pod_name=\"b-0\""))) << query;
    EXPECT_THAT(body, Not(HasSubstr("fodc_proxy_test"))) << query;
  }
  const auto none = Get("/metrics?role=nobody");
  EXPECT_EQ(none.status, 200);
  EXPECT_EQ(none.Header("Content-Length"), "0");
  EXPECT_EQ(none.Header("Content-Type"),
            "text/plain; version=0.0.4; charset=utf-8");
}

TEST_F(MetricsTest, AnExactPodNameWins) {
  Node upper(this, "DB-0");
  Node lower(this, "db-0");
  upper.Scrape("page", {{"x"}});
  lower.Scrape("page", {{"x"}});
  const auto pods = [this](const std::string& route, const std::string& name) {
    const std::string body = Get(StrCat(route, "?pod_name=", name)).body;
    return std::pair(body.find("DB-0\"") != std::string::npos,
                     body.find("db-0\"") != std::string::npos);
  };
  for (const char* route : {"/metrics", "/metrics-windows", "/cluster"}) {
    EXPECT_EQ(pods(route, "DB-0"), std::pair(true, false)) << route;
    EXPECT_EQ(pods(route, "db-0"), std::pair(false, true)) << route;
    EXPECT_EQ(pods(route, "Db-0"), std::pair(true, true)) << route;
  }
}

TEST_F(MetricsTest, ShowsOnlyUpZeroOnceTwoIntervalsHavePassed) {
  Node a(this, "a-0");
  for (int i = 0; i < 3; ++i) {
    a.Scrape("page", {{"x", {}, 1}});
    a.Scrape("scrape", {{"up", {{"endpoint", "page"}}, 1}});
    clock_.Advance(seconds(1));
  }
  clock_.Advance(milliseconds(1000));
  EXPECT_THAT(Get("/metrics").body, HasSubstr("\nx{"));
  clock_.Advance(milliseconds(10));
  const std::string body = Get("/metrics").body;
  EXPECT_THAT(body, Not(HasSubstr("\nx{")));
  EXPECT_THAT(body, HasSubstr("up{container_name=\"data\",endpoint=\"page\","
                              "node_role=\"ROLE_DATA\",pod_name=\"a-0\"} 0\n"));
  EXPECT_EQ(api_->stats().stale_nodes, 1u);
  // It comes back.
  a.Scrape("page", {{"x", {}, 2}});
  EXPECT_THAT(Get("/metrics").body, HasSubstr("\nx{"));
}

TEST_F(MetricsTest, LeavesOutTheStaleSourceOfALiveNode) {
  Node a(this, "a-0");
  for (int i = 0; i < 6; ++i) {
    if (i < 3) a.Scrape("page", {{"x", {}, 1}});
    a.Scrape("scrape", {{"up", {{"endpoint", "page"}}, i < 3 ? 1.0 : 0.0}});
    clock_.Advance(seconds(1));
  }
  const std::string body = Get("/metrics").body;
  EXPECT_THAT(body, Not(HasSubstr("\nx{")));
  EXPECT_THAT(body, HasSubstr("pod_name=\"a-0\"} 0\n"));
}

TEST_F(MetricsTest, TrustsNoWallClockOfAnAgent) {
  Node a(this, "a-0");
  clock_.StepUnix(-std::chrono::hours(5));
  a.Scrape("page", {{"x", {}, 1}});
  clock_.StepUnix(std::chrono::hours(5));
  EXPECT_THAT(Get("/metrics").body, HasSubstr("\nx{"));
}

TEST_F(MetricsTest, ShowsUpZeroForANodeOfWhichNothingIsKnown) {
  Admit("a-0", AgentKind::kFlight);
  EXPECT_THAT(Get("/metrics").body, Not(HasSubstr("up{")));
  clock_.Advance(2 * fleet::Pace::kUnknownInterval + milliseconds(1));
  EXPECT_THAT(Get("/metrics").body,
              HasSubstr("up{node_role=\"ROLE_DATA\",pod_name=\"a-0\"} 0\n"));
}

// What an agent recorded over the last half hour: chunks, and a fresh row.
std::vector<recorder::LogEntry> HalfAnHour(const Clock& clock) {
  recorder::Recording recording(5, {.stretch_rows = 60});
  const auto source = recording.OpenSource("scrape", "data");
  exposition::SeriesDesc up;
  up.name = up.family = "up";
  recording.SpliceLines(source, 0, 0, {&up, 1});
  const std::int64_t unix_ms = ToUnixMillis(clock.Unix());
  const std::int64_t monotonic_ms = std::chrono::duration_cast<milliseconds>(
                                        clock.Monotonic().time_since_epoch())
                                        .count();
  for (std::int64_t ago = 1800; ago >= 0; --ago) {
    (void)recording.Append(source,
                           {monotonic_ms - 1000 * ago, unix_ms - 1000 * ago},
                           {{1.0}}, std::nullopt);
  }
  std::vector<recorder::LogEntry> entries;
  recorder::Recording::Defined defined;
  (void)recording.ReadLog({}, &defined, [&](const recorder::LogEntry& e) {
    entries.push_back(e);
    return true;
  });
  return entries;
}

TEST_F(MetricsTest, ANodeThatIsStillResumingIsNotDown) {
  clock_.Advance(std::chrono::hours(1));
  const auto id = Admit("a-0", AgentKind::kFlight);
  const auto entries = HalfAnHour(clock_);
  ASSERT_GT(entries.size(), 30u);
  const auto send = [&](std::size_t from, std::size_t to) {
    ASSERT_TRUE(
        fleet_.Apply(id, std::span(entries).subspan(from, to - from)).ok());
  };
  const auto expect_no_up = [&] {
    EXPECT_THAT(Get("/metrics").body, Not(HasSubstr("\nup{")));
    EXPECT_EQ(api_->stats().stale_nodes, 0u);
    EXPECT_EQ(api_->stats().catching_up_nodes, 1u);
    EXPECT_EQ(Get("/metrics-windows").body, "[]\n");
    EXPECT_THAT(Get("/cluster").body, HasSubstr("\"up\":null"));
    // Nor was it at an instant that has not arrived.
    EXPECT_EQ(Get(StrCat("/metrics?at=", FormatRfc3339(clock_.Unix(), 0))).body,
              "");
  };
  expect_no_up();
  send(0, 10);
  clock_.Advance(seconds(15));
  expect_no_up();
  send(10, 20);
  clock_.Advance(seconds(15));
  expect_no_up();
  send(20, entries.size());
  EXPECT_THAT(Get("/metrics").body, HasSubstr("pod_name=\"a-0\"} 1\n"));
  EXPECT_EQ(api_->stats().catching_up_nodes, 0u);
  // From here on silence is silence.
  clock_.Advance(2 * fleet::Pace::kUnknownInterval + milliseconds(1));
  EXPECT_THAT(Get("/metrics").body, HasSubstr("pod_name=\"a-0\"} 0\n"));
}

TEST_F(MetricsTest, CatchingUpHasAnEnd) {
  clock_.Advance(std::chrono::hours(1));
  const auto id = Admit("a-0", AgentKind::kFlight);
  const auto entries = HalfAnHour(clock_);
  ASSERT_TRUE(fleet_.Apply(id, std::span(entries).first(10)).ok());
  EXPECT_THAT(Get("/metrics").body, Not(HasSubstr("\nup{")));
  // Nothing comes any more, ...
  clock_.Advance(2 * fleet::Pace::kUnknownInterval + milliseconds(1));
  EXPECT_THAT(Get("/metrics").body, HasSubstr("pod_name=\"a-0\"} 0\n"));
  // ... or the agent is gone.
  const auto gone = Admit("b-0", AgentKind::kFlight);
  EXPECT_THAT(Get("/metrics").body, Not(HasSubstr("b-0")));
  fleet_.Disconnect(gone);
  EXPECT_THAT(Get("/metrics").body, HasSubstr("pod_name=\"b-0\"} 0\n"));
  // ... or it sends history for ever.
  const auto slow = Admit("c-0", AgentKind::kFlight);
  for (std::size_t i = 0; i < 31; ++i) {
    ASSERT_TRUE(fleet_.Apply(slow, std::span(entries).subspan(i, 1)).ok());
    EXPECT_THAT(Get("/metrics").body, Not(HasSubstr("c-0"))) << i;
    clock_.Advance(seconds(19));
  }
  clock_.Advance(seconds(19));
  EXPECT_THAT(Get("/metrics").body, HasSubstr("pod_name=\"c-0\"} 0\n"));
}

TEST_F(MetricsTest, GivesAnyInstantOfTheWindow) {
  Node a(this, "a-0");
  const std::int64_t start = ToUnixMillis(clock_.Unix());
  for (int i = 0; i < 10; ++i) {
    a.Scrape("page", {{"x", {}, 100.0 + i}});
    clock_.Advance(seconds(1));
  }
  const auto at = [&](std::int64_t ms) {
    return Get(StrCat("/metrics?at=", FormatRfc3339(FromUnixMillis(ms), 3)))
        .body;
  };
  EXPECT_THAT(at(start + 4000), HasSubstr("} 104\n"));
  EXPECT_THAT(at(start + 4999), HasSubstr("} 104\n"));
  EXPECT_THAT(at(start + 9000), HasSubstr("} 109\n"));
  clock_.Advance(seconds(10));
  EXPECT_THAT(at(start + 12000), Not(HasSubstr("\nx{")));
  EXPECT_THAT(at(start + 12000), HasSubstr("up{"));
  EXPECT_EQ(Get("/metrics?at=").status, 400);
  EXPECT_EQ(Get("/metrics?at=soon").status, 400);
  EXPECT_THAT(Get("/metrics?at=soon").body, HasSubstr("Invalid at format: "));
}

// The clock of the node was set back: some instants came twice.
TEST_F(MetricsTest, GivesInstantsThatTheClockWentBackTo) {
  Node a(this, "a-0");
  const std::int64_t start = ToUnixMillis(clock_.Unix());
  for (int i = 0; i < 10; ++i) {
    a.Scrape("page", {{"x", {}, 100.0 + i}});
    clock_.Advance(seconds(1));
    if (i == 5) clock_.StepUnix(-std::chrono::hours(1));
  }
  // 6 s of the hour that came again.
  const std::int64_t again = start + 8000 - 3'600'000;
  EXPECT_THAT(
      Get(StrCat("/metrics?at=", FormatRfc3339(FromUnixMillis(again), 3))).body,
      HasSubstr("} 108\n"));
  const auto cluster = nlohmann::json::parse(Get("/cluster").body);
  EXPECT_EQ(cluster["nodes"][0]["window"]["from"],
            FormatInstant(start + 6000 - 3'600'000, 3));
  EXPECT_EQ(cluster["nodes"][0]["window"]["to"],
            FormatInstant(start + 5000, 3));
}

TEST_F(MetricsTest, ReadsTheNodesOfAnInstantOneByOne) {
  std::vector<std::unique_ptr<Node>> nodes;
  for (int i = 0; i < 5; ++i) {
    nodes.push_back(std::make_unique<Node>(this, StrCat("a-", i)));
    nodes.back()->Scrape("page", {{"x", {}, 1.0 * i}});
  }
  NodeFrameReader frames;
  PageGatherer gatherer(1u << 20);
  ApiStats stats;
  InstantPage page(fleet_, clock_, frames, &gatherer, &stats, *fleet_.List(),
                   {}, ToUnixMillis(clock_.Unix()));
  std::string text;
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(page.Append(&text, 65536));
    EXPECT_EQ(text, "") << i;
  }
  while (page.Append(&text, 65536)) {
  }
  EXPECT_THAT(text, HasSubstr("pod_name=\"a-4\"} 4\n"));
  EXPECT_EQ(text,
            Get(StrCat("/metrics?at=", FormatRfc3339(clock_.Unix(), 3))).body);
}

TEST_F(MetricsTest, RefusesMoreAnswersThanItMayHold) {
  Admit("silent-0", AgentKind::kV1);
  for (const auto& [target, limit] :
       {std::pair("/metrics", 4), std::pair("/metrics-windows", 2)}) {
    const std::size_t asked = commander_.asked().size();
    std::vector<net::RawClient> waiting;
    for (int i = 0; i < limit; ++i) {
      waiting.emplace_back(loop_, server_.port());
      waiting.back().Get(target);
    }
    loop_.RunUntil([&, n = static_cast<std::size_t>(limit)] {
      return commander_.asked().size() == asked + n;
    });
    const auto refused = Get(target);
    EXPECT_EQ(refused.status, 503) << target;
    EXPECT_EQ(refused.Header("Retry-After"), "5");
    EXPECT_THAT(refused.body, HasSubstr(StrCat("the limit is ", limit)));
    clock_.Advance(seconds(5));
    for (net::RawClient& client : waiting) EXPECT_EQ(client.Read().status, 200);
    // There is room again.
    net::RawClient next(loop_, server_.port());
    next.Get(target);
    loop_.RunUntil([&, n = static_cast<std::size_t>(limit) + 1] {
      return commander_.asked().size() == asked + n;
    });
    clock_.Advance(seconds(5));
    EXPECT_EQ(next.Read().status, 200);
  }
  EXPECT_EQ(api_->stats().refused, 2u);
}

TEST_F(MetricsTest, ClaimsNothingOfInstantsThatNoWindowHas) {
  Node a(this, "a-0");
  a.Scrape("page", {{"x", {}, 1}});
  Admit("b-0", AgentKind::kFlight);  // nothing of it has come
  fleet_.registry().Disconnect(Admit("v-0", AgentKind::kV1));
  clock_.Advance(seconds(5));
  for (const char* at : {"0", "2025-12-31T23:59:59Z", "2030-01-01T00:00:00Z"}) {
    const auto r = Get(StrCat("/metrics?at=", at));
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.body, "") << at;
  }
  EXPECT_THAT(Get("/metrics?at=2026-01-01T00:00:01Z").body,
              HasSubstr("# TYPE x gauge\n"));
}

TEST_F(MetricsTest, AsksV1AgentsAndMergesTheirAnswers) {
  Node a(this, "a-0");
  a.Scrape("page", {{"x", {}, 1, exposition::MetricType::kGauge, "Help."}});
  const auto id = Admit("v-0", AgentKind::kV1);
  commander_.Answer(
      id, {V1Sample("x", {{"node_role", "ROLE_DATA"}, {"pod_name", "v-0"}}, 2),
           V1Sample("ktm_x_total", {}, 5, exposition::MetricType::kUnknown),
           V1Sample("ktm_l_bucket", {{"le", "10"}}, 3,
                    exposition::MetricType::kUnknown),
           V1Sample("ktm_l_count", {}, 4, exposition::MetricType::kUnknown),
           V1Sample("ktm_l_bucket", {{"le", "2"}}, 1,
                    exposition::MetricType::kUnknown)});
  const std::string body = Get("/metrics").body;
  EXPECT_THAT(body, HasSubstr("x{node_role=\"ROLE_DATA\",pod_name=\"v-0\"} 2"));
  EXPECT_THAT(body, HasSubstr("# TYPE ktm_x_total gauge\nktm_x_total 5\n"));
  EXPECT_THAT(body, HasSubstr("# TYPE ktm_l histogram\n"
                              "ktm_l_bucket{le=\"2\"} 1\n"
                              "ktm_l_bucket{le=\"10\"} 3\n"
                              "ktm_l_count 4\n"));
  ASSERT_EQ(commander_.asked().size(), 1u);
  EXPECT_FALSE(commander_.asked()[0].question.start.has_value());
}

TEST_F(MetricsTest, AsksV1AgentsForWhatWasCurrentAtAnInstant) {
  const auto id = Admit("v-0", AgentKind::kV1);
  const std::int64_t at = ToUnixMillis(clock_.Unix()) - 60'000;
  const auto gauge = exposition::MetricType::kGauge;
  commander_.Answer(
      id, {V1Sample("x", {{"pod_name", "v-0"}}, 1, gauge, at - 10'000),
           V1Sample("x", {{"pod_name", "v-0"}}, 2, gauge, at)});
  const std::string body =
      Get(StrCat("/metrics?at=", FormatRfc3339(FromUnixMillis(at), 3))).body;
  EXPECT_EQ(body, "# TYPE x gauge\nx{pod_name=\"v-0\"} 2\n");
  ASSERT_EQ(commander_.asked().size(), 1u);
  const fleet::MetricsQuestion& asked = commander_.asked()[0].question;
  EXPECT_EQ(asked.start,
            FromUnixMillis(at - 2 * fleet::Pace::kUnknownInterval.count()));
  EXPECT_EQ(asked.end, FromUnixMillis(at));
}

TEST_F(MetricsTest, ASilentV1AgentCostsOnlyItsOwnRows) {
  Node a(this, "a-0");
  const auto good = Admit("good-0", AgentKind::kV1);
  commander_.Answer(good, {V1Sample("y", {{"pod_name", "good-0"}}, 2)});
  Admit("silent-0", AgentKind::kV1);
  net::RawClient client(loop_, server_.port());
  client.Get("/metrics");
  loop_.RunUntil([&] { return commander_.asked().size() == 2; });
  // Others are served meanwhile.
  EXPECT_EQ(Get("/health").status, 200);
  clock_.Advance(seconds(5));
  a.Scrape("page", {{"x", {}, 1}});
  const auto r = client.Read();
  EXPECT_EQ(r.status, 200);
  EXPECT_THAT(r.body, HasSubstr("\nx{"));
  EXPECT_THAT(r.body, HasSubstr("y{pod_name=\"good-0\"} 2\n"));
  EXPECT_THAT(r.body, HasSubstr("pod_name=\"silent-0\"} 0\n"));
  EXPECT_EQ(api_->stats().v1_silent, 1u);
}

TEST_F(MetricsTest, AnswersBeyondTheRoomOfARequestAreLetGo) {
  for (const char* pod : {"a-0", "b-0", "c-0"}) {
    commander_.Answer(Admit(pod, AgentKind::kV1),
                      {V1Sample("y", {{"pod_name", pod}}, 2)}, 512u << 20);
  }
  const std::string body = Get("/metrics").body;
  EXPECT_THAT(body, HasSubstr("y{pod_name=\"a-0\"} 2\n"));
  EXPECT_THAT(body, HasSubstr("y{pod_name=\"b-0\"} 2\n"));
  EXPECT_THAT(body, Not(HasSubstr("y{pod_name=\"c-0\"")));
  EXPECT_THAT(body, HasSubstr("pod_name=\"c-0\"} 0\n"));
  EXPECT_EQ(api_->stats().v1_too_large, 1u);
  EXPECT_EQ(api_->stats().v1_silent, 0u);
}

TEST_F(MetricsTest, AV1AgentThatComesWhileThePageWaitsIsNotDown) {
  Admit("silent-0", AgentKind::kV1);
  for (const char* target : {"/metrics", "/metrics-windows"}) {
    const std::size_t asked = commander_.asked().size();
    net::RawClient client(loop_, server_.port());
    client.Get(target);
    loop_.RunUntil([&] { return commander_.asked().size() > asked; });
    Admit(StrCat("late-", asked), AgentKind::kV1);
    clock_.Advance(seconds(5));
    const std::string body = client.Read().body;
    EXPECT_THAT(body, HasSubstr("silent-0"));
    EXPECT_THAT(body, Not(HasSubstr(StrCat("late-", asked)))) << target;
  }
}

TEST_F(MetricsTest, AnswersInTimeForTheScraper) {
  Admit("silent-0", AgentKind::kV1);
  net::RawClient client(loop_, server_.port());
  client.Get("/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 1\r\n");
  loop_.RunUntil([&] { return commander_.asked().size() == 1; });
  EXPECT_EQ(commander_.asked()[0].deadline - clock_.Monotonic(),
            milliseconds(800));
  clock_.Advance(milliseconds(800));
  EXPECT_EQ(client.Read().status, 200);
}

TEST_F(MetricsTest, DoesNotAskWhoIsOfflineOrNotMeant) {
  const auto offline = Admit("off-0", AgentKind::kV1);
  fleet_.registry().Disconnect(offline);
  Admit("l-0", AgentKind::kV1, "ROLE_LIAISON");
  const std::string body = Get("/metrics?role=ROLE_DATA").body;
  EXPECT_THAT(commander_.asked(), IsEmpty());
  EXPECT_THAT(body, HasSubstr("pod_name=\"off-0\"} 0\n"));
}

TEST_F(MetricsTest, LeavesOutASecondAgentOfOnePod) {
  Node a(this, "a-0");
  a.Scrape("page", {{"x", {}, 1}});
  fleet::Registry::Claim claim;
  claim.kind = AgentKind::kV1;
  claim.identity.pod_name = "a-0";
  claim.identity.role = "ROLE_DATA";
  claim.found_alive = {a.id()};
  const auto rival = fleet_.Admit(claim);
  ASSERT_TRUE(rival.conflict);
  commander_.Answer(rival.id, {V1Sample("x", {{"pod_name", "a-0"}}, 2)});
  const std::string body = Get("/metrics").body;
  EXPECT_THAT(body, HasSubstr("} 1\n"));
  EXPECT_THAT(body, Not(HasSubstr("} 2\n")));
}

TEST_F(MetricsTest, ThePageTellsOfItselfAndNotOfTheOneBefore) {
  own_value_ = [&] { return static_cast<double>(api_->stats().stale_nodes); };
  Node a(this, "a-0");
  a.Scrape("page", {{"x", {}, 1}});
  EXPECT_THAT(Get("/metrics").body, HasSubstr("\nfodc_proxy_test 0\n"));
  clock_.Advance(seconds(60));
  EXPECT_THAT(Get("/metrics").body, HasSubstr("\nfodc_proxy_test 1\n"));
}

// What it recorded stays until it is forgotten; but it would be there twice.
// Another flight agent of the pod, while the first is known to live.
fleet::Registry::Claim SecondOf(const std::string& pod,
                                const fleet::AgentId& first) {
  fleet::Registry::Claim claim;
  claim.kind = AgentKind::kFlight;
  claim.identity.pod_name = pod;
  claim.identity.instance_id = "second";
  claim.identity.role = "ROLE_DATA";
  claim.identity.incarnation = 5;
  claim.identity.container_names = {"data"};
  claim.found_alive = {first};
  return claim;
}

TEST_F(MetricsTest, LeavesOutATwinThatDied) {
  Node a(this, "a-0");
  const auto admission = fleet_.Admit(SecondOf("a-0", a.id()));
  ASSERT_TRUE(admission.conflict);
  Node twin(this, Node::Admitted{admission.id});
  for (int i = 0; i < 3; ++i) {
    a.Scrape("page", {{"x", {}, 1}});
    twin.Scrape("page", {{"x", {}, 2}});
    clock_.Advance(seconds(1));
  }
  const auto values = [&](const std::string& target) {
    std::string out;
    const std::string body = Get(target).body;
    for (const std::string_view line : Split(body, '\n')) {
      if (line.starts_with("x{")) out += line.substr(line.find("} ") + 1);
    }
    return out;
  };
  const std::string at =
      StrCat("/metrics?at=", FormatRfc3339(clock_.Unix() - seconds(1), 3));
  const std::string window =
      StrCat("/metrics-windows?format=openmetrics&start_time=",
             FormatRfc3339(clock_.Unix() - seconds(10), 3),
             "&end_time=", FormatRfc3339(clock_.Unix(), 3));
  const std::string recorded = values(window);
  for (const fleet::AgentId& dead : {admission.id, a.id()}) {
    EXPECT_EQ(values("/metrics"), " 1");
    EXPECT_EQ(values(at), " 1");
    EXPECT_EQ(values(window), recorded);
    fleet_.Disconnect(dead);
  }
  // Both are gone: one of them.
  EXPECT_EQ(values(at).size(), 2u);
}

// A new agent of the pod came before the old one had left.
TEST_F(MetricsTest, TheAgentOfThatTimeSpeaksOfThePast) {
  Node before(this, "a-0");
  const auto scrape = [&](Node* node, double value) {
    node->Scrape("page", {{"x", {}, value}});
    clock_.Advance(seconds(1));
  };
  for (int i = 0; i < 3; ++i) scrape(&before, 1);
  const std::string then =
      StrCat("/metrics?at=", FormatRfc3339(clock_.Unix() - seconds(2), 3));
  const auto admission = fleet_.Admit(SecondOf("a-0", before.id()));
  Node after(this, Node::Admitted{admission.id});
  scrape(&after, 2);
  fleet_.Disconnect(before.id());
  scrape(&after, 2);
  EXPECT_THAT(Get("/metrics").body, HasSubstr("} 2\n"));
  EXPECT_THAT(Get(then).body, HasSubstr("} 1\n"));
}

TEST_F(MetricsTest, CompressesWhenAsked) {
  Node a(this, "a-0");
  std::vector<TestSample> many;
  many.reserve(20'000);
  for (int i = 0; i < 20'000; ++i) {
    many.push_back({"x", {{"number", std::to_string(i)}}, i * 1.5});
  }
  a.Scrape("page", many);
  const auto plain = Get("/metrics");
  const auto gzip = Get("/metrics", "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(gzip.Header("Content-Encoding"), "gzip");
  std::string text;
  const auto d = net::MakeDecompressor(net::ContentCoding::kGzip);
  ASSERT_TRUE(d->Add(gzip.body, &text, 64u << 20).ok());
  ASSERT_TRUE(d->End().ok());
  EXPECT_EQ(text, plain.body);
  EXPECT_LT(gzip.body.size(), plain.body.size() / 5);
}

TEST_F(MetricsTest, RefusesWhatItDoesNotKnow) {
  for (const char* query : {"match=up", "match[]=up", "at=1&match[]=up"}) {
    const auto refused = Get(StrCat("/metrics?", query));
    EXPECT_EQ(refused.status, 400) << query;
    EXPECT_THAT(refused.body, HasSubstr("/metrics-windows?format=openmetrics&"
                                        "match[]="));
  }
  const auto r = Get("/metrics?format=xml");
  EXPECT_EQ(r.status, 400);
  EXPECT_EQ(r.body, "unknown format \"xml\"; there are: text\n");
  EXPECT_EQ(Get("/metrics?something=else").status, 200);
}

}  // namespace
}  // namespace fodc::api
