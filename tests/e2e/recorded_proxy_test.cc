// SPDX-License-Identifier: Apache-2.0
// The recorded Go proxy against our agent: its commands, in their order and
// time, to a real fodc-agent that scrapes pages made from the recorded answers.
// What comes back is what the Go agents answered.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "tests/e2e/fake_v1_proxy.h"
#include "tests/support/cluster.h"
#include "tests/support/fake_endpoint.h"
#include "tests/support/recorded_traffic.h"

namespace fodc::test {
namespace {

using fodc::test::ReadRecordedTraffic;
using fodc::test::RecordedEvent;
using Labels = std::map<std::string, std::string>;

// The recording's two minutes go by in six seconds, if scraping is as fast.
constexpr int kTimesFaster = 20;

// An endpoint whose pages are served over and over, or each to one scrape.
class Pages {
 public:
  // What is served from now on; returns once the agent has taken it.
  void Show(const std::string& page) {
    {
      MutexLock lock(mutex_);
      shown_ = page;
      since_ = 0;
    }
    // The second request comes after the first answer was recorded.
    ASSERT_TRUE(WaitUntil([&] { return since() >= 2; }));
  }
  // Each page once, then nothing any more. The wall clock before and after.
  std::pair<std::int64_t, std::int64_t> PlayOnce(
      const std::vector<std::string>& pages) {
    StopAndSettle();
    const std::int64_t from = NowUnixMs();
    {
      MutexLock lock(mutex_);
      queue_.assign(pages.begin(), pages.end());
      since_ = 0;
    }
    EXPECT_TRUE(WaitUntil([&] { return since() >= pages.size(); }, 30s));
    StopAndSettle();
    return {from, NowUnixMs()};
  }
  std::uint16_t port() const { return endpoint_.port(); }

 private:
  // Until no scrape that saw a page can be under way.
  void StopAndSettle() {
    {
      MutexLock lock(mutex_);
      shown_.reset();
      since_ = 0;
    }
    EXPECT_TRUE(WaitUntil([&] { return since() >= 2; }));
  }
  std::size_t since() {
    MutexLock lock(mutex_);
    return since_;
  }
  void Serve(Exchange& e) {
    std::optional<std::string> page;
    {
      MutexLock lock(mutex_);
      ++since_;
      page = shown_;
      if (!queue_.empty()) {
        page = queue_.front();
        queue_.pop_front();
      }
    }
    if (page) {
      e.Answer(200, *page);
    } else {
      e.Answer(503, "nothing now\n");
    }
  }

  Mutex mutex_;
  std::optional<std::string> shown_ FODC_GUARDED_BY(mutex_);
  std::deque<std::string> queue_ FODC_GUARDED_BY(mutex_);
  std::size_t since_ FODC_GUARDED_BY(mutex_) = 0;  // requests
  FakeEndpoint endpoint_{[this](std::string_view, Exchange& e) { Serve(e); }};
};

bool IsIdentityLabel(const std::string& name) {
  return name == "pod_name" || name == "container_name" ||
         name.starts_with("node_");
}

std::string FamilyOf(const v1::Metric& m) {
  const bool has_parts = m.type() == v1::METRIC_TYPE_HISTOGRAM ||
                         m.type() == v1::METRIC_TYPE_SUMMARY;
  for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
    if (has_parts && m.name().ends_with(suffix)) {
      return m.name().substr(0, m.name().size() - suffix.size());
    }
  }
  return m.name();
}

std::string_view TypeWord(v1::MetricType type) {
  switch (type) {
    case v1::METRIC_TYPE_GAUGE:
      return "gauge";
    case v1::METRIC_TYPE_COUNTER:
      return "counter";
    case v1::METRIC_TYPE_HISTOGRAM:
      return "histogram";
    case v1::METRIC_TYPE_SUMMARY:
      return "summary";
    default:
      return "untyped";
  }
}

std::string Escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || (quotes && c == '"')) out += '\\';
    out += c;
  }
  return out;
}

// The page that the node showed: without what the agent adds to it.
std::string MakePage(const std::vector<const v1::Metric*>& metrics) {
  std::map<std::string, std::vector<const v1::Metric*>> families;
  for (const v1::Metric* m : metrics) families[FamilyOf(*m)].push_back(m);
  std::string page;
  for (const auto& [family, members] : families) {
    // Only series of the family's very name have it.
    for (const v1::Metric* m : members) {
      if (m->description().empty()) continue;
      page += StrCat("# HELP ", family, " ", Escaped(m->description(), false),
                     "\n");
      break;
    }
    page += StrCat("# TYPE ", family, " ", TypeWord(members[0]->type()), "\n");
    for (const v1::Metric* m : members) {
      page += m->name();
      char before = '{';
      const Labels sorted(m->labels().begin(), m->labels().end());
      for (const auto& [name, value] : sorted) {
        if (IsIdentityLabel(name)) continue;
        page += StrCat(before, name, "=\"", Escaped(value, true), "\"");
        before = ',';
      }
      if (before == ',') page += '}';
      char number[40];
      (void)std::snprintf(number, sizeof number, " %.17g\n", m->value());
      page += number;
    }
  }
  return page;
}

