// SPDX-License-Identifier: Apache-2.0
// The stacks of all threads of this process, taken by a signal to each.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::guard {

inline constexpr std::size_t kMaxThreadFrames = 62;
// Threads beyond are told without a stack.
inline constexpr std::size_t kMaxThreadStacks = 2048;

struct ProfileThread {
  pid_t tid = 0;
  std::string name;
  char state = '?';  // as /proc has it, before the signal
  // Innermost first, each to be shown as it is. Empty if the thread did not
  // answer: it blocks the signal, or waits in the kernel without hearing it.
  std::vector<std::uint64_t> stack;
};

// SIGRTMAX - 3, which programs seldom use; debuggers and profilers take the
// lower ones.
int StackSignal();

// One caller at a time. `wait` is for all threads together. The handler stays
// when it has been installed once: a thread may hear the signal later.
// Errors: as opendir of /proc/self/task.
Result<std::vector<ProfileThread>> TakeProfileThreads(
    std::chrono::milliseconds wait);

}  // namespace fodc::guard
