// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/process.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "fodc/base/cgroup.h"
#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/target/pidfd.h"

namespace fodc::guardian {
namespace {

// PROC_PID_INIT_INO of linux/proc_ns.h: the host's process namespace.
constexpr std::uint64_t kHostPidNamespace = 0xEFFFFFFC;

#ifndef SYS_process_mrelease
constexpr long SYS_process_mrelease = 448;
#endif

bool IsHostInit(pid_t pid, const std::string& proc_root) {
  if (pid != 1) return false;
  const auto ours = ReadPidNamespace(proc_root);
  // One that is not told may be the host's.
  return !ours.ok() || *ours == kHostPidNamespace;
}

// The group that has both, if it is one that could be the agent's own. Whoever
// has no container is in the root, which is nobody's.
std::string SharedGroup(pid_t pid, const ProcessOptions& options) {
  const auto its = FindCgroup(options.proc_root, pid, options.sys_root);
  const auto ours = FindCgroup(options.proc_root, ::getpid(), options.sys_root);
  if (!its.ok() || !ours.ok()) return {};
  for (const auto member : {&CgroupPlace::memory, &CgroupPlace::unified}) {
    const auto& group = (*its).*member;
    if (group && !group->is_root && group == (*ours).*member)
      return group->path;
  }
  return {};
}

}  // namespace

std::string_view RefusalName(Refusal refusal) {
  static constexpr std::array<std::string_view, kRefusals> kNames = {
      "",           "no_target", "pid_reused",    "host_init",  "own_process",
      "own_cgroup", "no_pidfd",  "no_permission", "no_measure", "levels"};
  return kNames[static_cast<std::size_t>(refusal)];
}

std::optional<Process> Process::Open(const ProcessName& who,
                                     const ProcessOptions& options,
                                     Refusal* refusal, std::string* detail) {
  const auto refuse = [&](Refusal why, std::string text) {
    *refusal = why;
    *detail = std::move(text);
    return std::nullopt;
  };
  const std::string name = StrCat("pid ", who.pid);
  if (who.pid <= 0) return refuse(Refusal::kNoTarget, "no process");
  if (who.pid == ::getpid())
    return refuse(Refusal::kOwnProcess, name + " is the agent itself");
  if (IsHostInit(who.pid, options.proc_root))
    return refuse(Refusal::kHostInit, "pid 1 of the host is never guarded");
  UniqueFd pidfd = target::OpenPidfd(who.pid);
  if (!pidfd.ok()) {
    const int error = errno;
    return refuse(error == ESRCH ? Refusal::kNoTarget : Refusal::kNoPidfd,
                  ErrnoStatus(error, name).message());
  }
  // What the pid names now is what the descriptor holds, or a later process:
  // with the start that was asked for, it is both.
  const auto stat = ReadProcessStat(options.proc_root, who.pid);
  if (!stat.ok()) return refuse(Refusal::kNoTarget, stat.status().message());
  if (stat->start_ticks != who.start_ticks) {
    return refuse(Refusal::kPidReused,
                  name + " is another process than the one that was found");
  }
  Process process(who, std::move(pidfd));
  if (process.HasEnded()) return refuse(Refusal::kNoTarget, name + " ended");
  if (const std::string group = SharedGroup(who.pid, options); !group.empty()) {
    return refuse(Refusal::kOwnCgroup,
                  StrCat(name, " is in the agent's own cgroup, ", group));
  }
  if (const int error = process.Signal(0); error != 0) {
    return refuse(
        error == EPERM ? Refusal::kNoPermission : Refusal::kNoTarget,
        ErrnoStatus(error, StrCat(name, " cannot be signalled")).message());
  }
  *refusal = Refusal::kNone;
  detail->clear();
  return process;
}

bool Process::HasEnded() const { return target::HasEnded(pidfd_.get()); }

int Process::Signal(int number) const {
  const long result =
      ::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0);
  return result == 0 ? 0 : errno;
}

int Process::Release() const {
  const long result = ::syscall(SYS_process_mrelease, pidfd_.get(), 0);
  return result == 0 ? 0 : errno;
}

std::string TermProblem(pid_t pid, std::string_view proc_root) {
  const auto text = ReadFile(StrCat(proc_root, "/", pid, "/status"));
  if (!text.ok()) return {};
  const auto signals = ParseProcessSignals(*text);
  if (!signals.ok() || signals->Catches(SIGTERM) || signals->Blocks(SIGTERM))
    return {};
  if (signals->Ignores(SIGTERM)) return "it ignores SIGTERM";
  if (signals->innermost_pid == 1) {
    return "it is pid 1 of its container and has no handler for SIGTERM, "
           "which the kernel then drops";
  }
  return "it has no handler for SIGTERM, which then ends it at once";
}

}  // namespace fodc::guardian
