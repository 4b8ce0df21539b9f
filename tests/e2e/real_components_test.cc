// SPDX-License-Identifier: Apache-2.0
// Real databases from Debian packages, recorded by real agents, shown by a real
// proxy, read by a real Prometheus.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "fodc/base/strings.h"
#include "tests/support/cluster.h"
#include "tests/support/window.h"

namespace fodc::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

struct Node {
  std::string pod;
  std::string container;
  std::string role;
  std::string labels;
  std::string family;  // one that only this database has
};

const std::vector<Node>& Nodes() {
  static const std::vector<Node> nodes{
      {"etcd-0", "etcd", "ROLE_DATA", "type=hot", "etcd_server_has_leader"},
      {"machine-0", "node-exporter", "ROLE_DATA", "type=warm",
       "node_memory_MemTotal_bytes"},
      {"vm-0", "victoria", "ROLE_LIAISON", "", "vm_app_version"},
      {"prometheus-0", "prometheus", "ROLE_LIAISON", "zone=a",
       "prometheus_build_info"},
  };
  return nodes;
}

// Started once for all tests of this file.
class RealComponentsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    s_ = new State();
    const std::string proxy_address = StrCat("127.0.0.1:", s_->proxy.port());
    s_->databases.push_back(MakeEtcd(s_->dir));
    s_->databases.push_back(MakeNodeExporter(s_->dir));
    s_->databases.push_back(MakeVictoriaMetrics(s_->dir));
    s_->databases.push_back(
        MakePrometheus(s_->dir, StrCat("global: { scrape_interval: 1s }\n"
                                       "scrape_configs:\n"
                                       "  - job_name: fodc\n"
                                       "    static_configs: [ { targets: [ \"",
                                       proxy_address,
                                       "\" ] } ]\n"
                                       "  - job_name: discovered\n"
                                       "    http_sd_configs:\n"
                                       "      - url: http://",
                                       proxy_address,
                                       "/sd\n"
                                       "        refresh_interval: 1s\n")));
    s_->proxy.Launch();
    for (Server& d : s_->databases) d.Launch();
    for (std::size_t i = 0; i < Nodes().size(); ++i) {
      const Node& n = Nodes()[i];
      s_->agents.emplace_back(
          s_->dir, AgentOptions{.pod = n.pod,
                                .endpoint_ports = {s_->databases[i].port()},
                                .containers = {n.container},
                                .proxy_ports = {s_->proxy.grpc_port()},
                                .interval = "1s",
                                .role = n.role,
                                .labels = n.labels,
                                .recorder_dir = "spill-" + n.pod});
      s_->agents.back().Launch();
    }
    ASSERT_TRUE(s_->proxy.WaitReady());
    for (Server& d : s_->databases) ASSERT_TRUE(d.WaitReady()) << d.Log();
    for (FodcAgent& a : s_->agents) ASSERT_TRUE(a.WaitReady()) << a.Log();
    ASSERT_TRUE(WaitUntil(
        [] {
          const std::string page = s_->proxy.Get("/metrics").body;
          for (const Node& n : Nodes()) {
            if (page.find("\n" + n.family) == std::string::npos) return false;
          }
          return true;
        },
        30s))
        << s_->proxy.Get("/metrics").body.substr(0, 2000);
  }
  static void TearDownTestSuite() {
    delete s_;
    s_ = nullptr;
  }

  struct State {
    TempDirectory dir{"fodc-real"};
    FodcProxy proxy{dir, {"--heartbeat-interval=1s"}};
    std::vector<Server> databases;
    std::vector<FodcAgent> agents;
  };
  static State* s_;
};
RealComponentsTest::State* RealComponentsTest::s_ = nullptr;

// Complaints of promtool about a page, as "metric: text".
std::set<std::string> Complaints(const std::string& page,
                                 const TempDirectory& dir) {
  const std::string path = dir.File("page");
  EXPECT_TRUE(WriteFileAtomically(path, page).ok());
  const Output o =
      RunToEnd({"sh", "-c", "promtool check metrics < " + path}, 20s);
  std::set<std::string> lines;
  const std::string text = o.out + o.err;
  for (const std::string_view line : Split(text, '\n')) {
    if (!Trim(line).empty()) lines.insert(std::string(Trim(line)));
  }
  if (o.exit_code != 0 && o.exit_code != 3) {
    lines.insert(StrCat("exit code ", o.exit_code));
  }
  return lines;
}

