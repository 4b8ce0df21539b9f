// SPDX-License-Identifier: Apache-2.0
// /metrics-windows over real sockets.
#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "fodc/api/api_test_peer.h"

namespace fodc::api {
namespace {

using fleet::AgentKind;
using nlohmann::json;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class WindowsTest : public ApiTest {
 protected:
  std::string Query(std::int64_t from, std::int64_t to) const {
    return StrCat("start_time=", FormatRfc3339(FromUnixMillis(from), 3),
                  "&end_time=", FormatRfc3339(FromUnixMillis(to), 3));
  }
  json Rows(const std::string& query) {
    const auto r = Get("/metrics-windows?" + query);
    EXPECT_EQ(r.status, 200) << r.body;
    EXPECT_EQ(r.Header("Content-Type"), "application/json");
    EXPECT_TRUE(r.complete);
    return json::parse(r.body);
  }
  // 20 scrapes, one a second, from start_.
  void Record(Node* node) {
    for (int i = 0; i < 20; ++i) {
      node->Scrape(
          "page",
          {{"a", {{"k", "v"}}, i * 1.0, exposition::MetricType::kGauge, "A."},
           {"b", {}, i % 2 == 0 ? i * 0.5 : std::nan("")},
           {"h_bucket",
            {{"le", "1"}},
            i * 1.0,
            exposition::MetricType::kHistogram,
            "",
            "h"},
           {"h_bucket",
            {{"le", "+Inf"}},
            i * 2.0,
            exposition::MetricType::kHistogram,
            "",
            "h"},
           {"h_sum", {}, i * 3.0, exposition::MetricType::kHistogram, "", "h"},
           {"h_count",
            {},
            i * 2.0,
            exposition::MetricType::kHistogram,
            "",
            "h"},
           {"c_total",
            {},
            i * 4.0,
            exposition::MetricType::kCounter,
            "Say \"c\"."}});
      clock_.Advance(seconds(1));
    }
  }
  const std::int64_t start_ = ToUnixMillis(clock_.Unix());
};

TEST_F(WindowsTest, HasTheKeysOfTheContractAndTheNodes) {
  Node a(this, "a-0", "ROLE_DATA", {{"type", "hot"}});
  Record(&a);
  const json rows = Rows(Query(start_, start_ + 2000) + "&match[]=a");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0],
            (json{{"agent_id", a.id()},
                  {"data",
                   {{{"timestamp", "2026-01-01T00:00:00Z"}, {"value", 0}},
                    {{"timestamp", "2026-01-01T00:00:01Z"}, {"value", 1}},
                    {{"timestamp", "2026-01-01T00:00:02Z"}, {"value", 2}}}},
                  {"description", "A."},
                  {"labels",
                   {{"container_name", "data"},
                    {"k", "v"},
                    {"node_role", "ROLE_DATA"},
                    {"node_type", "hot"},
                    {"pod_name", "a-0"}}},
                  {"name", "a"},
                  {"node_labels", {{"type", "hot"}}},
                  {"node_role", "ROLE_DATA"},
                  {"pod_name", "a-0"}}));
}

TEST_F(WindowsTest, WritesNanAsNull) {
  Node a(this, "a-0");
  Record(&a);
  const json rows = Rows(Query(start_, start_ + 1000) + "&match[]=b");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["data"][0]["value"], 0);
  EXPECT_TRUE(rows[0]["data"][1]["value"].is_null());
}

TEST_F(WindowsTest, WritesInfinityAsNull) {
  Node a(this, "a-0");
  a.Scrape("page", {{"plus", {}, INFINITY}, {"minus", {}, -INFINITY}});
  for (const std::string& query :
       {std::string(), Query(start_, start_ + 1000)}) {
    const json rows = Rows(query);
    ASSERT_EQ(rows.size(), 2u) << query;
    for (const json& row : rows) {
      EXPECT_TRUE(row["data"][0]["value"].is_null()) << row;
    }
  }
}

