// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <utility>

#include "fodc/backup/command_output.h"
#include "fodc/backup/commands.h"
#include "fodc/backup/metrics.h"
#include "fodc/backup/metrics_server.h"
#include "fodc/backup/progress_show.h"
#include "fodc/backup/schedule.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/stop_wait.h"
#include "fodc/base/strings.h"
#include "fodc/program/version.h"

namespace fodc::backup {
namespace {

constexpr std::chrono::seconds kOverlapPause{5};
constexpr std::chrono::seconds kLongestSleep{30};
// Of requests, beside those of uploads: listings, the lease.
constexpr std::size_t kFurtherRequests = 8;

// False if it was stopped.
bool SleepUntil(UnixTime until, const Clock& clock,
                const std::stop_token& stop) {
  for (;;) {
    const std::chrono::nanoseconds left = until - clock.Unix();
    if (left <= std::chrono::nanoseconds(0)) return !stop.stop_requested();
    // In pieces: the clock may be set meanwhile.
    if (!WaitUnlessStopped(
            std::min<std::chrono::nanoseconds>(left, kLongestSleep), stop)) {
      return false;
    }
  }
}

std::string Owner() {
  char host[256] = {};
  (void)::gethostname(host, sizeof host - 1);
  return StrCat(host, " (process ", ::getpid(), ")");
}

RunOptions OptionsOf(const RunFlags& f, std::shared_ptr<const SealKey> key) {
  RunOptions o;
  o.style = f.time_style == "hourly" ? TimeStyle::kHourly : TimeStyle::kDaily;
  o.owner = Owner();
  o.link_from = f.link_from;
  o.catalog = f.catalog;
  o.catalog.key = std::move(key);
  o.catalog.tells_totals = ::isatty(STDERR_FILENO) == 1;
  o.catalog.tool = StrCat("fodc-backup ", program::Version());
  o.catalog.upload_concurrency = static_cast<std::size_t>(f.upload_concurrency);
  o.catalog.large_concurrency = static_cast<std::size_t>(f.large_concurrency);
  o.catalog.diff = f.diff == "name"   ? DiffMode::kName
                   : f.diff == "size" ? DiffMode::kSize
                                      : DiffMode::kChecksum;
  if (!f.state_directory.empty()) {
    o.lock_file = f.state_directory + "/lock";
    o.catalog.session_directory = f.state_directory + "/sessions";
  }
  o.snapshots =
      [f](const std::stop_token& stop) -> Result<std::vector<Snapshot>> {
    if (f.snapshot_directory.empty() && f.snapshot_command.empty())
      return AskNode(f.node, stop);
    Snapshot one{.catalog = f.catalog_name, .directory = f.snapshot_directory};
    if (!f.snapshot_command.empty()) {
      FODC_ASSIGN_OR_RETURN(
          one.directory,
          AskCommand(f.snapshot_command, f.node.snapshot_timeout, stop));
    }
    one.name = one.directory.substr(one.directory.rfind('/') + 1);
    return std::vector<Snapshot>{std::move(one)};
  };
  return o;
}

// One run, or those of a schedule.
class Runner {
 public:
  Runner(object_store::ObjectStore& store, const RunFlags& flags,
         std::shared_ptr<const SealKey> key, const Clock& clock,
         const std::stop_token& stop, Metrics& metrics)
      : store_(store),
        flags_(flags),
        clock_(clock),
        stop_(stop),
        metrics_(metrics),
        options_(OptionsOf(flags, std::move(key))) {}

  Outcome Once();
  Outcome BySchedule(const Schedule& schedule);

 private:
  RunReport Try(RunProgress* progress);
  void Prune();

