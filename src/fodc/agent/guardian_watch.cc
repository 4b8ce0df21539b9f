// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/guardian_watch.h"

#include <algorithm>
#include <utility>

#include "fodc/agent/guardian_log.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/memory_gauge.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/detect/detector.h"
#include "fodc/guardian/wall.h"
#include "fodc/guardian/wall_record.h"

namespace fodc::agent {

using guardian::Refusal;
using guardian::Report;
using guardian::ReportKind;

namespace {

Result<std::unique_ptr<guardian::KernelWall>> OpenWallOf(
    const guardian::ProcessName& who, const std::string& directory,
    const guardian::ProcessOptions& process, std::uint64_t raise_bytes) {
  FODC_ASSIGN_OR_RETURN(const MemoryGauge gauge,
                        MemoryGauge::Open({.proc_root = process.proc_root,
                                           .sys_root = process.sys_root,
                                           .pid = who.pid}));
  FODC_RETURN_IF_ERROR(MakeDirectories(directory));
  FODC_ASSIGN_OR_RETURN(
      auto wall,
      guardian::KernelWall::Open(
          gauge, StrCat(directory, "/", guardian::WallRecordName(who)),
          process.proc_root, raise_bytes));
  // Looked up by its pid: if that is still the process, it was all the time.
  FODC_ASSIGN_OR_RETURN(const ProcessStat stat,
                        ReadProcessStat(process.proc_root, who.pid));
  if (stat.start_ticks != who.start_ticks)
    return NotFound("the target ended meanwhile");
  return wall;
}

}  // namespace

Result<std::unique_ptr<GuardianWatch>> GuardianWatch::Create(
    const GuardianSettings& settings, const collect::Targets& targets,
    net::EventLoop& loop, evidence::IncidentList& incidents) {
  std::unique_ptr<GuardianWatch> watch(
      new GuardianWatch(settings, targets, loop, incidents));
  guardian::GuardianOptions options;
  options.rules = settings.rules;
  options.rows = targets.table().rows().size();
  options.has_walls = settings.wall.has_value();
  options.wall = settings.wall.value_or(guardian::WallOptions());
  options.stops_before = watch->ReadStopsBefore();
  FODC_ASSIGN_OR_RETURN(watch->guardian_,
                        guardian::Guardian::Start(options, loop.clock()));
  GuardianWatch* const w = watch.get();
  FODC_ASSIGN_OR_RETURN(watch->reports_,
                        loop.WatchReadable(watch->guardian_->report_fd(),
                                           [w] { w->OnReports(); }));
  watch->timer_ =
      loop.RunEvery(kRetry, [w](const net::EventLoop::Tick&) { w->OnTick(); });
  LogGuardianStart(settings.rules, settings.directory,
                   watch->guardian_->refused());
  return watch;
}

GuardianWatch::GuardianWatch(const GuardianSettings& settings,
                             const collect::Targets& targets,
                             net::EventLoop& loop,
                             evidence::IncidentList& incidents)
    : settings_(settings),
      targets_(targets),
      loop_(loop),
      incidents_(incidents),
      boot_id_(ReadBootId(settings.process.proc_root).value_or("")) {
  for (std::size_t i = 0; i < targets.table().rows().size(); ++i) {
    const std::string name = detect::CleanTargetName(targets.name(i));
    rows_.push_back(
        {.target = name,
         .incident = guardian::PressureIncident(
             StrCat("guardian-", settings.incarnation, "-", i), name),
         .who = {},
         .tried_at = {}});
  }
}

void GuardianWatch::Follow() {
  const std::vector<target::Row>& table = targets_.table().rows();
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    Row& row = rows_[i];
    if (!table[i].instance) {
      if (row.is_guarded) guardian_->LetGo(i);
      row.is_guarded = false;
      row.who = {};
      row.refusal = Refusal::kNoTarget;
      continue;
    }
    const target::Instance& instance = *table[i].instance;
    const guardian::ProcessName who{.pid = instance.pid,
                                    .start_ticks = instance.start_ticks};
    if (row.who == who) continue;  // OnTick goes on with it
    row.who = who;
    row.refusal = Refusal::kNone;
    row.group.clear();
    Open(i, instance);
  }
}

void GuardianWatch::Open(std::size_t i, const target::Instance& instance) {
  Row& row = rows_[i];
  const MonotonicTime now = loop_.clock().Monotonic();
  row.tried_at = now;
  Refusal refusal = Refusal::kNone;
  std::string detail;
  auto subject = guardian::KernelSubject::Open(
      row.who, settings_.process, settings_.rules.levels, &refusal, &detail);
  if (subject == nullptr) {
    if (row.is_guarded) guardian_->LetGo(i);
    row.is_guarded = false;
    // Whoever has just ended is told by the table.
    if (refusal != row.refusal && refusal != Refusal::kNoTarget) {
      LogWarn("target is not guarded",
              {{"target", row.target},
               {"pid", row.who.pid},
               {"reason", guardian::RefusalName(refusal)},
               {"error", detail}});
    }
    row.refusal = refusal;
    return;
  }
  // Another group, or one that was lost, has had no wall.
  if (!row.is_guarded || row.group != subject->group()) {
    row.has_asked_for_wall = false;
    row.group = subject->group();
  }
  row.is_guarded = true;
  row.refusal = Refusal::kNone;
  const std::chrono::duration<double> age(instance.UptimeSeconds(now));
  guardian_->Guard(
      i, std::move(subject),
      now - std::chrono::duration_cast<std::chrono::nanoseconds>(age));
  if (settings_.wall && !settings_.rules.dry_run && !row.has_asked_for_wall) {
    row.has_asked_for_wall = true;
    OpenWall(i);
  }
}

