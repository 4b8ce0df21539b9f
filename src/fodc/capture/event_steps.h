// SPDX-License-Identifier: Apache-2.0
// Steps that write an artifact of one event, each with its receipt.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/capture/capture_runner.h"
#include "fodc/capture/log_tail.h"
#include "fodc/capture/patient_thread.h"
#include "fodc/evidence/event_meta.h"
#include "fodc/evidence/event_writer.h"
#include "fodc/pprof/heap_table_reader.h"

namespace fodc::capture {

// Within the bounds of meta.json: valid UTF-8, not too long.
std::string ReceiptText(std::string_view text);

using LogTails = std::vector<std::shared_ptr<LogTail>>;

// What a step of one event is about.
struct StepOrder {
  std::string name{};
  std::string file{};
  std::string source{};
  std::uint64_t max_bytes = 0;
  std::chrono::nanoseconds deadline{};
};

// Every function blocks for as long as `deadline` says, and the disk. Not
// thread-safe.
class EventSteps {
 public:
  // `files` reads the files of disks.
  EventSteps(evidence::EventWriter& writer, PatientThread& files,
             const Clock& clock, std::stop_token stop)
      : writer_(writer), files_(files), clock_(clock), stop_(std::move(stop)) {}

  // Text that `work` reads, on `reader`.
  evidence::EventStep Text(const StepOrder& order, PatientThread& reader,
                           PatientThread::Work work);
  // Text that there is.
  evidence::EventStep Text(const StepOrder& order, const StepText& text);
  // What `write` gives, piece by piece, to a sink that ends with the deadline.
  evidence::EventStep Stream(
      const StepOrder& order,
      const std::function<Status(const WindowSink&)>& write);
  // A table of heap samples as a profile.
  evidence::EventStep HeapTable(const StepOrder& order,
                                const pprof::HeapTableView& table);
  evidence::EventStep Skipped(std::string_view name, std::string_view reason);

  // The last lines of files that match `patterns`; `*tails` gets those that
  // were opened. Names are `order.name` and the file's
  // number, files `order.file`, the number and the log's name.
  std::vector<evidence::EventStep> LastLines(
      const StepOrder& order, const std::vector<std::string>& patterns,
      LogTails* tails);
  // What was written to them since. Those that could not be read are dropped:
  // somebody may still be waiting for them.
  std::vector<evidence::EventStep> LinesSince(const StepOrder& order,
                                              LogTails* tails);

 private:
  evidence::EventStep Begin(const StepOrder& order) const;
  // Of the text, or of why there is none.
  void Write(const Result<StepText>& text, const StepOrder& order,
             evidence::EventStep* step);

  evidence::EventWriter& writer_;
  PatientThread& files_;
  const Clock& clock_;
  const std::stop_token stop_;
};

}  // namespace fodc::capture
