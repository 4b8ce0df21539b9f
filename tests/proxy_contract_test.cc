// SPDX-License-Identifier: Apache-2.0
// Recorded v1 agents, replayed against our link and API: what the recorded
// proxy answered over HTTP in its `loaded` phase, ours answers, too.
#include <gmock/gmock.h>

#include <chrono>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/api/api.h"
#include "fodc/base/strings.h"
#include "fodc/link/test_peer.h"
#include "fodc/net/http_server.h"
#include "fodc/net/http_test_peer.h"
#include "tests/support/recorded_traffic.h"

namespace fodc {
namespace {

using nlohmann::json;
using test::ReadRecordedTraffic;
using test::ReadTestData;
using test::RecordedEvent;
using ::testing::StartsWith;

constexpr const char* kMethodPrefix = "/banyandb.fodc.v1.FODCService/";
// When, on the recording's clock, the phase began and ended.
constexpr std::int64_t kLoadedFrom = 47'000;
constexpr std::int64_t kLoadedTo = 50'000;

// Agents take as long to answer as they did in the recording, times this.
constexpr int kSlower = 1;

// A page or window taken apart: series text -> value. Families and their
// types apart.
struct Parsed {
  std::map<std::string, std::string> series;
  std::map<std::string, std::string> types;
};

Parsed ParseText(const std::string& page) {
  Parsed out;
  for (const std::string_view line : Split(page, '\n')) {
    if (line.starts_with("# TYPE ")) {
      const auto words = Split(line, ' ');
      out.types[std::string(words[2])] = words[3];
    } else if (!line.empty() && line[0] != '#') {
      const std::size_t blank = line.rfind(' ');
      // One text for one number.
      out.series[std::string(line.substr(0, blank))] =
          std::to_string(*ParseDouble(line.substr(blank + 1)));
    }
  }
  return out;
}

class ProxyContractTest : public link::LinkServerTest {
 protected:
  void SetUp() override {
    index_ =
        json::parse(ReadTestData("tests/data/wire/http/loaded/index.json"));
    events_ = ReadRecordedTraffic("agent-proxy.jsonl.zst");
    StartServer();
    api_ =
        std::make_unique<api::Api>(loop_, *fleet_, *server_, api::ApiOptions());
    api_->Install(&http_);
    ASSERT_TRUE(http_.Listen("127.0.0.1:0").ok());
    for (const char* pod :
         {"banyandb-hot-0", "banyandb-liaison-0", "banyandb-warm-0"}) {
      AddAgent(pod);
    }
  }
  void TearDown() override {
    agents_.clear();
    api_.reset();
  }

  struct RecordedAnswer {
    std::string bytes;
    std::chrono::milliseconds took{0};
  };
  struct ReplayedAgent {
    std::unique_ptr<link::V1Peer> peer;
    int metrics_call = 0;  // in the recording
    // Answers of the phase by question: "" or "start end", in their order.
    std::map<std::string, std::vector<RecordedAnswer>> answers;
    std::map<std::string, std::size_t> next;
    std::size_t commands = 0;  // taken
    // What is to be sent, and when.
    std::deque<std::pair<MonotonicTime, std::string>> due;
  };

  static std::string Question(const std::string& bytes) {
    banyandb::fodc::v1::StreamMetricsResponse m;
    EXPECT_TRUE(m.ParseFromString(bytes));
    if (!m.has_start_time()) return "";
    return StrCat(m.start_time().seconds(), " ", m.end_time().seconds());
  }

