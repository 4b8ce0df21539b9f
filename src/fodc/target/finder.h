// SPDX-License-Identifier: Apache-2.0
// Searches the process table. For this room.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/proc.h"
#include "fodc/base/status.h"

namespace fodc::target {

inline constexpr std::size_t kCommBytes = 15;  // TASK_COMM_LEN less the zero

// What makes a process look like one that is known.
struct Likeness {
  std::string comm;
  std::string command_line;
  std::string container;  // see ContainerOf
};

class Finder {
 public:
  Finder(std::string proc_root, pid_t own_pid)
      : root_(std::move(proc_root)), own_pid_(own_pid) {}

  // The process, if it lives (zombies do not), is no kernel thread, and is not
  // ours.
  std::optional<ProcessStat> Alive(pid_t pid) const;

  // What became of the process of that pid and start. Only what is told
  // clearly counts: who may not be looked at is not gone.
  enum class Fate : std::uint8_t { kLives, kGone, kUnknown };
  Fate FateOf(pid_t pid, std::uint64_t start_ticks) const;

  // All live processes whose name begins with the prefix, ascending.
  std::vector<ProcessStat> WithComm(std::string_view prefix) const;

  // Sockets that take connections to the port; for a scraped port those bound
  // to the loopback addresses if there are any. Sorted.
  std::vector<std::uint64_t> SocketsOf(std::uint16_t port,
                                       bool prefer_loopback) const;

  // Live processes that hold one of the sockets, ascending. `first` is asked
  // before all others, and alone suffices. `*is_denied` if a process could not
  // be looked into.
  std::vector<ProcessStat> OwnersOf(const std::vector<std::uint64_t>& inodes,
                                    std::optional<pid_t> first,
                                    bool* is_denied) const;

  // Which of several: one whose parent is not among them; then the one that
  // started first; then the lowest pid. Nothing if there is none.
  static std::optional<ProcessStat> Choose(
      const std::vector<ProcessStat>& candidates);

  // The path of its memory (else unified) cgroup: two processes with the same
  // one are in the same container. Empty if it cannot be read.
  std::string ContainerOf(pid_t pid) const;

  // The path of its unified cgroup or, where that is none or the root, of its
  // memory cgroup. Empty if it is in neither's but the root.
  std::string GroupOf(pid_t pid) const;

  // Live processes in the process's cgroup (unified or, where that is none or
  // the root, of its memory controller): costs as much as the group is large.
  // Nothing if it is in the root, or its group is not visible here.
  std::optional<std::vector<ProcessStat>> InGroupOf(pid_t pid) const;

  Likeness LikenessOf(const ProcessStat& p) const;
  // Live processes like that one that started no earlier than `start_ticks`:
  // same name and command line, in the same container or one beside it.
  std::vector<ProcessStat> Like(const Likeness& like,
                                std::uint64_t start_ticks) const;

  const std::string& root() const { return root_; }

 private:
  std::string CommandLineOf(pid_t pid) const;
  // Those that live and whose name begins so, in the order of `pids`.
  std::vector<ProcessStat> KeepComm(const std::vector<pid_t>& pids,
                                    std::string_view prefix) const;
  std::string root_;
  pid_t own_pid_;
};

}  // namespace fodc::target