// By name and labels.
using Key = std::pair<std::string, Labels>;
Key KeyOf(const v1::Metric& m) {
  return {m.name(), Labels(m.labels().begin(), m.labels().end())};
}
std::string Show(const Key& key) {
  std::string out = key.first + "{";
  for (const auto& [k, v] : key.second) out += StrCat(k, "=", v, ",");
  return out + "}";
}

// What our agent says beside its node's page.
bool IsOwn(const std::string& name) {
  return name == "up" || name.starts_with("scrape_") ||
         name.starts_with("fodc_");
}

// Bit patterns: a NaN equals itself.
std::map<Key, std::vector<std::uint64_t>> ValuesOf(
    const v1::StreamMetricsRequest& answer) {
  std::map<Key, std::vector<std::pair<std::int64_t, std::uint64_t>>> points;
  for (const v1::Metric& m : answer.metrics()) {
    if (IsOwn(m.name())) continue;
    const double value = m.value();
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    points[KeyOf(m)].emplace_back(m.timestamp().seconds(), bits);
  }
  std::map<Key, std::vector<std::uint64_t>> out;
  for (auto& [key, list] : points) {
    // The recorded one has no order; samples of one second keep theirs.
    std::stable_sort(
        list.begin(), list.end(),
        [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [second, bits] : list) out[key].push_back(bits);
  }
  return out;
}

void ExpectEqual(const v1::StreamMetricsRequest& ours,
                 const v1::StreamMetricsRequest& theirs) {
  const auto our_values = ValuesOf(ours);
  const auto their_values = ValuesOf(theirs);
  EXPECT_EQ(our_values.size(), their_values.size());
  int shown = 0;
  for (const auto& [key, values] : their_values) {
    const auto it = our_values.find(key);
    const bool same = it != our_values.end() && it->second == values;
    if (!same && ++shown <= 5) {
      ADD_FAILURE() << Show(key)
                    << (it == our_values.end() ? " is missing" : " differs");
    }
  }
  EXPECT_EQ(shown, 0) << "series in all";
  // Type and HELP too.
  std::map<Key, const v1::Metric*> by_key;
  for (const v1::Metric& m : ours.metrics()) by_key.emplace(KeyOf(m), &m);
  for (const v1::Metric& m : theirs.metrics()) {
    const auto it = by_key.find(KeyOf(m));
    if (it == by_key.end()) continue;
    EXPECT_EQ(it->second->type(), m.type()) << m.name();
    EXPECT_EQ(it->second->description(), m.description()) << m.name();
  }
}

// It comes from the Go agent itself, so that no page has it, and it carries no
// identity.
void LeaveOutKernelTelemetry(v1::StreamMetricsRequest* answer) {
  auto& metrics = *answer->mutable_metrics();
  metrics.erase(std::remove_if(metrics.begin(), metrics.end(),
                               [](const v1::Metric& m) {
                                 return m.name().starts_with("ktm_");
                               }),
                metrics.end());
}

// A question of the recording, and its answer.
struct Command {
  std::int64_t t_ms = 0;
  v1::StreamMetricsResponse question;
  v1::StreamMetricsRequest answer;
};

class RecordedProxyTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::map<int, v1::RegisterAgentRequest> hellos;  // by call
    std::map<std::string, std::string> pods;         // by agent id
    std::map<int, std::deque<Command>> open;         // by call of this pod
    for (const RecordedEvent& e :
         ReadRecordedTraffic("agent-proxy.jsonl.zst")) {
      if (e.method.ends_with("/RegisterAgent")) {
        if (e.kind == "client" && !hellos.contains(e.call)) {
          ASSERT_TRUE(hellos[e.call].ParseFromString(e.bytes));
        } else if (e.kind == "server") {
          v1::RegisterAgentResponse m;
          ASSERT_TRUE(m.ParseFromString(e.bytes));
          pods[m.agent_id()] = hellos[e.call].pod_name();
          if (hellos[e.call].pod_name() == GetParam() && welcome_.empty()) {
            welcome_ = e.bytes;
            hello_ = hellos[e.call];
          }
        }
      }
      if (!e.method.ends_with("/StreamMetrics")) continue;
      if (e.kind == "open" && pods[e.metadata.at("agent_id")] == GetParam()) {
        open[e.call];
      }
      const auto it = open.find(e.call);
      if (it == open.end()) continue;
      if (e.kind == "server") {
        Command& c = it->second.emplace_back();
        c.t_ms = e.t_ms;
        ASSERT_TRUE(c.question.ParseFromString(e.bytes));
      } else if (e.kind == "client") {
        ASSERT_FALSE(it->second.empty());
        ASSERT_TRUE(it->second.front().answer.ParseFromString(e.bytes));
        LeaveOutKernelTelemetry(&it->second.front().answer);
        commands_.push_back(std::move(it->second.front()));
        it->second.pop_front();
      }
    }
    ASSERT_GT(commands_.size(), 5u);
  }

  std::string welcome_;
  v1::RegisterAgentRequest hello_;
  std::vector<Command> commands_;  // that were answered
};