  // Registers with the recorded bytes and learns the recorded answers.
  void AddAgent(const std::string& pod) {
    ReplayedAgent& agent = agents_[pod];
    agent.peer = std::make_unique<link::V1Peer>(loop_, address());
    std::string registration;
    std::string id;
    int call = 0;
    for (const RecordedEvent& e : events_) {
      if (e.method != StrCat(kMethodPrefix, "RegisterAgent")) continue;
      if (e.kind == "client" && call == 0 &&
          e.json.find(pod) != std::string::npos) {
        registration = e.bytes;
        call = e.call;
      }
      if (e.kind == "server" && e.call == call && id.empty()) {
        banyandb::fodc::v1::RegisterAgentResponse m;
        ASSERT_TRUE(m.ParseFromString(e.bytes));
        id = m.agent_id();
      }
    }
    ASSERT_FALSE(registration.empty());
    std::deque<std::pair<std::string, std::int64_t>> questions;
    for (const RecordedEvent& e : events_) {
      if (e.method != StrCat(kMethodPrefix, "StreamMetrics")) continue;
      if (e.kind == "open" && e.metadata.contains("agent_id") &&
          e.metadata.at("agent_id") == id) {
        agent.metrics_call = e.call;
      }
      if (agent.metrics_call == 0 || e.call != agent.metrics_call) continue;
      if (e.t_ms < kLoadedFrom || e.t_ms > kLoadedTo) continue;
      if (e.kind == "server") {
        questions.emplace_back(Question(e.bytes), e.t_ms);
      }
      if (e.kind == "client") {
        ASSERT_FALSE(questions.empty());
        const auto& [question, asked_ms] = questions.front();
        agent.answers[question].push_back(
            {e.bytes, std::chrono::milliseconds(e.t_ms - asked_ms)});
        questions.pop_front();
      }
    }
    agent.peer->registration = agent.peer->client.OpenV1("RegisterAgent");
    agent.peer->registration->SendBytes(registration);
    ASSERT_TRUE(Until([&] { return agent.peer->registered(); }));
    agent.peer->OpenMetrics();
    const std::size_t streams = 2 * agents_.size();
    ASSERT_TRUE(
        Until([&] { return server_->stats().open_streams == streams; }));
  }

  // From now on the agent gives what it gave to the recorded request that was
  // the n-th to ask for its newest values.
  void GoTo(const std::string& pod, std::size_t n) {
    agents_[pod].next[""] = n;
  }

  // Answers new commands with what was recorded for the same question, after
  // the time that it took there.
  void Reply() {
    for (auto& [pod, agent] : agents_) {
      if (silent_.contains(pod)) continue;
      while (agent.commands < agent.peer->metrics->received()) {
        const std::string q =
            Question(agent.peer->metrics->bytes(agent.commands++));
        const auto& answers = agent.answers[q];
        ASSERT_FALSE(answers.empty()) << pod << " was never asked: " << q;
        std::size_t& next = agent.next[q];
        const RecordedAnswer& answer =
            answers[std::min(next++, answers.size() - 1)];
        agent.due.emplace_back(
            loop_.clock().Monotonic() + kSlower * answer.took, answer.bytes);
      }
      while (!agent.due.empty() &&
             agent.due.front().first <= loop_.clock().Monotonic()) {
        agent.peer->metrics->SendBytes(agent.due.front().second);
        agent.due.pop_front();
      }
    }
  }

  net::RawResponse Do(const std::string& method, const std::string& path) {
    auto client = Begin(method, path);
    return Finish(client.get(), method);
  }
  std::unique_ptr<net::RawClient> Begin(const std::string& method,
                                        const std::string& path) {
    auto client = std::make_unique<net::RawClient>(loop_, http_.port());
    client->Send(StrCat(method, " ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"));
    return client;
  }
  net::RawResponse Finish(net::RawClient* client, const std::string& method) {
    net::RawResponse response;
    // Read() runs the loop: agents answer from a timer meanwhile.
    const auto tick =
        loop_.RunEvery(std::chrono::milliseconds(2),
                       [this](const net::EventLoop::Tick&) { Reply(); });
    return client->Read(method == "HEAD");
  }

