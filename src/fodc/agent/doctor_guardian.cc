// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/doctor_guardian.h"

#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/collect/targets.h"
#include "fodc/guardian/subject.h"
#include "fodc/target/target.h"

namespace fodc::agent {
namespace {

std::string LineText(std::string_view action, std::string_view who,
                     std::uint64_t line) {
  return line == 0 ? ""
                   : StrCat(action, who, " at ", MebibytesText(line), ", ");
}

std::string AdviceFor(guardian::Refusal refusal) {
  switch (refusal) {
    case guardian::Refusal::kNoPermission:
      return "needs CAP_KILL, or the target's user";
    case guardian::Refusal::kNoPidfd:
      return "needs Linux 5.3, and a seccomp profile that permits pidfd_open "
             "and pidfd_send_signal";
    case guardian::Refusal::kOwnCgroup:
      return "run the agent in a cgroup of its own";
    case guardian::Refusal::kLevels:
      return "mend --guardian-capture, --guardian-term and --guardian-kill";
    default:
      return "docs/operation/guardian.md";
  }
}

kernel::KernelAnswer AnswerFor(const target::Instance& instance,
                               const guardian::Levels& levels,
                               const Options& options,
                               const Surroundings& around) {
  kernel::KernelAnswer a;
  guardian::Refusal refusal = guardian::Refusal::kNone;
  const std::string who =
      StrCat("pid ", instance.pid, " (", instance.comm, ")");
  const auto subject = guardian::KernelSubject::Open(
      {.pid = instance.pid, .start_ticks = instance.start_ticks},
      {.proc_root = around.proc_root, .sys_root = around.sys_root}, levels,
      &refusal, &a.detail);
  if (subject == nullptr) {
    a.detail = StrCat("would not guard ", who, ": ", a.detail);
    a.advice = AdviceFor(refusal);
    return a;
  }
  const guardian::Lines lines = levels.At(subject->limit_bytes()).value_or({});
  a.ok = true;
  a.detail = StrCat(
      options.guardian.dry_run ? "dry run: would " : "would ",
      LineText("send SIGTERM to ", who, lines.term),
      LineText("SIGKILL to ", who, lines.kill),
      LineText("raise an incident of ", who, lines.capture), "of ",
      MebibytesText(subject->limit_bytes()),
      subject->has_cgroup_limit()
          ? StrCat(", the limit of ", subject->group())
          : std::string(" of the machine, by its resident memory: its cgroup "
                        "has no limit, or is not visible here"));
  if (const auto problem =
          guardian::TermProblem(instance.pid, around.proc_root);
      !problem.empty() && lines.term != 0) {
    a.ok = false;
    a.detail += StrCat("; but ", problem);
    a.advice = "let the target handle SIGTERM, or start it under an init";
  }
  return a;
}

}  // namespace

std::vector<kernel::KernelAnswer> GuardianAnswers(const Options& options,
                                                  const Checked& checked,
                                                  const Surroundings& around) {
  constexpr std::string_view kWhat = "guardian";
  std::vector<kernel::KernelAnswer> answers;
  if (!options.guardian.enabled) {
    answers.push_back({.what = std::string(kWhat),
                       .ok = true,
                       .detail = "switched off; --guardian-enabled, best with "
                                 "--guardian-dry-run first",
                       .advice = {}});
    return answers;
  }
  if (const std::string misfit = checked.guardian.levels.Misfit();
      !misfit.empty()) {
    answers.push_back({.what = "guardian's lines",
                       .ok = false,
                       .detail = misfit,
                       .advice = "docs/operation/guardian.md has the order"});
  }
  target::TargetTable table(
      collect::MakeTargetSpecs(checked.endpoints,
                               {.pid = options.target_pid,
                                .comm = options.target_comm,
                                .port = options.target_port}),
      {.proc_root = around.proc_root}, SystemClock());
  std::vector<target::Event> events;
  table.Check(&events);
  for (const target::Row& row : table.rows()) {
    kernel::KernelAnswer a;
    if (row.instance) {
      a = AnswerFor(*row.instance, checked.guardian.levels, options, around);
    } else {
      a.detail = StrCat("nobody to guard: ", row.problem);
      a.advice =
          "start it, or say who it is with --target-pid, --target-comm "
          "or --target-port";
    }
    a.what = std::string(kWhat);
    if (!row.spec.container_name.empty())
      a.what += StrCat(" of ", row.spec.container_name);
    answers.push_back(std::move(a));
  }
  return answers;
}

}  // namespace fodc::agent
