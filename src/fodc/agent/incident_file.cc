// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/incident_file.h"

#include <cstdio>
#include <utility>

#include "fodc/agent/instance.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/kept_incidents.h"

namespace fodc::agent {
namespace {

constexpr std::string_view kName = "incidents";
// Far above what a list within its limits takes.
constexpr std::size_t kMaxBytes = std::size_t{4} << 20;

}  // namespace

IncidentFile::IncidentFile(net::EventLoop& loop, const std::string& directory,
                           std::function<bool()> is_ours,
                           evidence::IncidentList& incidents)
    : loop_(loop),
      path_(directory.empty() ? "" : StrCat(directory, "/", kName)),
      directory_(directory),
      is_ours_(std::move(is_ours)),
      incidents_(incidents) {}

IncidentFile::Loaded IncidentFile::Load(const std::string& path) {
  Loaded loaded;
  const Result<std::string> text = ReadFile(path, kMaxBytes);
  if (text.status().code() == Code::kNotFound) return loaded;
  loaded.status = text.status();
  if (text.ok()) {
    auto incidents = evidence::DecodeIncidents(*text);
    loaded.status = incidents.status();
    if (incidents.ok()) loaded.incidents = *std::move(incidents);
  }
  if (!loaded.status.ok())
    (void)std::rename(path.c_str(), (path + ".damaged").c_str());
  return loaded;
}

void IncidentFile::Restore(Loaded loaded) {
  is_read_ = true;
  if (!loaded.status.ok()) {
    LogWarn("incidents of earlier lives are lost",
            {{"path", path_}, {"error", loaded.status.message()}});
  }
  for (evidence::Incident& i : loaded.incidents) {
    evidence::EndUnseen(&i);
    (void)incidents_.Put(std::move(i));  // they were checked
  }
}

void IncidentFile::Read() {
  if (path_.empty() || !is_ours_()) return;
  RemoveUnfinished(directory_, kName);
  Restore(Load(path_));
}

void IncidentFile::Write() {
  is_due_ = true;
  Retry();
}

void IncidentFile::Retry() {
  if (path_.empty() || is_at_work_ || !is_ours_()) return;
  const std::weak_ptr<int> alive = alive_;
  if (!is_read_) {
    is_at_work_ = loop_.Offload<Loaded>([path = path_] { return Load(path); },
                                        [this, alive](Loaded loaded) {
                                          if (alive.expired()) return;
                                          is_at_work_ = false;
                                          const bool has_some =
                                              !loaded.incidents.empty();
                                          Restore(std::move(loaded));
                                          if (has_some && on_late_) on_late_();
                                          Retry();
                                        });
    return;
  }
  if (!std::exchange(is_due_, false)) return;
  is_at_work_ = loop_.Offload<Status>(
      [path = path_, text = evidence::EncodeIncidents(incidents_.all())] {
        return WriteFileAtomically(path, text);
      },
      [this, alive](const Status& status) {
        if (alive.expired()) return;
        is_at_work_ = false;
        Written(status);
      });
  if (!is_at_work_) Written(ResourceExhausted("the disk's queue is full"));
}

void IncidentFile::Written(const Status& status) {
  if (!status.ok()) {
    is_due_ = true;  // with the next Retry
    if (!std::exchange(is_failing_, true)) {
      LogWarn("incidents cannot be kept",
              {{"path", path_}, {"error", status.message()}});
    }
    return;
  }
  if (std::exchange(is_failing_, false))
    LogInfo("incidents are kept again", {{"path", path_}});
  Retry();
}

void AddIncidentFileMetrics(program::OwnMetrics* metrics,
                            const IncidentFile* file) {
  metrics->AddCallback(
      "fodc_agent_incidents_file_failing", exposition::MetricType::kGauge,
      "Whether the last write of the agent's incidents failed.",
      [file] { return file->is_failing() ? 1.0 : 0.0; });
}

}  // namespace fodc::agent
