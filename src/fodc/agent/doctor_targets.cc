// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/doctor_targets.h"

#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/collect/targets.h"
#include "fodc/kernel/scope.h"
#include "fodc/target/target.h"

namespace fodc::agent {
namespace {

constexpr std::string_view kSeeDocs =
    "docs/operation/kernel-telemetry.md has what to do about each reason";

kernel::KernelAnswer ScopeAnswer(const kernel::Scope& scope,
                                 std::string_view who) {
  kernel::KernelAnswer a;
  a.ok = scope.state == kernel::FilterState::kByCgroup;
  if (a.ok) {
    a.detail = StrCat(who, ", counted by cgroup ", scope.container_path);
    return a;
  }
  a.detail = StrCat(who,
                    scope.state == kernel::FilterState::kOff
                        ? ", not counted: "
                        : ", counted by process: ",
                    scope.reason);
  a.advice = kSeeDocs;
  return a;
}

}  // namespace

std::vector<kernel::KernelAnswer> TargetAnswers(const Options& options,
                                                const Checked& checked,
                                                const Surroundings& around) {
  std::vector<kernel::KernelAnswer> answers;
  target::TargetTable table(
      collect::MakeTargetSpecs(
          checked.endpoints, {.pid = options.target_pid,
                              .comm = options.target_comm,
                              .port = options.target_port,
                              .has_cgroup = !options.ktm_cgroup_path.empty()}),
      {.proc_root = around.proc_root}, SystemClock());
  std::vector<target::Event> events;
  table.Check(&events);
  const std::vector<std::vector<pid_t>> processes = table.Processes();
  std::vector<pid_t> all;
  for (const auto& row : processes)
    all.insert(all.end(), row.begin(), row.end());
  for (std::size_t i = 0; i < table.rows().size(); ++i) {
    const target::Row& row = table.rows()[i];
    kernel::KernelAnswer a;
    kernel::ScopeOptions scope;
    scope.proc_root = around.proc_root;
    scope.sys_root = around.sys_root;
    // As kernel telemetry takes it: of the first target alone.
    if (i == 0) scope.forced_path = options.ktm_cgroup_path;
    if (row.instance || !scope.forced_path.empty()) {
      a = ScopeAnswer(kernel::FindScope(processes[i], all, scope),
                      row.instance ? StrCat("pid ", row.instance->pid, " (",
                                            row.instance->comm, ")")
                                   : "whoever is in --ktm-cgroup-path");
    } else {
      a.detail = row.problem;
      a.advice =
          "start it, or say who it is with --target-pid, --target-comm "
          "or --target-port";
    }
    a.what = "target";
    if (!row.spec.container_name.empty())
      a.what += StrCat(" ", row.spec.container_name);
    for (const std::uint16_t port : row.spec.endpoint_ports)
      a.what += StrCat(" :", port);
    answers.push_back(std::move(a));
  }
  if (answers.empty()) {
    answers.push_back({.what = "target",
                       .ok = false,
                       .detail = "no endpoint is on this machine",
                       .advice = "say who it is with --target-pid, "
                                 "--target-comm or --target-port"});
  }
  return answers;
}

}  // namespace fodc::agent
