// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/doctor_capture.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/base/strings.h"
#include "fodc/detect/memory_source.h"
#include "fodc/target/target.h"

namespace fodc::agent {
namespace {

// The directory, or, while it is not there, what it will be made in. Changes
// nothing.
kernel::KernelAnswer DirectoryAnswer(const std::string& directory) {
  kernel::KernelAnswer a;
  a.what = "--pressure-profiler-dir";
  std::string path = directory;
  struct stat s {};
  while (::stat(path.c_str(), &s) != 0 && path.size() > 1) {
    const std::size_t slash = path.rfind('/');
    path = slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    if (path == ".") break;
  }
  if (::stat(path.c_str(), &s) == 0 && !S_ISDIR(s.st_mode)) {
    a.detail = path + " is no directory";
    a.advice = "nothing is captured without it; name another directory";
    return a;
  }
  a.ok = ::access(path.c_str(), W_OK | X_OK) == 0;
  if (a.ok) {
    a.detail = directory + " can be written";
  } else {
    a.detail = ErrnoStatus(errno, path).message();
    a.advice = "nothing is captured without it; name another directory";
  }
  return a;
}

kernel::KernelAnswer AnswerFor(const target::Instance& instance,
                               const Checked& checked,
                               const Surroundings& around) {
  kernel::KernelAnswer a;
  const auto& pressure = checked.capture.pressure;
  auto source =
      detect::KernelMemory::Open(instance.pid, instance.start_ticks,
                                 {.proc_root = around.proc_root,
                                  .sys_root = around.sys_root,
                                  .trigger_percent = pressure.trigger_percent,
                                  .hard_percent = pressure.hard_percent});
  const std::string who =
      StrCat("pid ", instance.pid, " (", instance.comm, ")");
  if (!source.ok()) {
    a.detail = StrCat("memory of ", who,
                      " cannot be read: ", source.status().message());
    a.advice = "run the agent as the target's user, or as root";
    return a;
  }
  detect::KernelMemory& memory = **source;
  const auto bytes = memory.ReadBytes();
  if (!bytes) {
    a.detail = StrCat("memory of ", who, " cannot be read: ", memory.Why());
    a.advice = "run the agent as the target's user, or as root";
    return a;
  }
  a.ok = true;
  a.detail = StrCat(
      "armed: would capture ", who, " at ",
      MebibytesText(
          detect::PercentOf(memory.limit_bytes(), pressure.trigger_percent)),
      " of ", MebibytesText(memory.limit_bytes()), "; it has ",
      MebibytesText(*bytes),
      memory.measure() == detect::PressureMeasure::kCharge
          ? ", charged to its cgroup"
      : memory.is_blind()
          ? ", resident, of the machine's: its cgroup is not visible, so that "
            "what its page tells is taken if it tells both"
          : ", resident, of the machine's: its cgroup has no limit",
      memory.event_fd() >= 0 ? "; the kernel tells when it crosses" : "");
  return a;
}

}  // namespace

std::vector<kernel::KernelAnswer> CaptureAnswers(const Options& options,
                                                 const Checked& checked,
                                                 const Surroundings& around) {
  constexpr std::string_view kWhat = "first response";
  std::vector<kernel::KernelAnswer> answers;
  if (!options.capture.enabled) {
    answers.push_back({.what = std::string(kWhat),
                       .ok = true,
                       .detail = "switched off: --pressure-profiler-enabled "
                                 "is false",
                       .advice = {}});
    return answers;
  }
  answers.push_back(DirectoryAnswer(options.capture.dir));
  target::TargetTable table(TargetRows(options, checked.endpoints),
                            {.proc_root = around.proc_root}, SystemClock());
  std::vector<target::Event> events;
  table.Check(&events);
  for (const target::Row& row : table.rows()) {
    kernel::KernelAnswer a;
    if (row.instance) {
      a = AnswerFor(*row.instance, checked, around);
    } else {
      a.detail = StrCat("not armed: ", row.problem);
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
