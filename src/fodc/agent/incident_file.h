// SPDX-License-Identifier: Apache-2.0
// The agent's incidents, kept under --recorder-dir, so that a proxy is told of
// those of earlier lives, too.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "fodc/agent/kept_file.h"
#include "fodc/evidence/incident_list.h"
#include "fodc/evidence/kept_incidents.h"
#include "fodc/net/event_loop.h"
#include "fodc/program/own_metrics.h"

namespace fodc::agent {

// Belongs to the loop's thread.
class IncidentFile {
 public:
  // They are the pod's: those of another, whose directory it was, are left out
  // (which is logged). `loop` and `incidents` must outlive it; `directory` and
  // `is_ours` as in KeptFile.
  IncidentFile(net::EventLoop& loop, const std::string& directory,
               const std::string& pod, std::function<bool()> is_ours,
               evidence::IncidentList& incidents);

  // Puts what is there into the list; what an earlier life left open has ended
  // unseen. If the directory is not ours, it is read once it is.
  void Read() { file_.Read(); }
  // Called when something was put into the list later than by Read.
  void set_on_late(std::function<void()> callback) {
    on_late_ = std::move(callback);
  }

  // The list has changed.
  void Write();
  void Retry() { file_.Retry(); }
  void Finish(net::Task done) { file_.Finish(std::move(done)); }

  bool is_failing() const { return file_.is_failing(); }

 private:
  void Accept(const evidence::KeptIncidents& kept, bool is_late);

  const std::string pod_;
  evidence::IncidentList& incidents_;
  KeptFile file_;
  std::function<void()> on_late_;
};

void AddIncidentFileMetrics(program::OwnMetrics* metrics,
                            const IncidentFile* file);

}  // namespace fodc::agent
