// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/incident_file.h"

#include <utility>

#include "fodc/base/log.h"

namespace fodc::agent {
namespace {

// Far above what a list within its limits takes.
constexpr std::size_t kMaxBytes = std::size_t{4} << 20;

}  // namespace

IncidentFile::IncidentFile(net::EventLoop& loop, const std::string& directory,
                           const std::string& pod,
                           std::function<bool()> is_ours,
                           evidence::IncidentList& incidents)
    : pod_(pod),
      incidents_(incidents),
      file_(
          loop,
          {.directory = directory,
           .name = "incidents",
           .what = "incidents",
           .is_ours = std::move(is_ours),
           .max_bytes = kMaxBytes,
           .decode = [this](std::string_view text) -> Result<KeptFile::Apply> {
             FODC_ASSIGN_OR_RETURN(evidence::KeptIncidents kept,
                                   evidence::DecodeIncidents(text));
             return KeptFile::Apply(
                 [this, kept = std::move(kept)](bool is_late) {
                   Accept(kept, is_late);
                 });
           }}) {}

void IncidentFile::Accept(const evidence::KeptIncidents& kept, bool is_late) {
  if (kept.pod != pod_) {
    LogWarn("the incidents that are kept are another pod's",
            {{"path", file_.path()}, {"pod_name", pod_}, {"was_of", kept.pod}});
    return;
  }
  std::vector<evidence::Incident> earlier = kept.incidents;
  for (evidence::Incident& i : earlier) evidence::EndUnseen(&i);
  incidents_.PutEarlier(std::move(earlier));
  if (!is_late || kept.incidents.empty()) return;
  Write();  // what is due does not have them
  if (on_late_) on_late_();
}

void IncidentFile::Write() {
  file_.Write(evidence::EncodeIncidents(pod_, incidents_.all()));
}

void AddIncidentFileMetrics(program::OwnMetrics* metrics,
                            const IncidentFile* file) {
  metrics->AddCallback(
      "fodc_agent_incidents_file_failing", exposition::MetricType::kGauge,
      "Whether the last write of the agent's incidents failed.",
      [file] { return file->is_failing() ? 1.0 : 0.0; });
}

}  // namespace fodc::agent
