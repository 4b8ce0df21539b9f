// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/thread_priority.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace fodc {
namespace {

// As of linux/sched/types.h, which does not go with sched.h.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;  // of SCHED_OTHER: the slice
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};

// Of the calling thread. False if it is not one of the ordinary policy, or the
// kernel does not tell.
bool Read(SchedulingAttributes* attributes) {
  if (::syscall(SYS_sched_getattr, 0, attributes, sizeof *attributes, 0) != 0)
    return false;
  attributes->size = sizeof *attributes;
  attributes->flags = 0;
  return attributes->policy == SCHED_OTHER;
}

}  // namespace

void GiveWay(int nice) {
  SchedulingAttributes attributes;
  if (!Read(&attributes)) return;
  attributes.nice = std::max(attributes.nice, nice);
  // Whoever made this thread may have left it a short one.
  attributes.runtime_ns = 0;
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void RunSoon(std::chrono::nanoseconds slice) {
  SchedulingAttributes attributes;
  if (!Read(&attributes)) return;
  attributes.runtime_ns = static_cast<std::uint64_t>(slice.count());
  (void)::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace fodc
