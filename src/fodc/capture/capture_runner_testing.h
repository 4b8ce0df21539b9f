// SPDX-License-Identifier: Apache-2.0
// For tests: a runner over a store of its own, a child as the target, and an
// endpoint that serves profiles as it is told.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/base/proc.h"
#include "fodc/capture/capture_runner.h"
#include "fodc/evidence/event_store_testing.h"
#include "fodc/net/http_test_peer.h"
#include "fodc/target/child_process.h"
#include "tests/support/gzip.h"

namespace fodc::capture {

inline constexpr char kHeapText[] =
    "heap profile: 1: 2 [ 3: 4] @ heapprofile\n";

// "GET /debug/pprof/heap HTTP/1.1..." -> "/debug/pprof/heap".
inline std::string_view PathOf(std::string_view request) {
  request.remove_prefix(std::min<std::size_t>(4, request.size()));
  return request.substr(0, request.find(' '));
}

inline bool Answer(int fd, std::string_view status, std::string_view body) {
  net::RawServer::Send(fd, StrCat("HTTP/1.1 ", status, "\r\nContent-Length: ",
                                  body.size(), "\r\n\r\n"));
  return net::RawServer::Send(fd, body);
}

class CaptureRunnerTest : public evidence::EventStoreTest {
 protected:
  using Serve = net::RawServer::Serve;

  CaptureRunnerTest() {
    options_.pod_name = "pod-1";
    options_.profiles = *ChooseProfileTypes({});
    options_.budget = evidence::kPlenty;
    // What a request is for, unless the test says otherwise.
    serve_ = [](int fd, const std::string&) {
      return Answer(fd, "200 OK", kHeapText);
    };
  }

  void Start() {
    if (!server_) {
      server_ = std::make_unique<net::RawServer>(
          [this](int fd, const std::string& request) {
            return serve_(fd, request);
          });
    }
    if (options_.targets.empty()) options_.targets.resize(4);
    for (CaptureTarget& target : options_.targets) {
      if (has_endpoint_) {
        target.profiles = *ProfileSource::Parse(server_->Url(""));
      }
    }
    runner_ = std::make_unique<CaptureRunner>(
        options_,
        CaptureRunner::Callbacks{
            .on_captured =
                [this](CaptureResult result) {
                  if (on_captured_) on_captured_(result);
                  MutexLock lock(mutex_);
                  results_.push_back(std::move(result));
                  changed_.NotifyAll();
                },
            .on_committed =
                [this](const std::string& id, std::uint32_t revision) {
                  MutexLock lock(mutex_);
                  commits_.emplace_back(id, revision);
                  changed_.NotifyAll();
                },
            .on_deleted =
                [this](const std::vector<std::string>& ids) {
                  MutexLock lock(mutex_);
                  deleted_.insert(deleted_.end(), ids.begin(), ids.end());
                },
            .on_stopped =
                [this] {
                  MutexLock lock(mutex_);
                  is_stopped_ = true;
                  changed_.NotifyAll();
                }},
        store_.get(), SystemClock());
  }

  static CaptureProcess Named(pid_t pid) {
    return {.pid = pid,
            .start_ticks = ReadProcessStat(kProcRoot, pid)->start_ticks};
  }
  CaptureRequest Request(std::size_t row = 0) const {
    return {.at = now_ + std::chrono::seconds(row),
            .row = row,
            .target = StrCat("db-", row),
            .role = "data",
            .incident_id = "incident-1",
            .ramp_up = "ramp-1",
            .trigger = {.kind = "memory_pressure", .summary = "near"},
            .bytes = 800,
            .limit_bytes = 1000,
            .threshold_bytes = 750,
            .trigger_percent = 75,
            .processes = {Named(child_.pid())}};
  }

  // The result of the `count`-th capture that ended.
  CaptureResult Await(std::size_t count = 1) {
    MutexLock lock(mutex_);
    while (results_.size() < count) changed_.Wait(mutex_);
    return results_[count - 1];
  }
  void AwaitCommits(std::size_t count) {
    MutexLock lock(mutex_);
    while (commits_.size() < count) changed_.Wait(mutex_);
  }
  void Stop() {
    runner_->Stop();
    MutexLock lock(mutex_);
    while (!is_stopped_) changed_.Wait(mutex_);
  }
  std::size_t results() const {
    MutexLock lock(mutex_);
    return results_.size();
  }
  // By retention, in the order in which it was told.
  std::vector<std::string> deleted() const {
    MutexLock lock(mutex_);
    return deleted_;
  }
  CaptureResult Capture(CaptureRequest request) {
    const std::size_t before = results();
    EXPECT_THAT(runner_->Begin(std::move(request)), IsOk());
    return Await(before + 1);
  }

  evidence::EventMeta Meta(const std::string& id) const {
    const auto info = store_->Read(id);
    EXPECT_THAT(info, IsOk());
    return info.ok() ? info->meta : evidence::EventMeta{};
  }
  // The receipt of that name; an empty one if there is none.
  static evidence::EventStep Step(const evidence::EventMeta& meta,
                                  std::string_view name) {
    const auto it =
        std::find_if(meta.steps.begin(), meta.steps.end(),
                     [&](const auto& step) { return step.step == name; });
    EXPECT_NE(it, meta.steps.end()) << name;
    return it == meta.steps.end() ? evidence::EventStep{} : *it;
  }
  std::string Text(const std::string& id, std::string_view name) const {
    const auto artifact = store_->OpenArtifact(id, name);
    EXPECT_THAT(artifact, IsOk()) << name;
    return artifact.ok() ? evidence::ReadAll(*artifact) : "";
  }

  CaptureRunnerOptions options_;
  Serve serve_;
  bool has_endpoint_ = true;
  // Before it is known to Await, on the runner's thread.
  std::function<void(const CaptureResult&)> on_captured_;
  target::ChildProcess child_{"kvnode", -1};

  mutable Mutex mutex_;
  CondVar changed_;
  std::vector<CaptureResult> results_ FODC_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::uint32_t>> commits_
      FODC_GUARDED_BY(mutex_);
  std::vector<std::string> deleted_ FODC_GUARDED_BY(mutex_);
  bool is_stopped_ FODC_GUARDED_BY(mutex_) = false;
  std::unique_ptr<net::RawServer> server_;
  std::unique_ptr<CaptureRunner> runner_;  // last: it uses the others
};

}  // namespace fodc::capture
