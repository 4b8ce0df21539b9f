// SPDX-License-Identifier: Apache-2.0
// The guardian, wired: the targets to its thread; its reports to the log, the
// incidents and the cause files.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fodc/agent/guardian_flags.h"
#include "fodc/collect/targets.h"
#include "fodc/evidence/incident_list.h"
#include "fodc/guardian/guardian.h"
#include "fodc/guardian/pressure_incident.h"
#include "fodc/net/event_loop.h"
#include "fodc/program/own_metrics.h"

namespace fodc::agent {

struct GuardianSettings {
  guardian::Rules rules;
  std::string directory;  // of cause files and records; empty: none
  std::optional<guardian::WallOptions> wall;  // needs a directory
  std::uint64_t incarnation = 0;              // of the agent
  guardian::ProcessOptions process = {};
};

// Belongs to the loop's thread.
class GuardianWatch {
 public:
  // Processes and their groups are looked up anew this often: limits change,
  // and a process may be moved.
  static constexpr std::chrono::seconds kRefresh{30};
  // What could not be guarded is tried again this often.
  static constexpr std::chrono::seconds kRetry{1};

  // The references must outlive it. Errors: those of Guardian::Start.
  static Result<std::unique_ptr<GuardianWatch>> Create(
      const GuardianSettings& settings, const collect::Targets& targets,
      net::EventLoop& loop, evidence::IncidentList& incidents);

  // A target has appeared, died or come back.
  void Follow();
  // Called when the list of incidents has changed.
  void set_on_incident(std::function<void()> callback) {
    on_incident_ = std::move(callback);
  }

  // Of one row, as shown.
  struct RowView {
    std::string target;
    guardian::Refusal refusal = guardian::Refusal::kNone;
    guardian::WatchState state;
  };
  std::vector<RowView> View() const;
  const guardian::Guardian& guardian() const { return *guardian_; }

 private:
  struct Row {
    std::string target;
    guardian::PressureIncident incident;
    guardian::ProcessName who;  // that is guarded, or was refused
    bool is_guarded = false;
    bool has_asked_for_wall = false;  // for this process in ...
    std::string group = {};           // ... this group
    // That it was asked to, lately; also by agents before this one.
    std::vector<guardian::Stop> stops = {};
    guardian::Refusal refusal = guardian::Refusal::kNoTarget;
    MonotonicTime tried_at;
  };

  GuardianWatch(const GuardianSettings& settings,
                const collect::Targets& targets, net::EventLoop& loop,
                evidence::IncidentList& incidents);
  void Open(std::size_t row, const target::Instance& instance);
  void OpenWall(std::size_t row);
  void OnTick();
  void OnReports();
  void Take(const guardian::Report& report);
  // What guardians before this one left, for each row.
  std::vector<std::vector<guardian::Stop>> ReadStopsBefore();
  void WriteCause(const guardian::Report& report, Row& row);

  const GuardianSettings settings_;
  const collect::Targets& targets_;
  net::EventLoop& loop_;
  evidence::IncidentList& incidents_;
  const std::string boot_id_;  // empty: not told
  std::vector<Row> rows_;
  std::unique_ptr<guardian::Guardian> guardian_;
  std::function<void()> on_incident_;
  net::EventLoop::Handle reports_;
  net::EventLoop::Handle timer_;
};

// All actions at 0 where `watch` is null: the guardian is off.
void AddGuardianMetrics(program::OwnMetrics* metrics,
                        const GuardianWatch* watch);

}  // namespace fodc::agent
