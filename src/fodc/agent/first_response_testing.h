// SPDX-License-Identifier: Apache-2.0
// For tests: the first response over a made-up process tree; captures are asked
// for, and answered by the test.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fodc/agent/first_response.h"
#include "fodc/base/unique_fd.h"
#include "fodc/target/table_testing.h"

namespace fodc::agent {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

inline constexpr std::uint64_t kMib = 1 << 20;
inline constexpr pid_t kPid = 6'000'001;  // no real one

class FirstResponseTest : public target::TableTest {
 protected:
  FirstResponseTest() : loop_(clock_), recording_(1, {}) {
    settings_.pod_name = "pod";
    settings_.incarnation = 77;
    settings_.memory = {.proc_root = tree_.path(),
                        .sys_root = tree_.path(),
                        .has_events = false};
    Put("meminfo", "MemTotal: 16777216 kB\n");
    Put("self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
    Put("m/pod/one/memory.limit_in_bytes", StrCat(1000 * kMib));
    Put("m/pod/one/memory.stat",
        "inactive_file 0\nactive_file 0\n"
        "total_inactive_file 0\ntotal_active_file 0\n");
    SetOomKills(0);
  }
  ~FirstResponseTest() override {
    response_.reset();
    loop_.RunReady();
  }
  void Put(const std::string& name, const std::string& text) {
    const std::string path = tree_.File(name);
    ASSERT_THAT(MakeDirectories(path.substr(0, path.rfind('/'))), IsOk());
    ASSERT_THAT(WriteFileAtomically(path, text), IsOk());
  }
  void SetOomKills(int count) {
    // In place: it is kept open.
    std::ofstream(tree_.File("m/pod/one/memory.oom_control"))
        << "oom_kill_disable 0\nunder_oom 0\noom_kill " << count << "\n";
  }
  void SetMemory(std::uint64_t mib) {
    Put("m/pod/one/memory.usage_in_bytes", Padded(mib * kMib));
  }
  // Always of one length: a reader between two of them sees no short number.
  static std::string Padded(std::uint64_t bytes) {
    std::string text = StrCat(bytes);
    return text.insert(0, 20 - text.size(), '0');
  }
  // With that much memory; read when it is followed.
  void StartNode(std::uint64_t mib, std::chrono::duration<double> age = 0.5s,
                 pid_t pid = kPid) {
    SetMemory(mib);
    const double now =
        std::chrono::duration<double>(clock_.Monotonic().time_since_epoch())
            .count();
    Start({.pid = pid, .started_s = now - age.count()});
    Put(StrCat(pid, "/statm"), "1000 1000 0 0 0 0 0\n");
  }
  void Make() {
    targets_.emplace(std::vector<target::TargetSpec>{{.container_name = "data",
                                                      .comm_prefix = "db"}},
                     target::TableOptions{.proc_root = tree_.path(),
                                          .own_pid = target::kAgent},
                     loop_, recording_, tree_.path());
    auto response = FirstResponse::Create(
        settings_, *targets_, scrapers_, recording_, loop_, incidents_,
        {.begin =
             [this](capture::CaptureRequest r) {
               const MutexLock lock(mutex_);
               requests_.push_back(std::move(r));
               return begin_status_;
             },
         .add_aftermath =
             [this](capture::CaptureAftermath a) {
               if (!aftermath_status_.ok()) return aftermath_status_;
               aftermaths_.push_back(std::move(a));
               return Status();
             },
         .hold =
             [this](std::size_t, capture::CaptureProcess process) {
               held_processes_.push_back(process);
             }});
    ASSERT_THAT(response, IsOk());
    response_ = *std::move(response);
    captured_ = response_->CapturedCallback();
    targets_->set_on_changed([this] { response_->Follow(); });
    targets_->set_on_recorded([this] { response_->OnAppended(); });
  }
  // A tick of the collector.
  void Tick(std::chrono::nanoseconds after = 1s) {
    clock_.Advance(after);
    ++now_ms_;
    targets_->Read({.monotonic_ms = now_ms_, .unix_ms = now_ms_});
    response_->OnAppended();
    loop_.RunReady();
  }
  // In one step, as the kernel does: the watch has the file open.
  void SetUsage(std::uint64_t bytes) {
    const UniqueFd file(::open(
        tree_.File("m/pod/one/memory.usage_in_bytes").c_str(), O_WRONLY));
    ASSERT_EQ(::pwrite(file.get(), Padded(bytes).data(), 20, 0), 20);
  }
  std::size_t Requests() {
    const MutexLock lock(mutex_);
    return requests_.size();
  }
  bool AwaitRequests(std::size_t count) {
    return Await([&] { return Requests() >= count; });
  }
  // Time goes on meanwhile: the thread may have read the memory before the test
  // changed it, and have stamped that look behind it.
  template <typename Condition>
  bool Await(const Condition& condition) {
    return loop_.RunUntil(
        [&] {
          clock_.Advance(1ms);
          return condition();
        },
        20s);
  }
  capture::CaptureRequest Request(std::size_t i) {
    const MutexLock lock(mutex_);
    return requests_.at(i);
  }
  void Answer(std::size_t i, bool has_evidence = true,
              bool lacks_profiles = false) {
    const capture::CaptureRequest request = Request(i);
    capture::CaptureResult result;
    result.row = request.row;
    result.target = request.target;
    result.incident_id = request.incident_id;
    result.trigger = request.trigger.kind;
    result.event_id = StrCat("event-", i);
    result.has_evidence = has_evidence;
    result.lacks_profiles = lacks_profiles;
    result.artifacts = has_evidence ? 3 : 0;
    captured_(std::move(result));
    loop_.RunReady();
  }
  const evidence::Incident& Incident(const std::string& id) {
    const evidence::IncidentRef ref = incidents_.Find(id);
    EXPECT_NE(ref, nullptr) << id;
    static const evidence::Incident none;
    held_ = ref;
    return ref == nullptr ? none : *ref;
  }
  static double NumberOf(const evidence::Incident& incident,
                         std::string_view name) {
    const auto it = std::ranges::find(incident.numbers, name,
                                      &evidence::IncidentNumber::name);
    return it == incident.numbers.end() ? -1 : it->value;
  }
  TriggerView Trigger(TriggerKind kind) const {
    return response_->View()[0].triggers[static_cast<std::size_t>(kind)];
  }
  // An event of an earlier life of the agent, `ago`.
  evidence::EventInfo Earlier(std::string_view trigger,
                              std::chrono::nanoseconds ago) const {
    evidence::EventInfo event;
    event.id = "earlier";
    event.meta.captured_at = clock_.Unix() - ago;
    event.meta.pod_name = "pod";
    event.meta.target = "data";
    event.meta.trigger.kind = trigger;
    event.meta.profiles.push_back({.type = "heap", .filename = "heap.pprof"});
    return event;
  }
  // Until the watching thread shows that reason.
  bool AwaitReason(detect::PressureReason reason) {
    return Await(
        [&] { return response_->View()[0].memory.last.reason == reason; });
  }
  void Die(int oom_kills = 0) {
    End(kPid);
    if (oom_kills > 0) SetOomKills(oom_kills);
    Tick();
  }

  net::EventLoop loop_;
  recorder::Recording recording_;
  evidence::IncidentList incidents_;
  evidence::IncidentRef held_;
  std::vector<std::unique_ptr<collect::Scraper>> scrapers_;
  FirstResponseSettings settings_;
  std::optional<collect::Targets> targets_;
  Mutex mutex_;
  std::vector<capture::CaptureRequest> requests_;
  std::vector<capture::CaptureAftermath> aftermaths_;
  std::vector<capture::CaptureProcess> held_processes_;
  Status begin_status_;
  Status aftermath_status_;
  std::function<void(capture::CaptureResult)> captured_;
  std::unique_ptr<FirstResponse> response_;
  std::int64_t now_ms_ = 0;
  std::size_t answered_ = 0;  // requests, where a test counts them
};

}  // namespace fodc::agent
