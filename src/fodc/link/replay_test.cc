// SPDX-License-Identifier: Apache-2.0
// The recorded Go agents, with their own bytes, in their own order and time,
// against our proxy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/link/test_peer.h"
#include "tests/support/recorded_traffic.h"

namespace fodc::link {
namespace {

namespace v1 = banyandb::fodc::v1;
using fleet::AgentStatus;
using std::chrono::milliseconds;
using std::chrono::seconds;

// The recording's two minutes go by in six seconds.
constexpr int kTimesFaster = 20;

// One registration of the recording and all streams under its id.
struct ReplayedAgent {
  std::string recorded_id;
  std::string our_id;
  std::unique_ptr<TestClient> client;
  std::unique_ptr<TestStream> registration;
  std::map<std::string, std::unique_ptr<TestStream>> streams;  // by method
  // Metrics wait for our proxy's questions; windows and latest values apart.
  std::deque<std::string> latest;
  std::size_t asked = 0;
  std::set<std::string> series;  // of the newest recorded latest answer
};

class ReplayTest : public LinkServerTest {
 protected:
  // Plays the events up to `until_ms` of the recording, in their order and no
  // sooner than their times say.
  void PlayUntil(std::int64_t until_ms) {
    if (next_ == 0) began_ = SystemClock().Monotonic();
    for (; next_ < events_.size() && events_[next_].t_ms <= until_ms; ++next_) {
      const MonotonicTime due =
          began_ + milliseconds(events_[next_].t_ms / kTimesFaster);
      const auto early =
          std::chrono::ceil<milliseconds>(due - SystemClock().Monotonic());
      if (early.count() > 0) RunFor(early);
      Play(events_[next_]);
      ASSERT_FALSE(HasFatalFailure()) << "event " << next_;
    }
    RunFor(milliseconds(50));
  }

  void Play(const test::RecordedEvent& e) {
    const std::string name = e.method.substr(e.method.rfind('/') + 1);
    if (e.kind == "open") {
      if (name == "RegisterAgent") {
        auto agent = std::make_shared<ReplayedAgent>();
        agent->client = std::make_unique<TestClient>(loop_, address());
        agent->registration = agent->client->OpenV1("RegisterAgent");
        by_call_[e.call] = agent;
        return;
      }
      const auto agent = by_id_.at(e.metadata.at("agent_id"));
      agent->streams[name] = agent->client->OpenV1(name, agent->our_id);
      by_call_[e.call] = agent;
      return;
    }
    const auto agent = by_call_.at(e.call);
    if (name == "RegisterAgent") {
      if (e.kind == "client") {
        agent->registration->SendBytes(e.bytes);
      } else if (e.kind == "server") {
        // Ours answers with an id of its own.
        v1::RegisterAgentResponse theirs;
        ASSERT_TRUE(theirs.ParseFromString(e.bytes));
        ASSERT_TRUE(
            Until([&] { return agent->registration->received() == 1; }));
        const auto ours =
            agent->registration->Message<v1::RegisterAgentResponse>(0);
        EXPECT_EQ(ours.success(), theirs.success());
        EXPECT_EQ(ours.message(), theirs.message());
        EXPECT_EQ(ours.heartbeat_interval_seconds(),
                  theirs.heartbeat_interval_seconds());
        EXPECT_EQ(ours.agent_id().size(), theirs.agent_id().size());
        agent->our_id = ours.agent_id();
        by_id_[theirs.agent_id()] = agent;
      } else if (e.kind == "client-close") {
        agent->registration->HalfClose();
      } else if (e.kind == "end" && e.status != "OK") {
        agent->registration->Cancel();
      }
      return;
    }
    const auto it = agent->streams.find(name);
    if (it == agent->streams.end()) return;
    if (e.kind == "client") {
      if (name == "StreamMetrics") {
        v1::StreamMetricsRequest m;
        ASSERT_TRUE(m.ParseFromString(e.bytes));
        const bool window =
            m.metrics_size() > 0 && m.metrics(0).has_timestamp();
        if (!window) agent->latest.push_back(e.bytes);
      } else {
        it->second->SendBytes(e.bytes);
      }
    } else if (e.kind == "client-close") {
      it->second->HalfClose();
    } else if (e.kind == "end" && e.status != "OK") {
      it->second->Cancel();
    }
  }