  std::vector<RecordedEvent> events_;
  json index_;
  std::unique_ptr<api::Api> api_;
  net::HttpServer http_{loop_};
  std::map<std::string, ReplayedAgent> agents_;
  std::set<std::string> silent_;
};

json Entry(const json& index, const std::string& name) {
  for (const json& e : index) {
    if (e["name"] == name) return e;
  }
  return {};
}

std::string Body(const std::string& name, bool compressed) {
  return ReadTestData(StrCat("tests/data/wire/http/loaded/", name, ".body",
                             compressed ? ".zst" : ""));
}

TEST_F(ProxyContractTest, PagesHaveTheRecordedSeriesAndValues) {
  // In the order in which they were asked for.
  for (const char* name : {"metrics", "metrics-pod", "metrics-role"}) {
    SCOPED_TRACE(name);
    const json e = Entry(index_, name);
    const auto r = Do("GET", e["path"]);
    EXPECT_EQ(r.status, e["status"]);
    EXPECT_EQ(r.Header("Content-Type"),
              e["headers"]["Content-Type"].get<std::string>());
    const Parsed ours = ParseText(r.body);
    Parsed theirs = ParseText(Body(name, true));
    // The verdicts on schemas come with /cluster/lifecycle.
    std::erase_if(theirs.series, [](const auto& s) {
      return s.first.starts_with("banyandb_fodc_schema_consistency_status");
    });
    theirs.types.erase("banyandb_fodc_schema_consistency_status");
    EXPECT_EQ(ours.series, theirs.series);
    // No type may change; what is unknown to an agent has the same guess.
    EXPECT_EQ(ours.types, theirs.types);
  }
}

TEST_F(ProxyContractTest, RolesMatchWithoutRegardToCaseAndUnknownOnesGiveNone) {
  const auto lower = Do("GET", Entry(index_, "metrics-role-lower")["path"]);
  EXPECT_EQ(lower.status, 200);
  GoTo("banyandb-liaison-0", 0);
  const auto exact = Do("GET", "/metrics?role=ROLE_LIAISON");
  EXPECT_GT(ParseText(exact.body).series.size(), 1000u);
  EXPECT_EQ(ParseText(lower.body).series, ParseText(exact.body).series);
  const json e = Entry(index_, "metrics-role-unknown");
  const auto none = Do("GET", e["path"]);
  EXPECT_EQ(none.status, e["status"]);
  EXPECT_EQ(none.body, Body("metrics-role-unknown", false));
  EXPECT_EQ(none.Header("Content-Type"),
            e["headers"]["Content-Type"].get<std::string>());
}

// As numbers: 9223372036854775808 and 9223372036854776000 are one double.
std::vector<std::pair<std::string, double>> Points(const json& row) {
  std::vector<std::pair<std::string, double>> out;
  for (const json& p : row["data"]) {
    out.emplace_back(p["timestamp"].get<std::string>(),
                     p["value"].get<double>());
  }
  return out;
}

// agent_id differs, for ids are minted; two keys are ours.
std::map<std::string, json> BySeries(const json& rows) {
  std::map<std::string, json> out;
  for (json row : rows) {
    row.erase("agent_id");
    row.erase("node_role");
    row.erase("node_labels");
    const std::string key = row["name"].get<std::string>() +
                            row["labels"].dump() +
                            row["pod_name"].get<std::string>();
    EXPECT_TRUE(out.emplace(key, std::move(row)).second) << key;
  }
  return out;
}

TEST_F(ProxyContractTest, WindowsHaveTheRecordedRows) {
  GoTo("banyandb-warm-0", 2);  // after two pages
  for (const char* name :
       {"windows-latest", "windows-10s", "windows-only-start"}) {
    SCOPED_TRACE(name);
    const json e = Entry(index_, name);
    const auto r = Do("GET", e["path"]);
    EXPECT_EQ(r.status, e["status"]);
    EXPECT_EQ(r.Header("Content-Type"),
              e["headers"]["Content-Type"].get<std::string>());
    const json ours = json::parse(r.body);
    const json theirs = json::parse(Body(name, true));
    ASSERT_FALSE(ours.empty());
    for (const auto& [key, value] : theirs[0].items()) {
      EXPECT_TRUE(ours[0].contains(key)) << key;
    }
    const auto our_rows = BySeries(ours);
    const auto their_rows = BySeries(theirs);
    ASSERT_EQ(our_rows.size(), their_rows.size());
    for (const auto& [key, row] : their_rows) {
      ASSERT_TRUE(our_rows.contains(key)) << key;
      const json& mine = our_rows.at(key);
      EXPECT_EQ(mine["description"], row["description"]) << key;
      if (std::string(name) == "windows-10s") {
        EXPECT_EQ(Points(mine), Points(row)) << key;
      } else {
        // Latest samples carry the time of the message, in whole seconds there.
        ASSERT_EQ(mine["data"].size(), 1u);
        EXPECT_EQ(Points(mine)[0].second, Points(row)[0].second) << key;
      }
    }
  }
}

TEST_F(ProxyContractTest, HealthHasTheRecordedKeysAndCounts) {
  const json theirs = json::parse(Body("health", false));
  const auto r = Do("GET", "/health");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.Header("Content-Type"), "application/json");
  json ours = json::parse(r.body);
  ours["uptime_seconds"] = theirs["uptime_seconds"];
  EXPECT_EQ(ours, theirs);
}

TEST_F(ProxyContractTest, UnknownPathsAndWrongMethodsAnswerAsRecorded) {
  for (const char* name : {"not-found", "post-metrics", "head-metrics"}) {
    SCOPED_TRACE(name);
    const json e = Entry(index_, name);
    const auto r = Do(e["method"], e["path"]);
    EXPECT_EQ(r.status, e["status"]);
    EXPECT_EQ(r.Header("Content-Type"),
              e["headers"]["Content-Type"].get<std::string>());
    EXPECT_EQ(r.Header("X-Content-Type-Options"), "nosniff");
    if (e["method"] != "HEAD") {
      EXPECT_EQ(r.body, Body(name, false));
    }
  }
}

TEST_F(ProxyContractTest, BadTimesAnswerAsRecordedAndReversedOnesAreRefused) {
  const json e = Entry(index_, "windows-bad-time");
  const auto bad = Do("GET", e["path"]);
  EXPECT_EQ(bad.status, e["status"]);
  EXPECT_EQ(bad.Header("Content-Type"),
            e["headers"]["Content-Type"].get<std::string>());
  EXPECT_THAT(bad.body, StartsWith("Invalid start_time format: "));
  EXPECT_THAT(Body("windows-bad-time", false),
              StartsWith("Invalid start_time format: "));
  EXPECT_EQ(Do("GET", Entry(index_, "windows-reversed")["path"]).status, 400);
  // Ours has it.
  EXPECT_EQ(Do("GET", "/cluster").status, 200);
}

TEST_F(ProxyContractTest, ConcurrentCallersShareOneRound) {
  std::vector<std::unique_ptr<net::RawClient>> clients;
  clients.reserve(5);
  for (int i = 0; i < 5; ++i) clients.push_back(Begin("GET", "/metrics"));
  ASSERT_TRUE(Until([&] {
    return server_->stats().questions.asked +
               server_->stats().questions.shared ==
           15;
  }));
  const auto first = Finish(clients[0].get(), "GET");
  const auto series = ParseText(first.body).series;
  EXPECT_GT(series.size(), 2500u);
  for (std::size_t i = 1; i < clients.size(); ++i) {
    EXPECT_EQ(ParseText(Finish(clients[i].get(), "GET").body).series, series);
  }
  EXPECT_EQ(server_->stats().questions.asked, 3u);
  EXPECT_EQ(server_->stats().questions.shared, 12u);
}

TEST_F(ProxyContractTest, ASilentAgentCostsOnlyItsOwnRows) {
  silent_.insert("banyandb-warm-0");
  auto client = Begin("GET", "/metrics");
  client->Send("");
  const auto r = Finish(client.get(), "GET");  // five seconds
  EXPECT_EQ(r.status, 200);
  const auto series = ParseText(r.body).series;
  int warm = 0;
  for (const auto& [text, value] : series) {
    warm += text.find("pod_name=\"banyandb-warm-0\"") != std::string::npos;
  }
  EXPECT_EQ(warm, 1);
  EXPECT_EQ(series.at("up{node_role=\"ROLE_DATA\",node_type=\"warm\","
                      "pod_name=\"banyandb-warm-0\"}"),
            "0.000000");
  EXPECT_GT(series.size(), 2000u);
}

}  // namespace
}  // namespace fodc
