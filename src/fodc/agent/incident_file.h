// SPDX-License-Identifier: Apache-2.0
// The agent's incidents, kept under --recorder-dir, so that a proxy is told of
// those of earlier lives, too.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/evidence/incident_list.h"
#include "fodc/net/event_loop.h"
#include "fodc/program/own_metrics.h"

namespace fodc::agent {

// Belongs to the loop's thread. No disk holds it up: a worker reads and writes.
class IncidentFile {
 public:
  // `directory` empty: nothing is kept. It is read and written while `is_ours`
  // says that no other agent does. All references must outlive it.
  IncidentFile(net::EventLoop& loop, const std::string& directory,
               std::function<bool()> is_ours,
               evidence::IncidentList& incidents);
  IncidentFile(const IncidentFile&) = delete;
  IncidentFile& operator=(const IncidentFile&) = delete;

  // Puts what is there into the list; what an earlier life left open has ended
  // unseen. A file that cannot be used is named in the log and set aside as
  // `incidents.damaged`. If the directory is not ours, it is read once it is.
  void Read();
  // Called when Read has put something into the list, if that is later.
  void set_on_late(std::function<void()> callback) {
    on_late_ = std::move(callback);
  }

  // The list has changed: it is on disk soon. What cannot be written now goes
  // with the next Write or Retry.
  void Write();
  void Retry();

  // Whether the newest write failed.
  bool is_failing() const { return is_failing_; }

 private:
  // What the file holds, and what is wrong with it.
  struct Loaded {
    Status status;
    std::vector<evidence::Incident> incidents;
  };
  static Loaded Load(const std::string& path);
  void Restore(Loaded loaded);
  void Written(const Status& status);

  net::EventLoop& loop_;
  const std::string path_;  // empty: nothing is kept
  const std::string directory_;
  const std::function<bool()> is_ours_;
  evidence::IncidentList& incidents_;
  std::function<void()> on_late_;
  bool is_read_ = false;
  bool is_due_ = false;
  bool is_at_work_ = false;  // a worker reads or writes
  bool is_failing_ = false;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

void AddIncidentFileMetrics(program::OwnMetrics* metrics,
                            const IncidentFile* file);

}  // namespace fodc::agent
