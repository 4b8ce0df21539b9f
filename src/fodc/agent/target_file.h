// SPDX-License-Identifier: Apache-2.0
// What is known of the targets, kept under --recorder-dir, so that counters go
// on and a death that nobody saw is counted.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/net/event_loop.h"
#include "fodc/program/own_metrics.h"
#include "fodc/target/kept_row.h"

namespace fodc::agent {

// Belongs to the loop's thread. No disk holds it up: a worker writes.
class TargetFile {
 public:
  // `directory` empty: nothing is kept. It is written to while `is_ours` says
  // that no other agent does. What it says is of the pod's targets. `loop` must
  // outlive it.
  TargetFile(net::EventLoop& loop, const std::string& directory,
             const std::string& pod, std::function<bool()> is_ours);
  TargetFile(const TargetFile&) = delete;
  TargetFile& operator=(const TargetFile&) = delete;

  // At the start. A file that cannot be used is named in the log and set aside
  // as `targets.damaged`; then, as without one, nothing is known. Nor is it if
  // the file was another pod's, whose targets may have the same names (which is
  // logged).
  std::vector<target::KeptRow> Read();
  // Where the directory becomes ours only later: given what lies there, once,
  // before anything replaces it.
  void set_on_late(std::function<void(std::vector<target::KeptRow>)> callback) {
    on_late_ = std::move(callback);
  }

  // Soon on disk. What cannot be written now goes with the next Write or Retry.
  void Write(std::vector<target::KeptRow> rows);
  void Retry();

  // Whether the newest write failed.
  bool is_failing() const { return is_failing_; }

 private:
  // What the file holds; no rows and no error if there is none.
  struct Loaded {
    bool is_there = false;
    Status status;
    std::vector<target::KeptRow> rows;
  };
  // On any thread. If the directory is ours, leftovers go as well.
  static Loaded Load(const std::string& directory, bool is_ours);
  // Says what is wrong with it; the rows that are this pod's.
  std::vector<target::KeptRow> Accept(Loaded loaded) const;
  void ReadLate();
  void Written(std::string text, const Status& status);

  net::EventLoop& loop_;
  const std::string directory_;
  const std::string pod_;
  const std::string path_;
  const std::function<bool()> is_ours_;
  std::function<void(std::vector<target::KeptRow>)> on_late_;
  std::optional<std::string> due_;
  bool is_read_ = false;
  bool is_at_work_ = false;  // a worker reads or writes
  bool is_failing_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

void AddTargetFileMetrics(program::OwnMetrics* metrics, const TargetFile* file);

}  // namespace fodc::agent
