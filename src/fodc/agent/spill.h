// SPDX-License-Identifier: Apache-2.0
// The recording on disk, under --recorder-dir: read at the start, written
// every interval by a worker, so that no disk holds up the loop.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "fodc/net/event_loop.h"
#include "fodc/program/own_metrics.h"
#include "fodc/recorder/recording.h"

namespace fodc::agent {

// Belongs to the loop's thread.
class Spill {
 public:
  // Reads what is there and makes this life's recording. An empty `directory`,
  // or one that cannot be used (one line is logged), is no error: the recording
  // then lives in memory only, and such a directory is tried again with each
  // Write. What earlier lives left in one that opens late, or the agents of
  // pods other than `pod_name` in any, is set aside there, under
  // earlier-<time>, of which the newest is kept. Waits up to two seconds for
  // another agent that holds the directory to end. `loop` must outlive it.
  static std::unique_ptr<Spill> Open(net::EventLoop& loop,
                                     const std::string& directory,
                                     const std::string& pod_name,
                                     const recorder::RecordingOptions& options);
  virtual ~Spill() = default;

  // Once.
  virtual recorder::Recording TakeRecording() = 0;
  // Told once the directory is ours, if it was not at the start.
  virtual void set_on_late(net::Task callback) = 0;
  // Whether a directory was given.
  virtual bool is_on() const = 0;
  // Whose the directory is, as far as is known now.
  enum class Owner : std::uint8_t {
    kNobody,   // none was given
    kUs,       // nobody else writes there
    kUnknown,  // it cannot be used
    kAnother,  // an agent that runs
  };
  virtual Owner owner() const = 0;
  // Takes what is new; a worker writes it. What is too much for one batch goes
  // in several, one behind the other: `recording` must outlive the spill, or
  // stay until Finish is done. While the one before still writes, it does
  // nothing: the next one takes more.
  virtual void Write(const recorder::Recording& recording) = 0;
  // Writes the rest, then calls `done`, after some seconds at the latest.
  virtual void Finish(const recorder::Recording& recording, net::Task done) = 0;

  struct Stats {
    bool is_on = false;
    bool is_failing = false;
    std::uint64_t writes = 0;
    std::uint64_t bytes = 0;
    std::uint64_t errors = 0;
    std::uint64_t restored_frames = 0;
    std::uint64_t damages = 0;
    std::uint64_t disk_bytes = 0;
  };
  virtual Stats stats() const = 0;
};

void AddSpillMetrics(program::OwnMetrics* metrics, const Spill* spill);

}  // namespace fodc::agent
