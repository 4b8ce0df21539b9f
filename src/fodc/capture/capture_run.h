// SPDX-License-Identifier: Apache-2.0
// One capture from its plan to its commit, and what is added to it later. For
// this room: the runner decides when.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/capture/capture_plan.h"
#include "fodc/capture/capture_request.h"
#include "fodc/capture/capture_runner.h"
#include "fodc/capture/event_steps.h"
#include "fodc/capture/held_tables.h"
#include "fodc/capture/patient_thread.h"
#include "fodc/evidence/event_store.h"
#include "fodc/net/http_client.h"

namespace fodc::capture {

// What a capture works with. All of it outlives the capture.
struct CaptureTools {
  const CaptureRunnerOptions& options;
  evidence::EventStore& store;
  net::HttpClient& client;
  // Two, so that a target that hangs does not keep its logs from being read.
  PatientThread& processes;
  PatientThread& files;
  HeldTables& tables;
  const Clock& clock;
  std::stop_token stop{};  // this capture is to end
  std::stop_token end{};   // and so is all: the agent ends
  // The event has got its id; it has a revision on disk.
  std::function<void(const std::string& id)> on_begun{};
  std::function<void(const std::string& id, std::uint32_t revision)>
      on_committed{};
};

// What became of it, for the counters.
struct CaptureTally {
  std::size_t profile_failures = 0;
  std::size_t cut = 0;
  std::size_t mkdir_failures = 0;   // the event's directory was not to be had
  std::size_t commit_failures = 0;  // a commit, the first or the last
  std::size_t empty = 0;            // no evidence of the target
};

// Blocks until it is over. `*tails` gets the log files that were read, to be
// followed.
CaptureResult RunCapture(const CaptureRequest& request,
                         const CaptureTools& tools, CaptureTally* tally,
                         LogTails* tails);

// Adds a revision. `*tails` as RunCapture gave them; none: the log files are
// found anew. Errors: as EventStore::Reopen and EventWriter::Commit.
Status RunAftermath(const CaptureAftermath& aftermath,
                    const CaptureTools& tools, LogTails* tails);

}  // namespace fodc::capture