  object_store::ObjectStore& store_;
  const RunFlags& flags_;
  const Clock& clock_;
  const std::stop_token stop_;
  Metrics& metrics_;
  const RunOptions options_;
};

RunReport Runner::Try(RunProgress* progress) {
  metrics_.RunBegins(progress);
  RunReport report;
  {
    const ProgressShow show(*progress, options_.catalog.tells_totals);
    report = RunBackup(store_, options_, clock_, stop_, progress);
  }
  metrics_.RunEnds(report);
  return report;
}

// A backup that could not remove an old one is a backup all the same.
void Runner::Prune() {
  if (flags_.retention.rules.is_empty() || flags_.catalog.is_dry_run) return;
  const auto all = ListAged(store_, flags_.catalog.node_id, stop_);
  if (!all.ok()) {
    LogWarn("old backups stay", {{"error", all.status()}});
    return;
  }
  for (const std::string& time_dir :
       WhatGoes(*all, flags_.retention.rules, clock_.Unix())) {
    if (!flags_.retention.is_meant) {
      LogInfo("an old backup would go; --prune removes it",
              {{"time_dir", time_dir}});
      continue;
    }
    const Status s = RemoveBackup(store_, time_dir, stop_);
    if (!s.ok()) {
      LogWarn("an old backup stays", {{"time_dir", time_dir}, {"error", s}});
      return;
    }
    LogInfo("an old backup is removed", {{"time_dir", time_dir}});
  }
}

Outcome Runner::Once() {
  for (;;) {
    RunProgress progress;
    const RunReport report = Try(&progress);
    const bool may_wait = flags_.on_overlap == "wait" &&
                          report.outcome == Outcome::kRefused &&
                          report.status.code() == Code::kAlreadyExists;
    if (may_wait) {
      LogInfo("waits for another backup", {{"error", report.status}});
      if (SleepUntil(clock_.Unix() + kOverlapPause, clock_, stop_)) continue;
    }
    Print(report.ToJson(progress) + "\n");
    if (report.outcome == Outcome::kSuccess) {
      LogInfo("backed up", {{"time_dir", report.time_dir}});
      Prune();
    } else {
      LogError("not backed up, or not whole", {{"error", report.status}});
    }
    return report.outcome;
  }
}

// The ticks that fell into a run are not made up for.
Outcome Runner::BySchedule(const Schedule& schedule) {
  const auto run = [this] {
    return Once() != Outcome::kRefused || flags_.on_overlap != "fail";
  };
  UnixTime last = clock_.Unix();
  if (flags_.run_on_start && !run()) return Outcome::kRefused;
  while (!stop_.stop_requested()) {
    const UnixTime now = clock_.Unix();
    std::uint64_t skipped = 0;
    auto next = schedule.Next(last);
    while (next && *next <= now) {
      ++skipped;
      next = schedule.Next(*next);
    }
    if (skipped > 0) {
      LogWarn("a run outlasted its interval: ticks were skipped",
              {{"ticks", skipped}});
      metrics_.TicksSkipped(skipped);
    }
    if (!next) return Fail(InvalidArgument("--schedule: it never comes"));
    LogInfo("the next backup", {{"at", FormatRfc3339(*next, 0)}});
    if (!SleepUntil(*next, clock_, stop_)) break;
    last = *next;
    if (!run()) return Outcome::kRefused;
  }
  return Outcome::kSuccess;
}

}  // namespace

Outcome CommandRun(const RunFlags& flags, const Clock& clock,
                   const std::stop_token& stop) {
  std::optional<Schedule> schedule;
  if (!flags.schedule.empty()) {
    auto parsed = Schedule::Parse(flags.schedule);
    if (!parsed.ok()) return Fail(parsed.status().WithContext("--schedule"));
    schedule = *std::move(parsed);
    if (!schedule->zone().empty()) {
      (void)::setenv("TZ", schedule->zone().c_str(), 1);
      ::tzset();
    }
  }
  if (!flags.state_directory.empty()) {
    const Status s = MakeDirectories(flags.state_directory + "/sessions", 0700);
    if (!s.ok()) return Fail(s.WithContext("--state-dir"));
  }
  auto key = LoadKey(flags.encryption_key_file);
  if (!key.ok()) return Fail(key.status());
  Metrics metrics;
  std::unique_ptr<MetricsServer> server;
  if (!flags.metrics_address.empty()) {
    auto started = MetricsServer::Start(flags.metrics_address, metrics);
    if (!started.ok())
      return Fail(started.status().WithContext("--metrics-addr"));
    server = *std::move(started);
    LogInfo("serves /metrics", {{"port", server->port()}});
  }
  DestinationFlags destination = flags.destination;
  destination.store.client.on_attempt =
      [&metrics](const object_store::AttemptReport& r) {
        metrics.OnAttempt(r);
      };
  const auto at_once = static_cast<std::size_t>(flags.upload_concurrency +
                                                flags.large_concurrency) +
                       kFurtherRequests;
  destination.store.client.concurrency = at_once;
  destination.store.transport.connections = at_once;
  auto store = OpenDestination(std::move(destination), clock);
  if (!store.ok()) return Fail(store.status());
  Runner runner(**store, flags, *std::move(key), clock, stop, metrics);
  return schedule ? runner.BySchedule(*schedule) : runner.Once();
}

}  // namespace fodc::backup