// By a worker: the record must be on the disk before anything is changed.
void GuardianWatch::OpenWall(std::size_t i) {
  using Opened = Result<std::unique_ptr<guardian::KernelWall>>;
  const guardian::ProcessName who = rows_[i].who;
  const bool taken = loop_.Offload<Opened>(
      [who, directory = settings_.directory, process = settings_.process,
       raise_bytes = settings_.wall->raise_bytes] {
        return OpenWallOf(who, directory, process, raise_bytes);
      },
      [this, i, who](Opened wall) {
        if (wall.ok()) {
          guardian_->PutWall(i, *std::move(wall), who);
          return;
        }
        LogWarn("the target will not stand still at its limit",
                {{"target", rows_[i].target},
                 {"pid", who.pid},
                 {"error", wall.status()}});
      });
  if (!taken) rows_[i].has_asked_for_wall = false;  // at the next refresh
}

void GuardianWatch::OnTick() {
  guardian_->FreeRetired();
  const std::vector<target::Row>& table = targets_.table().rows();
  const MonotonicTime now = loop_.clock().Monotonic();
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    const Row& row = rows_[i];
    if (!table[i].instance) continue;
    if (!row.is_guarded || now - row.tried_at >= kRefresh)
      Open(i, *table[i].instance);
  }
}

void GuardianWatch::OnReports() {
  while (const auto report = guardian_->TakeReport()) Take(*report);
}

void GuardianWatch::Take(const Report& report) {
  Row& row = rows_[report.row];
  if (report.kind == ReportKind::kEnded || report.kind == ReportKind::kLost) {
    // Unless another one is guarded by now.
    if (row.who == report.who) row.is_guarded = false;
  }
  LogGuardianReport(report, row.target);
  const bool has_signalled =
      report.kind == ReportKind::kTerm || report.kind == ReportKind::kKill;
  if (has_signalled && !report.is_dry_run && report.error == 0)
    WriteCause(report, row);
  auto incident = row.incident.On(report);
  if (!incident) return;
  const auto put = incidents_.Put(*std::move(incident));
  if (!put.ok()) {
    LogError("an incident cannot be kept", {{"error", put.status()}});
    return;
  }
  if (on_incident_) on_incident_();
}

std::vector<std::vector<guardian::Stop>> GuardianWatch::ReadStopsBefore() {
  std::vector<std::vector<guardian::Stop>> all;
  for (Row& row : rows_) {
    if (settings_.directory.empty()) break;
    const std::string path =
        StrCat(settings_.directory, "/", guardian::StopRecordName(row.target));
    auto stops = guardian::ReadStops(path, boot_id_, row.target,
                                     loop_.clock().Monotonic());
    if (stops.ok()) {
      row.stops = *std::move(stops);
    } else {
      LogWarn("the guardian does not know whom it stopped before",
              {{"path", path}, {"error", stops.status()}});
    }
    all.push_back(row.stops);
  }
  return all;
}

void GuardianWatch::WriteCause(const Report& report, Row& row) {
  if (report.kind == ReportKind::kTerm) {
    const std::chrono::duration<double> age(std::max(report.age_seconds, 0.0));
    guardian::AddStop(
        {.who = report.who,
         .at = loop_.clock().Monotonic(),
         .age = std::chrono::duration_cast<std::chrono::nanoseconds>(age)},
        &row.stops);
  }
  if (settings_.directory.empty()) return;
  const std::string path =
      StrCat(settings_.directory, "/", guardian::CauseFileName(row.target));
  const std::string stops_path =
      StrCat(settings_.directory, "/", guardian::StopRecordName(row.target));
  const bool taken = loop_.Offload<Status>(
      [path, stops_path, directory = settings_.directory,
       text = guardian::CauseText(row.target, report),
       stops = guardian::EncodeStopRecord(
           {.boot_id = boot_id_, .target = row.target, .stops = row.stops})] {
        FODC_RETURN_IF_ERROR(MakeDirectories(directory));
        FODC_RETURN_IF_ERROR(WriteFileAtomically(stops_path, stops));
        return WriteFileAtomically(path, text, 0644);
      },
      [path](const Status& written) {
        if (written.ok()) return;
        LogWarn("the cause of a stop cannot be written",
                {{"path", path}, {"error", written}});
      });
  if (!taken)
    LogWarn("the cause of a stop cannot be written", {{"path", path}});
}

std::vector<GuardianWatch::RowView> GuardianWatch::View() const {
  const std::vector<guardian::WatchState> states = guardian_->States();
  std::vector<RowView> view;
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    view.push_back({.target = rows_[i].target,
                    .refusal = rows_[i].refusal,
                    .state = states[i]});
    // Lost or ended, and not yet looked up anew.
    if (view.back().refusal == Refusal::kNone && !states[i].is_armed)
      view.back().refusal = Refusal::kNoTarget;
  }
  return view;
}

}  // namespace fodc::agent
