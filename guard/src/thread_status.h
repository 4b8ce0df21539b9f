// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of a thread of this process. proc(5). Everything here
// is async-signal-safe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fodc::guard {

struct ThreadStatus {
  // As the kernel writes it there: a backslash and a line feed as \\ and \n.
  char name[32] = {};
  std::size_t name_bytes = 0;
  char run_state = '?';       // R, S, D, ...; '?' unknown
  std::uint64_t blocked = 0;  // bit n - 1 for signal n

  std::string_view Name() const { return {name, name_bytes}; }
  bool Blocks(int signal) const { return (blocked >> (signal - 1) & 1) != 0; }
  // It takes no signals any more: a main thread that has left the others.
  bool HasEnded() const { return run_state == 'Z' || run_state == 'X'; }
};

// Of /proc/<pid>/task/<tid>/status. What is missing stays as it is by default.
ThreadStatus ParseThreadStatus(std::string_view text);

// All defaults if the thread has ended.
ThreadStatus ReadThreadStatus(pid_t tid);

// The instruction at which the kernel holds the thread; 0 if it runs or the
// kernel does not tell.
std::uintptr_t ReadHeldAt(pid_t tid);

}  // namespace fodc::guard
