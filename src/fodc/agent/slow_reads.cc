// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/slow_reads.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/detect/state_readings.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::agent {
namespace {

// `before`: as it was, if it was there. Mere updates say what is known.
void Tell(const evidence::Incident& i, const evidence::IncidentRef& before) {
  const std::initializer_list<LogField> fields = {{"id", i.id},
                                                  {"target", i.target},
                                                  {"verdict", i.verdict},
                                                  {"cause", i.cause},
                                                  {"summary", i.summary},
                                                  {"advice", i.advice},
                                                  {"revision", i.revision}};
  if (!i.is_open()) {
    LogInfo("incident ended", fields);
  } else if (i.revision == 1) {
    LogWarn("incident started", fields);
  } else if (before == nullptr || i.verdict != before->verdict ||
             i.cause != before->cause) {
    LogWarn("incident has another verdict", fields);
  }
}

}  // namespace

struct SlowReads::StateSource {
  StateSource(recorder::Recording& recording, const std::string& name,
              std::string_view container)
      : target(detect::CleanTargetName(name)),
        readings(recording, StrCat(detect::kDetectorSourcePrefix, name),
                 container) {
    for (detect::StateReading& r : detect::DescribeState(name)) {
      readings.Add({.name = r.name, .type = r.type, .help = r.help},
                   std::move(r.labels));
    }
  }

  void Record(const detect::TargetState& state, recorder::FrameTime time) {
    const std::vector<std::optional<double>> values = detect::ReadState(state);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i]) readings.Set(i, *values[i]);
    }
    readings.Commit(time);
  }

  const std::string target;  // as states have it
  collect::Readings readings;
};

SlowReads::SlowReads(const detect::Options& options, detect::SignalMap signals,
                     const collect::Targets& targets,
                     recorder::Recording& recording,
                     evidence::IncidentList& incidents)
    : recording_(recording),
      incidents_(incidents),
      detector_(options, std::move(signals)) {
  const std::vector<target::Row>& rows = targets.table().rows();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    sources_.push_back(std::make_unique<StateSource>(
        recording, targets.name(i), rows[i].spec.container_name));
  }
}

SlowReads::~SlowReads() = default;

void SlowReads::OnAppended() {
  std::vector<recorder::SourceFrame> frames = recording_.Latest();
  // Before the first one of this life there are those of the last.
  std::erase_if(frames, [this](const recorder::SourceFrame& f) {
    return f.name.incarnation != recording_.incarnation();
  });
  for (evidence::Incident& i : detector_.OnFrames(frames)) Take(std::move(i));
}

void SlowReads::Take(evidence::Incident incident) {
  Tell(incident, incidents_.Find(incident.id));
  const auto put = incidents_.Put(std::move(incident));
  if (!put.ok()) {
    LogError("an incident cannot be kept", {{"error", put.status()}});
    return;
  }
  if (on_incident_) on_incident_();
}

void SlowReads::RecordStates(recorder::FrameTime time) {
  const std::vector<detect::TargetState> states = detector_.States();
  for (const auto& source : sources_) {
    const auto state = std::find_if(states.begin(), states.end(),
                                    [&](const detect::TargetState& s) {
                                      return s.target == source->target;
                                    });
    if (state != states.end()) source->Record(*state, time);
  }
}

}  // namespace fodc::agent