  // Asks every online agent, answers with the newest recorded bytes, and
  // compares what came out with what the bytes say.
  void CollectAndCompare() {
    for (const auto& [id, agent] : by_id_) {
      const fleet::Agent* known = fleet_->registry().Find(agent->our_id);
      if (known == nullptr || known->status != AgentStatus::kOnline) continue;
      if (agent->latest.empty()) continue;
      TestStream& stream = *agent->streams.at("StreamMetrics");
      std::shared_ptr<const fleet::MetricsAnswer> got;
      server_->RequestMetrics(agent->our_id, {},
                              SystemClock().Monotonic() + seconds(5),
                              [&](auto r) { got = r.ok() ? *r : nullptr; });
      const std::size_t before = agent->asked++;
      ASSERT_TRUE(Until([&] { return stream.received() > before; }));
      EXPECT_EQ(stream.bytes(before), "") << "the newest of everything";
      stream.SendBytes(agent->latest.back());
      ASSERT_TRUE(Until([&] { return got != nullptr; }));
      v1::StreamMetricsRequest meant;
      ASSERT_TRUE(meant.ParseFromString(agent->latest.back()));
      ASSERT_EQ(got->samples.size(),
                static_cast<std::size_t>(meant.metrics_size()));
      for (int i = 0; i < meant.metrics_size(); ++i) {
        const fleet::MetricSample& s =
            got->samples[static_cast<std::size_t>(i)];
        const v1::Metric& m = meant.metrics(i);
        EXPECT_EQ(s.name, m.name());
        EXPECT_EQ(s.value, m.value());
        EXPECT_EQ(s.help, m.description());
        const std::map<std::string, std::string> labels(s.labels.begin(),
                                                        s.labels.end());
        for (const auto& [key, value] : m.labels()) {
          EXPECT_EQ(labels.at(key), value);
        }
        for (const auto& [key, value] : known->identity.labels) {
          EXPECT_TRUE(labels.contains("node_" + key));
        }
      }
      ++compared_;
    }
  }

  std::vector<std::string> OnlinePods() {
    std::vector<std::string> out;
    for (const fleet::Agent& a : *fleet_->List()) {
      if (a.status == AgentStatus::kOnline) out.push_back(a.identity.pod_name);
    }
    return out;
  }

  const std::vector<test::RecordedEvent> events_ =
      test::ReadRecordedTraffic("agent-proxy.jsonl.zst");
  std::size_t next_ = 0;
  MonotonicTime began_;
  std::map<int, std::shared_ptr<ReplayedAgent>> by_call_;
  std::map<std::string, std::shared_ptr<ReplayedAgent>> by_id_;
  int compared_ = 0;
};

TEST_F(ReplayTest, TheRecordedAgentsAreServedThroughKillsAndReturns) {
  StartServer();
  using Pods = std::vector<std::string>;
  const Pods all = {"banyandb-hot-0", "banyandb-liaison-0", "banyandb-warm-0"};
  const Pods without_hot = {"banyandb-liaison-0", "banyandb-warm-0"};
  const auto online = [&](const Pods& pods) {
    return Until([&] { return OnlinePods() == pods; });
  };
  // Phases `first` and `loaded`.
  PlayUntil(53'000);
  EXPECT_TRUE(online(all));
  CollectAndCompare();
  EXPECT_EQ(compared_, 3);
  EXPECT_EQ(server_->stats().streams_refused, 0u);

  // `agent-killed`: its streams ended; ours knows at once.
  PlayUntil(54'500);
  EXPECT_TRUE(online(without_hot));
  EXPECT_EQ(fleet_->registry().size(), 3u);

  // `agent-back`: no ghost.
  PlayUntil(85'000);
  EXPECT_TRUE(online(all));
  EXPECT_EQ(fleet_->registry().size(), 3u);
  CollectAndCompare();
  EXPECT_EQ(compared_, 6);

  // `proxy-back`: the connections broke, everybody registered anew.
  PlayUntil(111'000);
  EXPECT_TRUE(online(all));
  EXPECT_EQ(fleet_->registry().size(), 3u);

  // The agents leave in good order.
  PlayUntil(1'000'000);
  EXPECT_TRUE(online({}));
  EXPECT_EQ(server_->stats().streams_refused, 0u);
  EXPECT_EQ(server_->stats().messages_refused, 0u);
  EXPECT_EQ(fleet_->stats().registry.conflicts, 0u);
}

}  // namespace
}  // namespace fodc::link
