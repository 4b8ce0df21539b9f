// SPDX-License-Identifier: Apache-2.0
// Which processes count to which row. For this room.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fodc/base/proc.h"
#include "fodc/target/finder.h"

namespace fodc::target {

// What one row knows of its processes.
struct Claim {
  pid_t instance = 0;  // 0: there is none
  std::string comm;    // of the instance
  // Found by its name: all of names that begin so, in its group. Else empty.
  std::string name = {};
  // A name that was given counts in the root cgroup, too.
  bool is_name_given = false;
  // Found by its port: the sockets. Else empty.
  std::vector<std::uint64_t> sockets = {};
};

// Not thread-safe.
class Members {
 public:
  // `finder` must outlive it.
  explicit Members(const Finder& finder) : finder_(finder) {}

  // The live processes of each claim, its instance first; empty without one. A
  // process is of the claim whose instance it is; else of one whose sockets it
  // shares, under the instance's name; else of that which has the nearest
  // process above it; else of one whose name it, or one above it, has. Where
  // two could have it, the first has it. All but the instance are in the
  // instance's cgroup.
  // Costs as much as the groups have processes, and a walk through those of the
  // machine where a group is the root or not visible; a process of an
  // instance's name is asked once for its descriptors.
  std::vector<std::vector<pid_t>> Of(std::span<const Claim> claims);

 private:
  struct Group {
    std::map<pid_t, ProcessStat> processes;
    bool is_whole_machine = false;  // of which some are in the group
  };
  const Group& GroupOf(const std::string& path, pid_t member);
  bool Shares(const ProcessStat& p, std::size_t row, const Claim& claim);
  std::optional<std::size_t> OwnerOf(const Group& group,
                                     const ProcessStat& process) const;

  // What was seen of processes' descriptors.
  struct Seen {
    std::uint64_t start_ticks = 0;
    bool shares = false;
  };
  struct Looked {
    std::vector<std::uint64_t> sockets;
    std::map<pid_t, Seen> before;  // in the last call
    std::map<pid_t, Seen> now;
  };
  const Finder& finder_;
  std::vector<Looked> looked_;  // by row
  // Of the call that runs.
  std::map<std::string, Group> groups_;
  std::map<pid_t, std::size_t> owners_;
};

}  // namespace fodc::target
