// SPDX-License-Identifier: Apache-2.0
// Children that grow in a memory cgroup (v1) of their own, for tests and the
// benchmark of the guard.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "tests/kernel/group.h"

namespace fodc::test {

// A group with a limit, named after this process; removed at the end.
class MemoryGroup {
 public:
  MemoryGroup(const std::string& name, std::uint64_t limit_bytes);

  const Group& group() const { return group_; }
  std::uint64_t oom_kills() const;
  std::uint64_t usage_bytes() const;
  void SetLimit(std::uint64_t bytes) const;

 private:
  Group group_;
};

// Empty if memory groups can be made here; else why not.
std::string WhyNoMemoryGroups();

// How a child ended.
struct ChildEnd {
  int signal = 0;  // 0: it left by itself
  int code = -1;
  std::uint64_t oom_kills = 0;  // that its group counted meanwhile
  bool StoppedCleanly() const {
    return signal == 0 && code == 2 && oom_kills == 0;
  }
};

// Runs `body` in a child that is in the group (and in `beside`, if given), from
// its first page; its result is the exit code. A child that takes more than a
// minute is killed.
ChildEnd RunInGroup(const MemoryGroup& group, const std::function<int()>& body,
                    const Group* beside = nullptr);

// Touches fresh memory at the rate until `stop` or `max_bytes`; returns what it
// touched. In huge pages if the kernel has them: small ones cannot be had at
// more than 1 or 2 GB/s.
std::uint64_t Grow(double bytes_per_second, std::uint64_t max_bytes,
                   const std::atomic<bool>& stop);

}  // namespace fodc::test