TEST_F(WindowsTest, FiltersByRoleAndPod) {
  Node a(this, "a-0", "ROLE_DATA");
  Node b(this, "b-0", "ROLE_LIAISON");
  Node c(this, "c-0", "ROLE_LIAISON");
  for (Node* node : {&a, &b, &c}) node->Scrape("page", {{"x", {}, 1}});
  for (const std::string& window :
       {std::string(), "&" + Query(start_, start_ + 1000)}) {
    for (const char* format : {"json", "openmetrics"}) {
      const auto pods = [&](const std::string& filter) {
        const auto r = Get(
            StrCat("/metrics-windows?format=", format, "&", filter, window));
        EXPECT_EQ(r.status, 200);
        std::string out;
        for (const char* pod : {"a-0", "b-0", "c-0"}) {
          // Quoted: an agent's id may well have "c-0" in it.
          if (r.body.find(StrCat('"', pod, '"')) != std::string::npos) {
            out += pod;
          }
        }
        return out;
      };
      EXPECT_EQ(pods("role=ROLE_DATA"), "a-0");
      EXPECT_EQ(pods("role=liaison"), "b-0c-0");
      EXPECT_EQ(pods("pod_name=B-0"), "b-0");
      EXPECT_EQ(pods("pod_name=b-0&role=ROLE_DATA"), "");
      EXPECT_EQ(pods("role=nobody"), "");
    }
  }
}

