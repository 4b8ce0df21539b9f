// SPDX-License-Identifier: Apache-2.0
// The target table: who is watched. One row per target, with an instance
// number that changes when the process does.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"

namespace fodc::target {

// How one target is found. The first rule that is given holds, in this order;
// a pid whose process has died is followed by the next rule.
struct TargetSpec {
  std::string container_name = {};  // may be empty
  std::optional<pid_t> pid = {};    // --target-pid
  std::string comm_prefix = {};     // --target-comm; the kernel keeps 15 bytes
  std::optional<std::uint16_t> listen_port = {};
  // Ports on this machine that are scraped; the owner of the first that has
  // one is the target. With a comm prefix they decide between candidates.
  std::vector<std::uint16_t> endpoint_ports = {};
  // While nothing listens on any of the ports: a process whose name begins so,
  // if all such processes are in one container.
  std::string fallback_comm_prefix = {};
};

// One process. A pid alone may be used again; with its start it may not.
struct Instance {
  std::uint64_t number = 0;  // 1 for the first of the row, then rising
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  // since boot
  std::string comm;
  UnixTime started_at;
  MonotonicTime found_at = {};
  double age_when_found_seconds = 0;

  // How long it has run: no step of the wall clock changes it.
  double UptimeSeconds(MonotonicTime now) const;
};

// How a process ended, where the kernel tells (a zombie with the right to
// trace it; a pidfd since Linux 6.15).
struct Exit {
  std::optional<int> signal;
  std::optional<int> status;
};

struct Row {
  TargetSpec spec;
  std::optional<Instance> instance;  // none while nothing is found
  // From 0, or from what Restore said. A restart is an instance that follows
  // one that died.
  std::uint64_t deaths_total = 0;
  std::uint64_t restarts_total = 0;
  // Of the instance that died last.
  std::optional<double> last_uptime_seconds;
  std::optional<UnixTime> last_death_at;
  Exit last_exit;
  // Processes that the rule took at the last search.
  std::size_t candidates = 0;
  // Why there is no instance; empty if there is one.
  std::string problem;
};

enum class EventKind : std::uint8_t {
  kAppeared,  // found, and none before it was known to have died
  kDied,
  kRestarted,  // found again after a death
};

struct Event {
  EventKind kind = EventKind::kAppeared;
  std::size_t row = 0;
  Instance instance;
  UnixTime at;                           // when it was noticed
  std::optional<double> uptime_seconds;  // kDied
  Exit exit;                             // kDied
  bool unseen = false;                   // kDied before this table was there
};

struct TableOptions {
  std::string proc_root = "/proc";
  pid_t own_pid = 0;  // never a target; 0: getpid()
  // How often to look for what was not found, and whether a port still has
  // the same owner.
  std::chrono::nanoseconds search_interval = std::chrono::milliseconds(200);
  std::chrono::nanoseconds port_check_interval = std::chrono::seconds(5);
};

struct KeptRow;  // kept_row.h

// Not thread-safe: the agent's loop owns it.
// Does not see: a process that starts and dies between two checks; before the
// first find, a process that dies before it listens (give a comm prefix);
// who owns a port, without CAP_SYS_PTRACE, if it runs as another user.
class TargetTable {
 public:
  // `clock` must outlive the table.
  TargetTable(std::vector<TargetSpec> specs, const TableOptions& options,
              const Clock& clock);
  ~TargetTable();
  TargetTable(const TargetTable&) = delete;
  TargetTable& operator=(const TargetTable&) = delete;

  // Before the first Check: what an earlier table kept of the row. If its
  // process is no more (or was of another boot), the first Check tells its
  // death, and whoever is found then has been restarted. If its pid is one of
  // another process namespace, or hidden, whoever is found tells by its start.
  void Restore(std::size_t row, const KeptRow& kept);
  // At any time, once: the same, where it becomes known late. Its counts are
  // added to those of this table's life, less what both have counted. True if
  // its process is gone and was not watched here: one more death.
  bool Merge(std::size_t row, const KeptRow& kept);
  // What changes with each event. Without a name.
  KeptRow Keep(std::size_t row) const;

  // Notices deaths and looks for what is missing; appends what happened, in
  // order. While all targets live this is one system call and one for each,
  // and every port_check_interval a look at the ports. Call it before each
  // scrape and when poll_fd() is readable.
  void Check(std::vector<Event>* events);

  // Of each row: all its processes now, its instance first; empty if there is
  // none. Found by a pid or by a port, these are the instance, what descends
  // from it and, by a port, what shares the socket under the instance's name
  // (workers forked before). Found by a name: all of that name, and what
  // descends from them. All of them in the instance's cgroup; in the root
  // cgroup by a name only if that was given (comm_prefix). No process is of two
  // rows: an instance is its own row's, a descendant that of the nearest above
  // it. Costs as much as the cgroups have processes; where one is the root or
  // not visible, a walk through all of the machine.
  std::vector<std::vector<pid_t>> Processes() const;

  // Readable when a target may have died; -1 if the kernel has no pidfd
  // (before Linux 5.3), then only Check tells.
  int poll_fd() const;

  const std::vector<Row>& rows() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// "signal 9" or "status 2"; empty if not known.
std::string ExitText(const Exit& e);

}  // namespace fodc::target