TEST_F(RealComponentsTest, EachDatabaseIsShownWithItsIdentity) {
  const auto page = s_->proxy.Page();
  for (const Node& n : Nodes()) {
    const auto found = Find(page, n.family, {{"pod_name", n.pod}});
    ASSERT_EQ(found.size(), 1U) << n.family;
    EXPECT_EQ(found[0].labels.at("container_name"), n.container);
    EXPECT_EQ(found[0].labels.at("node_role"), n.role);
    if (n.labels == "type=hot") {
      EXPECT_EQ(found[0].labels.at("node_type"), "hot");
    }
    EXPECT_EQ(
        ValueOf(s_->proxy.Get("/metrics").body, "up", {{"pod_name", n.pod}}),
        1);
  }
}

// A sample's series, without identity labels.
std::string KeyOf(const TextSample& s) {
  std::string key = s.name;
  for (const auto& [k, v] : s.labels) {
    if (k == "pod_name" || k == "container_name" || k.starts_with("node_")) {
      continue;
    }
    key += StrCat("|", k, "=", v);
  }
  return key;
}

TEST_F(RealComponentsTest, EverySeriesOfThePageArrives) {
  // etcd's set of series is steady once it runs.
  std::vector<std::string> missing;
  EXPECT_TRUE(WaitUntil([&] {
    missing.clear();
    std::set<std::string> shown;
    for (const TextSample& s : s_->proxy.Page()) {
      const auto pod = s.labels.find("pod_name");
      if (pod != s.labels.end() && pod->second == "etcd-0") {
        shown.insert(KeyOf(s));
      }
    }
    const auto source = s_->databases[0].Page();
    for (const TextSample& s : source) {
      if (!shown.contains(KeyOf(s))) missing.push_back(KeyOf(s));
    }
    return missing.empty() && source.size() > 300;
  })) << testing::PrintToString(missing);
}

TEST_F(RealComponentsTest, OwnReadingsOfTheProcessAreRight) {
  const pid_t etcd = s_->databases[0].process().pid();
  const auto page = s_->proxy.Get("/metrics").body;
  EXPECT_EQ(ValueOf(page, "fodc_target_pid", {{"pod_name", "etcd-0"}}), etcd);
  const double ours = ValueOf(page, "fodc_target_resident_memory_bytes",
                              {{"pod_name", "etcd-0"}});
  const double its =
      ValueOf(page, "process_resident_memory_bytes", {{"pod_name", "etcd-0"}});
  EXPECT_GT(ours, its * 0.7);
  EXPECT_LT(ours, its * 1.4);
}

TEST_F(RealComponentsTest, PrometheusScrapesTheProxyAndDiscoversTheAgents) {
  const auto query = [&](const std::string& text) {
    const HttpAnswer a =
        s_->databases[3].Get("/api/v1/query?query=" + UrlEncode(text));
    const json j = json::parse(a.body, nullptr, false);
    return j.is_discarded()
               ? json::array()
               : j.value("/data/result"_json_pointer, json::array());
  };
  json result;
  EXPECT_TRUE(WaitUntil(
      [&] {
        result = query("count by (pod_name) ({job=\"fodc\", pod_name!=\"\"})");
        return result.size() == 4;
      },
      20s, 200ms))
      << result.dump();
  EXPECT_TRUE(WaitUntil(
      [&] {
        result = query("up{job=\"discovered\", endpoint=\"\"} == 1");
        return result.size() == 4;
      },
      20s, 200ms))
      << result.dump() << s_->proxy.Get("/sd").body;
  result = query("etcd_server_has_leader{job=\"fodc\"}");
  ASSERT_EQ(result.size(), 1U);
  EXPECT_EQ(result[0]["metric"]["exported_job"], json());
  EXPECT_EQ(result[0]["metric"]["node_role"], "ROLE_DATA");
  // The page is parsed without a word of complaint.
  const std::string log = s_->databases[3].Log();
  EXPECT_EQ(log.find("Append failed"), std::string::npos);
  EXPECT_EQ(log.find("Error on ingesting"), std::string::npos);
}

TEST_F(RealComponentsTest, PromtoolHasNoComplaintAboutOwnFamilies) {
  std::string own;
  for (const std::string& page :
       {s_->proxy.Get("/metrics").body, s_->agents[0].Get("/metrics").body}) {
    for (const std::string_view line : Split(page, '\n')) {
      for (const std::string_view prefix :
           {"fodc_", "up", "scrape_", "# HELP fodc_", "# TYPE fodc_",
            "# HELP up ", "# TYPE up ", "# HELP scrape_", "# TYPE scrape_"}) {
        if (line.starts_with(prefix)) {
          own += StrCat(line, "\n");
          break;
        }
      }
    }
    const TempDirectory dir;
    EXPECT_THAT(Complaints(own, dir), testing::IsEmpty());
    EXPECT_THAT(own, HasSubstr("\nfodc_"));
    own.clear();
  }
}

