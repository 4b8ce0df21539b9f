// SPDX-License-Identifier: Apache-2.0
// The agent's event store, whoever runs captures into it, and the first
// response that asks for them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "fodc/agent/capture_flags.h"
#include "fodc/agent/first_response.h"
#include "fodc/capture/capture_runner.h"
#include "fodc/collect/collector.h"
#include "fodc/evidence/event_store.h"
#include "fodc/program/own_metrics.h"
#include "fodc/recorder/recording.h"
#include "fodc/recorder/recording_file.h"

namespace fodc::agent {

// Belongs to the loop's thread.
class EvidenceCaptures {
 public:
  struct Surroundings {
    std::string pod_name;
    std::string directory;  // --pressure-profiler-dir
    CheckedCapture checked;
    std::function<std::string()> detector_problem;  // of FirstResponseSettings
    std::vector<collect::Endpoint> endpoints;
    // What a captured window says of the node; called on the loop.
    std::function<recorder::FileInfo()> info;
  };

  // The directory is opened on a thread of its own, for its disk may hang.
  // Until it is there nothing is captured, and it is said why; one that cannot
  // be used is tried again and again. The references must outlive it. Errors:
  // those of FirstResponse::Create.
  static Result<std::unique_ptr<EvidenceCaptures>> Create(
      Surroundings around, const collect::Targets& targets,
      const collect::Collector& collector, const recorder::Recording& recording,
      net::EventLoop& loop, evidence::IncidentList& incidents);
  // Waits for what runs, as long as the disk takes.
  ~EvidenceCaptures();
  // Asks what runs to end, and begins no more. Calls `done` on the loop when
  // the loop has heard what became of it, or after `limit`: a disk may hang.
  void Stop(std::chrono::nanoseconds limit, net::Task done);

  FirstResponse& response() { return *response_; }
  const FirstResponse& response() const { return *response_; }
  // Null until the directory is open.
  const std::shared_ptr<evidence::EventStore>& store() const { return store_; }
  // All 0 without a store.
  capture::CaptureStats stats() const;
  // Called on the loop when the directory has been opened.
  void set_on_store(std::function<void()> callback) {
    on_store_ = std::move(callback);
  }
  // For when an event is pinned no more: see CaptureRunner.
  void RetainSoon();
  // Called on the loop when an event has a new revision, or was deleted because
  // of the bounds.
  void set_on_event(std::function<void(const std::string& id)> callback) {
    on_event_ = std::move(callback);
  }

 private:
  EvidenceCaptures(Surroundings around, const collect::Targets& targets,
                   const recorder::Recording& recording, net::EventLoop& loop);
  // What the thread that opens the directory shares with the loop.
  struct Opening;
  struct Found;
  void OpenStore();
  void OnOpened(Found found);
  void StartRunner();
  // A capture could not be begun: what the directory can do is looked at anew.
  void LookAgain();
  void OnStopped();
  // On a thread of the runner: the loop gives the snapshot.
  Status WriteWindow(UnixTime from, UnixTime to,
                     const capture::WindowSink& sink);

  const Surroundings around_;
  const collect::Targets& targets_;
  const recorder::Recording& recording_;
  net::EventLoop& loop_;
  const std::shared_ptr<Opening> opening_;
  net::EventLoop::Handle retry_;
  std::chrono::nanoseconds wait_{0};  // before the next try
  bool is_looking_ = false;
  bool is_restored_ = false;
  std::vector<std::vector<capture::CaptureEndpoint>> endpoints_;  // by row
  std::function<void()> on_store_;
  std::function<void(const std::string& id)> on_event_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::atomic<bool> is_closing_{false};
  net::Task stopped_;  // of Stop, until it is called
  net::EventLoop::Handle stop_limit_;
  std::shared_ptr<evidence::EventStore> store_;
  // The response's thread asks the runner, whose threads answer to the loop.
  std::unique_ptr<capture::CaptureRunner> runner_;
  std::unique_ptr<FirstResponse> response_;
};

// All at 0 where `captures` is null.
void AddCaptureMetrics(program::OwnMetrics* metrics,
                       const EvidenceCaptures* captures);

}  // namespace fodc::agent
