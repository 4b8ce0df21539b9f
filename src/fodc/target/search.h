// SPDX-License-Identifier: Apache-2.0
// One row's search for its process: the rules of its spec, in their order. For
// this room.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/proc.h"
#include "fodc/target/finder.h"
#include "fodc/target/target.h"

namespace fodc::target {

class Search {
 public:
  // `finder` must outlive the search. Sockets whose owner could not be found
  // are looked into again after `port_check_interval`: each time is a walk
  // through all descriptors of all processes.
  Search(TargetSpec spec, const Finder& finder,
         std::chrono::nanoseconds port_check_interval)
      : spec_(std::move(spec)),
        finder_(finder),
        port_check_interval_(port_check_interval) {}

  // The row's last instance, if it has died and nobody was found since.
  struct Predecessor {
    std::uint64_t last_alive_ticks = 0;
    std::optional<Likeness> likeness;
  };
  struct Found {
    std::optional<ProcessStat> process;
    std::vector<std::uint64_t> inodes;  // of the port that told it; may be none
    bool is_by_fallback = false;        // the fallback's name told it
    std::size_t candidates = 0;
    std::string problem;  // why there is no process
  };
  // `by_pid`: the process of the spec's pid has not died yet.
  Found Find(MonotonicTime now, bool by_pid,
             const std::optional<Predecessor>& predecessor);

  // The owners of the first port that has one.
  struct Owned {
    std::vector<std::uint64_t> inodes;
    std::vector<ProcessStat> owners;
    bool is_denied = false;       // a process could not be looked into
    bool is_listened_to = false;  // one of the ports
  };
  // `first` is asked before all others, and alone suffices.
  Owned OwnersOfPorts(MonotonicTime now, std::optional<pid_t> first);
  // Whether these are the sockets of one of the ports; false if they are none.
  bool AreOfAPort(const std::vector<std::uint64_t>& inodes) const;
  // Leaves those that the spec's comm prefix takes: all, if it has none.
  void KeepComm(std::vector<ProcessStat>* processes) const;

 private:
  std::vector<std::uint16_t> Ports() const;
  std::vector<std::uint64_t> SocketsOf(std::uint16_t port) const;
  Found FindPid() const;
  Found FindComm(MonotonicTime now,
                 const std::optional<Predecessor>& predecessor);
  Found FindOwner(MonotonicTime now,
                  const std::optional<Predecessor>& predecessor);
  Found FindFallback(const std::optional<Predecessor>& predecessor) const;

  struct Ownerless {
    std::vector<std::uint64_t> inodes;
    MonotonicTime until;
    bool is_denied = false;
  };
  const TargetSpec spec_;
  const Finder& finder_;
  const std::chrono::nanoseconds port_check_interval_;
  std::map<std::uint16_t, Ownerless> ownerless_;  // by port of the spec
};

}  // namespace fodc::target