TEST_F(RealComponentsTest, PromtoolFindsNothingThatTheSourcesPagesLack) {
  const TempDirectory dir;
  std::set<std::string> known;
  for (std::size_t i = 0; i < Nodes().size(); ++i) {
    const std::set<std::string> source =
        Complaints(s_->databases[i].Get("/metrics").body, dir);
    const std::set<std::string> agent =
        Complaints(s_->agents[i].Get("/metrics").body, dir);
    for (const std::string& complaint : agent) {
      EXPECT_TRUE(source.contains(complaint))
          << Nodes()[i].pod << ": " << complaint;
    }
    known.insert(source.begin(), source.end());
  }
  for (const std::string& complaint :
       Complaints(s_->proxy.Get("/metrics").body, dir)) {
    EXPECT_TRUE(known.contains(complaint)) << complaint;
  }
}

TEST_F(RealComponentsTest, WindowHasManyPointsOfEachNode) {
  json rows;
  const auto points = [&](const std::string& pod) -> std::size_t {
    for (const json& row : rows) {
      if (row["pod_name"] == pod &&
          row["name"] == "process_resident_memory_bytes") {
        return row["data"].size();
      }
    }
    return 0;
  };
  EXPECT_TRUE(WaitUntil(
      [&] {
        const std::int64_t now = NowUnixMs();
        rows = json::parse(
            s_->proxy
                .Get("/metrics-windows?start_time=" + TimeText(now - 60'000) +
                     "&end_time=" + TimeText(now))
                .body,
            nullptr, false);
        for (const Node& n : Nodes()) {
          if (points(n.pod) <= 20) return false;
        }
        return true;
      },
      60s, 300ms))
      << rows.dump().substr(0, 1000);
}

TEST_F(RealComponentsTest, FodcctlListsTheNodes) {
  const Output o = Fodcctl({"--proxy", s_->proxy.Url(""), "nodes"});
  EXPECT_EQ(o.exit_code, 0) << o.err;
  for (const Node& n : Nodes()) EXPECT_THAT(o.out, HasSubstr(n.pod));
  EXPECT_THAT(o.out, HasSubstr("data-hot"));
  EXPECT_THAT(o.out, HasSubstr("online"));
  const Output filtered =
      Fodcctl({"--proxy", s_->proxy.Url(""), "nodes", "--role", "liaison"});
  EXPECT_THAT(filtered.out, HasSubstr("vm-0"));
  EXPECT_THAT(filtered.out, testing::Not(HasSubstr("etcd-0")));
}

TEST_F(RealComponentsTest, FodcctlShowsMetricsAndWindows) {
  const Output now = Fodcctl({"--proxy", s_->proxy.Url(""), "metrics",
                              "--match", "etcd_server_has_leader"});
  EXPECT_EQ(now.exit_code, 0) << now.err;
  EXPECT_EQ(ReadPage(now.out).size(), 1U) << now.out;
  const Output csv = Fodcctl(
      {"--proxy", s_->proxy.Url(""), "window", "--last", "1m", "--match",
       "{__name__=\"up\",pod_name=\"vm-0\"}", "--format", "csv"});
  EXPECT_EQ(csv.exit_code, 0) << csv.err;
  EXPECT_GT(ReadCsv(csv.out).size(), 0U) << csv.out;
  const Output bad =
      Fodcctl({"--proxy", s_->proxy.Url(""), "metrics", "--match", "{broken"});
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.err, HasSubstr("broken"));
}

TEST_F(RealComponentsTest, RecordingsAreAcceptedByPromtool) {
  for (const FodcAgent& a : s_->agents) {
    const std::string path = s_->dir.File("openmetrics");
    const Output cat = Fodcctl(
        {"recording", "cat", a.recorder_dir(), "--format", "openmetrics"});
    ASSERT_EQ(cat.exit_code, 0) << cat.err;
    ASSERT_GT(ReadPage(cat.out).size(), 1000U);
    ASSERT_TRUE(WriteFileAtomically(path, cat.out).ok());
    const Output o = RunToEnd({"promtool", "tsdb", "create-blocks-from",
                               "openmetrics", path, s_->dir.File("blocks")});
    EXPECT_EQ(o.exit_code, 0) << a.name() << "\n" << o.err;
  }
}

}  // namespace
}  // namespace fodc::test
