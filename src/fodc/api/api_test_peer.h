// SPDX-License-Identifier: Apache-2.0
// For tests: a fleet filled by hand behind the routes, and agents that answer
// as they are told.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "fodc/api/api.h"
#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/fleet/fleet.h"
#include "fodc/net/event_loop.h"
#include "fodc/net/http_server.h"
#include "fodc/net/http_test_peer.h"
#include "fodc/recorder/log_reader.h"
#include "fodc/recorder/recording.h"

namespace fodc::api {

// Answers when told to, or at the deadline.
class FakeCommander final : public fleet::AgentCommander {
 public:
  explicit FakeCommander(net::EventLoop& loop) : loop_(loop) {}

  struct Asked {
    fleet::AgentId agent;
    fleet::MetricsQuestion question;
    MonotonicTime deadline;
  };
  // What this agent answers from now on; without it, it is silent.
  void Answer(const fleet::AgentId& agent,
              std::vector<fleet::MetricSample> samples, std::size_t bytes = 0) {
    auto answer = std::make_shared<fleet::MetricsAnswer>();
    answer->samples = std::move(samples);
    answer->bytes = bytes;
    answers_[agent] = std::move(answer);
  }
  const std::vector<Asked>& asked() const { return asked_; }

  void RequestMetrics(const fleet::AgentId& agent,
                      const fleet::MetricsQuestion& question,
                      MonotonicTime deadline, MetricsCallback done) override {
    asked_.push_back({agent, question, deadline});
    const auto it = answers_.find(agent);
    if (it != answers_.end()) {
      loop_.Post([done = std::move(done), answer = it->second]() mutable {
        done(answer);
      });
      return;
    }
    timers_.push_back(loop_.RunAt(deadline, [done = std::move(done)]() mutable {
      done(DeadlineExceeded("silent"));
    }));
  }

 private:
  net::EventLoop& loop_;
  std::map<fleet::AgentId, std::shared_ptr<const fleet::MetricsAnswer>>
      answers_;
  std::vector<Asked> asked_;
  std::vector<net::EventLoop::Handle> timers_;
};

struct TestSample {
  std::string name;
  std::vector<std::pair<std::string, std::string>> labels = {};
  double value = 0;
  exposition::MetricType type = exposition::MetricType::kGauge;
  std::string help = {};
  std::string family = {};
};

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() {
    ApiOptions options;
    options.version = "1.2.3";
    options.own_metrics = [this](const OwnSink& sink) {
      exposition::SeriesDesc desc;
      desc.name = desc.family = "fodc_proxy_test";
      desc.type = exposition::MetricType::kGauge;
      sink(desc, own_value_ ? own_value_() : 7);
    };
    options.ready = [this] { return ready_; };
    options.max_pages = 4;
    options.max_windows = 2;
    options.max_incident_lists = 2;
    api_ = std::make_unique<Api>(loop_, fleet_, commander_, options);
    api_->Install(&server_);
    EXPECT_TRUE(server_.Listen("127.0.0.1:0").ok());
  }

  net::RawResponse Get(const std::string& target,
                       const std::string& headers = "") {
    net::RawClient client(loop_, server_.port());
    client.Get(target, headers);
    return client.Read();
  }

  // An agent in the registry.
  fleet::AgentId Admit(const std::string& pod, fleet::AgentKind kind,
                       const std::string& role = "ROLE_DATA",
                       const fleet::Labels& labels = {}) {
    fleet::Registry::Claim claim;
    claim.kind = kind;
    claim.identity.pod_name = pod;
    claim.identity.node_name = pod;
    claim.identity.role = role;
    claim.identity.labels = labels;
    claim.peer_address = "10.0.0.1";
    if (kind == fleet::AgentKind::kFlight) {
      claim.identity.instance_id = "instance-" + pod;
      claim.identity.incarnation = 5;
      claim.identity.http_port = 9090;
      claim.identity.container_names = {"data"};
      claim.version = "9.9";
    }
    const auto admission = fleet_.Admit(claim);
    EXPECT_TRUE(admission.status.ok());
    return admission.id;
  }

  // A flight agent's recording, mirrored as it grows.
  class Node {
   public:
    Node(ApiTest* test, const std::string& pod,
         const std::string& role = "ROLE_DATA",
         const fleet::Labels& labels = {})
        : test_(test),
          id_(test->Admit(pod, fleet::AgentKind::kFlight, role, labels)),
          recording_(5, {}) {}
    // Of an agent that was admitted.
    struct Admitted {
      fleet::AgentId id;
    };
    Node(ApiTest* test, Admitted agent)
        : test_(test), id_(std::move(agent.id)), recording_(5, {}) {}

    const fleet::AgentId& id() const { return id_; }
    // One frame of a source, now.
    void Scrape(const std::string& source,
                const std::vector<TestSample>& samples,
                const std::string& container = "data") {
      const recorder::SourceId at = recording_.OpenSource(source, container);
      std::vector<std::vector<exposition::Label>> labels(samples.size());
      std::vector<exposition::SeriesDesc> descs;
      std::vector<double> values;
      for (std::size_t i = 0; i < samples.size(); ++i) {
        const TestSample& s = samples[i];
        for (const auto& [n, v] : s.labels) labels[i].push_back({n, v});
        exposition::SeriesDesc d;
        d.name = s.name;
        d.labels = labels[i];
        d.family = s.family.empty() ? s.name : s.family;
        d.type = s.type;
        d.help = s.help;
        descs.push_back(d);
        values.push_back(s.value);
      }
      recording_.SpliceLines(at, 0, lines_[source], descs);
      lines_[source] = samples.size();
      const auto mono = std::chrono::duration_cast<std::chrono::milliseconds>(
          test_->clock_.Monotonic().time_since_epoch());
      recording_.Append(at, {mono.count(), ToUnixMillis(test_->clock_.Unix())},
                        values, std::nullopt);
      std::vector<recorder::LogEntry> entries;
      position_ = recording_.ReadLog(position_, &defined_,
                                     [&](const recorder::LogEntry& e) {
                                       entries.push_back(e);
                                       return true;
                                     });
      EXPECT_TRUE(test_->fleet_.Apply(id_, entries).ok());
    }

   private:
    ApiTest* const test_;
    const fleet::AgentId id_;
    recorder::Recording recording_;
    recorder::LogPosition position_;
    recorder::Recording::Defined defined_;
    std::map<std::string, std::size_t> lines_;
  };

  FakeClock clock_;
  net::EventLoop loop_{clock_};
  fleet::Fleet fleet_{clock_, {}};
  FakeCommander commander_{loop_};
  Status ready_;
  std::function<double()> own_value_;  // of fodc_proxy_test; 7 if there is none
  std::unique_ptr<Api> api_;
  net::HttpServer server_{loop_};
};

inline fleet::MetricSample V1Sample(
    std::string name, std::vector<std::pair<std::string, std::string>> labels,
    double value, exposition::MetricType type = exposition::MetricType::kGauge,
    std::int64_t unix_ms = 0) {
  fleet::MetricSample s;
  s.name = std::move(name);
  s.labels = std::move(labels);
  s.value = value;
  s.type = type;
  s.unix_ms = unix_ms;
  return s;
}

}  // namespace fodc::api