TEST_P(RecordedProxyTest, GetsTheRecordedSeriesAndValues) {
  TempDirectory dir{"fodc-recorded-proxy"};
  Pages pages;
  FakeV1Proxy proxy(welcome_);
  std::string labels;
  for (const auto& [k, v] :
       Labels(hello_.labels().begin(), hello_.labels().end())) {
    labels += StrCat(labels.empty() ? "" : ",", k, "=", v);
  }
  ASSERT_EQ(hello_.container_names_size(), 1);
  FodcAgent agent(dir, {.pod = hello_.pod_name(),
                        .endpoint_ports = {pages.port()},
                        .containers = {hello_.container_names(0)},
                        .proxy_ports = {proxy.port()},
                        .interval = "250ms",
                        .role = hello_.node_role(),
                        .labels = labels,
                        .recorder_dir = "",
                        .flags = {"--ktm-enabled=false"}});
  ASSERT_TRUE(agent.Start());
  ASSERT_TRUE(WaitUntil([&] { return proxy.HasStream(); }));
  EXPECT_EQ(proxy.registration().node_role(), hello_.node_role());
  EXPECT_EQ(proxy.registration().container_names(0), hello_.container_names(0));

  const auto begin = std::chrono::steady_clock::now();
  int latest = 0;
  int windows = 0;
  for (const Command& c : commands_) {
    SCOPED_TRACE(StrCat("at ", c.t_ms, " ms"));
    const auto due =
        begin + std::chrono::milliseconds((c.t_ms - commands_.front().t_ms) /
                                          kTimesFaster);
    (void)WaitUntil([&] { return std::chrono::steady_clock::now() >= due; },
                    1min, 5ms);
    v1::StreamMetricsResponse question = c.question;
    // By time; a newest answer has none.
    std::map<std::int64_t, std::vector<const v1::Metric*>> frames;
    for (const v1::Metric& m : c.answer.metrics()) {
      frames[m.timestamp().seconds()].push_back(&m);
    }
    if (!c.question.has_start_time()) {
      ++latest;
      ASSERT_EQ(frames.size(), 1u);
      pages.Show(MakePage(frames.begin()->second));
    } else if (!frames.empty()) {
      ++windows;
      std::vector<std::string> texts;
      texts.reserve(frames.size());
      for (const auto& [second, frame] : frames) {
        texts.push_back(MakePage(frame));
      }
      // The window is that of today's scrapes.
      const auto [from, to] = pages.PlayOnce(texts);
      question.mutable_start_time()->set_seconds(from / 1000);
      question.mutable_start_time()->set_nanos(
          static_cast<std::int32_t>(from % 1000) * 1'000'000);
      question.mutable_end_time()->set_seconds(to / 1000);
      question.mutable_end_time()->set_nanos(
          static_cast<std::int32_t>(to % 1000) * 1'000'000);
    }
    std::optional<v1::StreamMetricsRequest> answer = proxy.Ask(question);
    // On a busy machine the page may have grown stale on the way.
    for (int i = 0; i < 20 && answer.has_value() && frames.contains(0) &&
                    ValuesOf(*answer).empty();
         ++i) {
      answer = proxy.Ask(question);
    }
    ASSERT_TRUE(answer.has_value()) << agent.Log();
    EXPECT_TRUE(answer->has_timestamp());
    ExpectEqual(*answer, c.answer);
    if (HasFailure()) return;  // one is enough to read
  }
  EXPECT_GT(latest, 2);
  EXPECT_EQ(windows > 0, std::string(GetParam()) == "banyandb-warm-0");
}

INSTANTIATE_TEST_SUITE_P(Agents, RecordedProxyTest,
                         ::testing::Values("banyandb-hot-0", "banyandb-warm-0",
                                           "banyandb-liaison-0"),
                         [](const auto& agent) {
                           std::string name = agent.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace fodc::test
