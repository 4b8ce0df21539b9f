// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/metrics.h"

#include <chrono>

#include "fodc/base/strings.h"
#include "fodc/program/own_page.h"

namespace fodc::backup {
namespace {

using exposition::MetricType;
using program::OwnFamily;
using program::OwnLabels;

constexpr char kRuns[] = "fodc_backup_runs_total";

double Seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

const std::vector<double>& RequestSeconds() {
  static const auto* const bounds = new std::vector<double>{
      0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  return *bounds;
}
const std::vector<double>& RunSeconds() {
  static const auto* const bounds = new std::vector<double>{
      1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 14400, 43200};
  return *bounds;
}

}  // namespace

Metrics::Metrics() {
  own_.AddBuildInfo("fodc_backup");
  own_.AddCallback(program::CollectProcessMetrics);
  own_.AddCallback([this](std::vector<OwnFamily>* out) { Collect(out); });
  own_.AddCallback(
      [this](std::vector<OwnFamily>* out) { CollectRestores(out); });
}

void Metrics::OnAttempt(const object_store::AttemptReport& report) {
  const std::string store = ToLower(report.store);
  const std::string operation(report.operation);
  own_.AddCounter(
          "fodc_backup_requests_total",
          "Requests to the store, each attempt; code 0: there was no answer.",
          {{"store", store},
           {"op", operation},
           {"code", StrCat(report.status)}})
      .Add();
  own_.AddHistogram("fodc_backup_request_duration_seconds",
                    "Time from a request to the end of its answer.",
                    RequestSeconds(), {{"store", store}, {"op", operation}})
      .Observe(Seconds(report.took));
  if (report.retry_reason.empty()) return;
  own_.AddCounter(
          "fodc_backup_retries_total",
          "Requests that were made again, and why.",
          {{"store", store}, {"reason", std::string(report.retry_reason)}})
      .Add();
}

void Metrics::RunBegins(const RunProgress* progress) {
  const MutexLock lock(mutex_);
  progress_ = progress;
}

void Metrics::Totals::Add(const CatalogCounters& c) {
  uploaded += c.uploaded;
  unchanged += c.unchanged;
  deleted += c.deleted;
  failed += c.failed;
  bytes += c.uploaded_bytes;
  remote_objects = c.remote_objects;
}

void Metrics::RunEnds(const RunReport& report) {
  {
    const MutexLock lock(mutex_);
    if (progress_ != nullptr) {
      for (const RunProgress::Catalog* c : progress_->all())
        totals_[c->name].Add(c->counters);
    }
    progress_ = nullptr;
  }
  own_.AddCounter(kRuns, "Runs that ended so.",
                  {{"result", std::string(OutcomeName(report.outcome))}})
      .Add();
  own_.AddHistogram("fodc_backup_run_duration_seconds",
                    "Time from a run's begin to its end.", RunSeconds())
      .Observe(Seconds(report.ended - report.started));
  for (const CatalogReport& catalog : report.catalogs) {
    if (!catalog.is_whole()) continue;
    own_.AddGauge("fodc_backup_last_success_timestamp_seconds",
                  "When the catalog was last backed up whole.",
                  {{"catalog", catalog.catalog}})
        .Set(Seconds(report.ended.time_since_epoch()));
  }
}

void Metrics::TicksSkipped(std::uint64_t ticks) {
  own_.AddCounter("fodc_backup_ticks_skipped_total",
                  "Times of the schedule that fell into a run.")
      .Add(static_cast<double>(ticks));
}

void Metrics::Restoring(const std::string& catalog,
                        const RestoreCounters* counters) {
  const MutexLock lock(mutex_);
  restores_.emplace_back(catalog, counters);
}

void Metrics::Collect(std::vector<OwnFamily>* out) const {
  const MutexLock lock(mutex_);
  std::map<std::string, Totals> all = totals_;
  std::int64_t small = 0;
  std::int64_t large = 0;
  if (progress_ != nullptr) {
    for (const RunProgress::Catalog* c : progress_->all()) {
      all[c->name].Add(c->counters);
      small += c->counters.small_in_flight;
      large += c->counters.large_in_flight;
    }
  }
  OwnFamily running{.name = "fodc_backup_run_in_progress",
                    .type = MetricType::kGauge,
                    .help = "1 while a run is under way.",
                    .samples = {}};
  running.samples.push_back(
      {.name = running.name, .value = progress_ != nullptr ? 1.0 : 0.0});
  OwnFamily in_flight{.name = "fodc_backup_inflight",
                      .type = MetricType::kGauge,
                      .help = "Files that are on their way.",
                      .samples = {}};
  in_flight.samples = {{.name = in_flight.name,
                        .labels = {{"lane", "large"}},
                        .value = static_cast<double>(large)},
                       {.name = in_flight.name,
                        .labels = {{"lane", "small"}},
                        .value = static_cast<double>(small)}};
  OwnFamily files{.name = "fodc_backup_files_total",
                  .type = MetricType::kCounter,
                  .help = "Files of snapshots, and what became of them.",
                  .samples = {}};
  OwnFamily bytes{.name = "fodc_backup_bytes_total",
                  .type = MetricType::kCounter,
                  .help = "Bytes that were uploaded.",
                  .samples = {}};
  OwnFamily remote{.name = "fodc_backup_remote_objects",
                   .type = MetricType::kGauge,
                   .help = "Objects that the last run found there.",
                   .samples = {}};
  for (const auto& [catalog, t] : all) {
    for (const auto& [action, count] :
         {std::pair{"deleted", t.deleted}, std::pair{"failed", t.failed},
          std::pair{"skipped", t.unchanged},
          std::pair{"uploaded", t.uploaded}}) {
      files.samples.push_back(
          {.name = files.name,
           .labels = {{"action", action}, {"catalog", catalog}},
           .value = static_cast<double>(count)});
    }
    const OwnLabels labels = {{"catalog", catalog}};
    bytes.samples.push_back({.name = bytes.name,
                             .labels = labels,
                             .value = static_cast<double>(t.bytes)});
    remote.samples.push_back({.name = remote.name,
                              .labels = labels,
                              .value = static_cast<double>(t.remote_objects)});
  }
  for (OwnFamily* const family :
       {&running, &in_flight, &files, &bytes, &remote})
    out->push_back(std::move(*family));
}

void Metrics::CollectRestores(std::vector<OwnFamily>* out) const {
  const MutexLock lock(mutex_);
  if (restores_.empty()) return;
  OwnFamily files{.name = "fodc_restore_files_total",
                  .type = MetricType::kCounter,
                  .help = "Files of restores, and what became of them.",
                  .samples = {}};
  double mismatches = 0;
  for (const auto& [catalog, c] : restores_) {
    for (const auto& [action, count] :
         {std::pair{"deleted", c->deleted.load()},
          std::pair{"downloaded", c->downloaded.load()},
          std::pair{"skipped", c->unchanged.load()}}) {
      files.samples.push_back(
          {.name = files.name,
           .labels = {{"action", action}, {"catalog", catalog}},
           .value = static_cast<double>(count)});
    }
    mismatches += static_cast<double>(c->mismatches.load());
  }
  out->push_back(std::move(files));
  OwnFamily wrong{.name = "fodc_restore_checksum_mismatch_total",
                  .type = MetricType::kCounter,
                  .help = "Files that were not as their digest says.",
                  .samples = {}};
  wrong.samples.push_back({.name = wrong.name, .value = mismatches});
  out->push_back(std::move(wrong));
}

std::string Metrics::Page(exposition::Format format) const {
  return program::OwnPage(own_.Collect(), format);
}

}  // namespace fodc::backup