TEST_F(WindowsTest, SelectsByIdentityLabelsToo) {
  Node a(this, "a-0");
  Node b(this, "b-0");
  Record(&a);
  const std::int64_t end = ToUnixMillis(clock_.Unix());
  Record(&b);
  const auto names = [&](const std::string& selector) {
    std::vector<std::string> out;
    for (const json& row :
         Rows(Query(start_, end + 60'000) + "&match[]=" + selector)) {
      out.push_back(row["pod_name"].get<std::string>() + " " +
                    row["name"].get<std::string>());
    }
    return out;
  };
  EXPECT_THAT(names("a%7Bpod_name=%22b-0%22%7D"), ElementsAre("b-0 a"));
  EXPECT_THAT(names("%7B__name__=~%22a%7Cb%22,pod_name!=%22a-0%22%7D"),
              ElementsAre("b-0 a", "b-0 b"));
  EXPECT_THAT(names("a%7Bk=%22v%22%7D&match[]=c_total"),
              ElementsAre("a-0 a", "a-0 c_total", "b-0 a", "b-0 c_total"));
}

TEST_F(WindowsTest, GivesTheLatestWithoutBothEnds) {
  Node a(this, "a-0");
  Record(&a);
  for (const std::string& query : std::vector<std::string>{
           "", "start_time=" + FormatRfc3339(clock_.Unix(), 0)}) {
    const json rows = Rows(query);
    ASSERT_EQ(rows.size(), 7u);
    for (const json& row : rows) EXPECT_EQ(row["data"].size(), 1u);
    EXPECT_EQ(rows[0]["data"][0]["timestamp"], "2026-01-01T00:00:19Z");
  }
}

TEST_F(WindowsTest, RefusesBadParameters) {
  for (const auto& [query, text] :
       std::vector<std::pair<std::string, std::string>>{
           {"start_time=yesterday", "Invalid start_time format: "},
           {"match=up", "unknown parameter match; "},
           {"end_time=x", "Invalid end_time format: "},
           {"start_time=x&end_time=y", "Invalid start_time format: "},
           {Query(2000, 1000), "start_time "},
           {"format=xml", "unknown format \"xml\""},
           {"match[]=%7B", "selector `{`: "},
           {"match[]=", "selector ``: "}}) {
    const auto r = Get("/metrics-windows?" + query);
    EXPECT_EQ(r.status, 400) << query;
    EXPECT_THAT(r.body, StartsWith(text));
    EXPECT_EQ(r.Header("Content-Type"), "text/plain; charset=utf-8");
    EXPECT_EQ(r.Header("X-Content-Type-Options"), "nosniff");
  }
}

TEST_F(WindowsTest, AsksV1AgentsForTheWindow) {
  const auto id = Admit("v-0", AgentKind::kV1, "ROLE_DATA");
  commander_.Answer(id,
                    {V1Sample("x", {{"pod_name", "v-0"}}, 2,
                              exposition::MetricType::kGauge, start_ + 2000),
                     V1Sample("x", {{"pod_name", "v-0"}}, 1,
                              exposition::MetricType::kGauge, start_ + 1000),
                     V1Sample("x", {{"pod_name", "v-0"}}, 9,
                              exposition::MetricType::kGauge, start_ + 9000)});
  const json rows = Rows(Query(start_, start_ + 5000));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["data"],
            (json{{{"timestamp", "2026-01-01T00:00:01Z"}, {"value", 1}},
                  {{"timestamp", "2026-01-01T00:00:02Z"}, {"value", 2}}}));
  EXPECT_EQ(rows[0]["agent_id"], id);
  ASSERT_EQ(commander_.asked().size(), 1u);
  EXPECT_EQ(ToUnixMillis(*commander_.asked()[0].question.start), start_);
}

TEST_F(WindowsTest, ASilentV1AgentCostsOnlyItsOwnRows) {
  Node a(this, "a-0");
  Record(&a);
  Admit("silent-0", AgentKind::kV1);
  net::RawClient client(loop_, server_.port());
  client.Get("/metrics-windows?match[]=a&" + Query(start_, start_ + 60'000));
  loop_.RunUntil([&] { return commander_.asked().size() == 1; });
  clock_.Advance(seconds(10));
  EXPECT_EQ(json::parse(client.Read().body).size(), 1u);
}

TEST_F(WindowsTest, WritesOpenMetricsInLegalOrder) {
  Node a(this, "a-0");
  Record(&a);
  const auto r = Get("/metrics-windows?format=openmetrics&" +
                     Query(start_, start_ + 1000));
  EXPECT_THAT(r.Header("Content-Type"),
              StartsWith("application/openmetrics-text; version=1.0.0"));
  std::string id = "container_name=\"data\",";
  const std::string rest = "node_role=\"ROLE_DATA\",pod_name=\"a-0\"";
  const auto line = [&](const std::string& name, const std::string& own,
                        const std::string& value) {
    return name + "{" + id + own + rest + "} " + value + "\n";
  };
  EXPECT_EQ(
      r.body,
      "# HELP a A.\n# TYPE a gauge\n" + line("a", "k=\"v\",", "0 1767225600") +
          line("a", "k=\"v\",", "1 1767225601") + "# TYPE b gauge\n" +
          line("b", "", "0 1767225600") + line("b", "", "NaN 1767225601") +
          "# HELP c Say \\\"c\\\".\n# TYPE c counter\n" +
          line("c_total", "", "0 1767225600") +
          line("c_total", "", "4 1767225601") + "# TYPE h histogram\n" +
          line("h_bucket", "le=\"1\",", "0 1767225600") +
          line("h_bucket", "le=\"+Inf\",", "0 1767225600") +
          line("h_sum", "", "0 1767225600") +
          line("h_count", "", "0 1767225600") +
          line("h_bucket", "le=\"1\",", "1 1767225601") +
          line("h_bucket", "le=\"+Inf\",", "2 1767225601") +
          line("h_sum", "", "3 1767225601") +
          line("h_count", "", "2 1767225601") + "# EOF\n");
}

TEST_F(WindowsTest, MergesFamiliesOfAllNodesInOpenMetrics) {
  Node a(this, "a-0");
  Node b(this, "b-0");
  Record(&a);
  Record(&b);
  const auto id = Admit("v-0", AgentKind::kV1);
  commander_.Answer(id, {V1Sample("c_total", {{"pod_name", "v-0"}}, 2,
                                  exposition::MetricType::kCounter, start_)});
  const std::string body = Get("/metrics-windows?format=openmetrics&" +
                               Query(start_, start_ + 100'000))
                               .body;
  std::map<std::string, int> types;
  std::string last;
  std::size_t lines = 0;
  for (const std::string_view text : Split(body, '\n')) {
    if (text.starts_with("# TYPE ")) ++types[std::string(text)];
    lines += !text.empty() && text[0] != '#' ? 1 : 0;
  }
  EXPECT_EQ(types.size(), 4u);
  for (const auto& [text, count] : types) EXPECT_EQ(count, 1) << text;
  EXPECT_EQ(lines, 2u * 7 * 20 + 1);
  EXPECT_TRUE(body.ends_with("# EOF\n"));
  // The latest, too.
  EXPECT_THAT(Get("/metrics-windows?format=openmetrics").body,
              HasSubstr("c_total{pod_name=\"v-0\"} 2 "));
}

TEST_F(WindowsTest, ReadsTheSnapshotAtTheRequestWhateverComesLater) {
  Node a(this, "a-0");
  Record(&a);
  net::RawClient client(loop_, server_.port(), 4096);
  client.Get("/metrics-windows?" + Query(start_, start_ + 3'600'000));
  loop_.RunUntil([&] { return api_->stats().windows == 1; });
  for (int i = 0; i < 300; ++i) a.Scrape("page", {{"new", {}, 1}});
  EXPECT_EQ(json::parse(client.Read().body).size(), 7u);
}

}  // namespace
}  // namespace fodc::api
