// SPDX-License-Identifier: Apache-2.0
// What is known of the targets, kept under --recorder-dir, so that counters go
// on and a death that nobody saw is counted.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "fodc/agent/kept_file.h"
#include "fodc/net/event_loop.h"
#include "fodc/program/own_metrics.h"
#include "fodc/target/kept_row.h"

namespace fodc::agent {

// Belongs to the loop's thread.
class TargetFile {
 public:
  using Rows = std::vector<target::KeptRow>;

  // What it says is of the pod's targets. `loop` must outlive it; `directory`
  // and `is_ours` as in KeptFile.
  TargetFile(net::EventLoop& loop, const std::string& directory,
             const std::string& pod, std::function<bool()> is_ours);

  // At the start. Nothing is known without a usable file, nor if it was another
  // pod's, whose targets may have the same names (which is logged).
  Rows Read();
  // Where the directory becomes ours only later: given what lies there, once,
  // before anything replaces it.
  void set_on_late(std::function<void(Rows)> callback) {
    on_late_ = std::move(callback);
  }

  void Write(Rows rows);
  void Retry() { file_.Retry(); }
  void Finish(net::Task done) { file_.Finish(std::move(done)); }

  bool is_failing() const { return file_.is_failing(); }

 private:
  void Accept(Rows rows, bool is_late);

  const std::string pod_;
  KeptFile file_;
  Rows at_start_;
  std::function<void(Rows)> on_late_;
};

void AddTargetFileMetrics(program::OwnMetrics* metrics, const TargetFile* file);

}  // namespace fodc::agent
