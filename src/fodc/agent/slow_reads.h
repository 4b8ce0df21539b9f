// SPDX-License-Identifier: Apache-2.0
// The detector of slow reads, driven: frames in as they are recorded; incidents
// out to the log, the list that proxies are told, and the disk; its state into
// the recording.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fodc/collect/readings.h"
#include "fodc/collect/targets.h"
#include "fodc/detect/detector.h"
#include "fodc/evidence/incident_list.h"
#include "fodc/recorder/recording.h"

namespace fodc::agent {

// Belongs to the loop's thread.
class SlowReads {
 public:
  // All references must outlive it.
  SlowReads(const detect::Options& options, detect::SignalMap signals,
            const collect::Targets& targets, recorder::Recording& recording,
            evidence::IncidentList& incidents);
  ~SlowReads();

  // Frames have been appended. Call it after each of them, for of every source
  // it sees the newest one only.
  void OnAppended();
  // Appends one frame of the detector's state for each target.
  void RecordStates(recorder::FrameTime time);
  // Called when the list of incidents has changed.
  void set_on_incident(std::function<void()> callback) {
    on_incident_ = std::move(callback);
  }

 private:
  struct StateSource;
  void Take(evidence::Incident incident);

  recorder::Recording& recording_;
  evidence::IncidentList& incidents_;
  detect::Detector detector_;
  std::vector<std::unique_ptr<StateSource>> sources_;  // by row
  std::function<void()> on_incident_;
};

}  // namespace fodc::agent
