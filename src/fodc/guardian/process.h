// SPDX-License-Identifier: Apache-2.0
// The one process that the guardian may signal: held by a pidfd, so that a pid
// that is used again is never hit.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::guardian {

// Who is meant: a pid, and when it started.
struct ProcessName {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;

  bool operator==(const ProcessName&) const = default;
};

// Why a process is not guarded.
enum class Refusal : std::uint8_t {
  kNone,
  kNoTarget,      // there is no process
  kPidReused,     // the pid is another process's
  kHostInit,      // pid 1 of the host
  kOwnProcess,    // the agent
  kOwnCgroup,     // shares the agent's, which is not the root
  kNoPidfd,       // the kernel gives none
  kNoPermission,  // may not be signalled
  kNoMeasure,     // its memory cannot be read
  kLevels,        // do not rise at its limit
};
inline constexpr std::size_t kRefusals =
    static_cast<std::size_t>(Refusal::kLevels) + 1;
// The label of the metric: "host_init"; empty for kNone.
std::string_view RefusalName(Refusal refusal);

struct ProcessOptions {
  std::string proc_root = "/proc";
  std::string sys_root;  // before cgroup mount points (tests)
};

// Thread-compatible.
class Process {
 public:
  // Nothing if it may not be guarded: then `*refusal` says why, and `*detail`
  // for people.
  static std::optional<Process> Open(const ProcessName& who,
                                     const ProcessOptions& options,
                                     Refusal* refusal, std::string* detail);

  const ProcessName& name() const { return name_; }
  // Readable when it has ended.
  int pidfd() const { return pidfd_.get(); }
  bool HasEnded() const;
  // The errno; 0 if it was sent.
  int Signal(int number) const;
  // After SIGKILL: takes its memory back at once, without waiting for its
  // threads to be scheduled. The errno; EINVAL if it is not dying, ENOSYS
  // before Linux 5.15.
  int Release() const;

 private:
  Process(const ProcessName& name, UniqueFd pidfd)
      : name_(name), pidfd_(std::move(pidfd)) {}

  ProcessName name_;
  UniqueFd pidfd_;
};

// What SIGTERM does to a process, in words, where it is not a stop in good
// order; empty where a handler is installed, and if it is not known.
std::string TermProblem(pid_t pid, std::string_view proc_root = "/proc");

}  // namespace fodc::guardian
