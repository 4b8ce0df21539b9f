// SPDX-License-Identifier: Apache-2.0
// What a running process has taken.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <string_view>

#include "bench/bench_util.h"
#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"

namespace fodc::bench {

struct Usage {
  double cpu_seconds = 0;  // all threads, in user space and in the kernel
  double rss_mib = 0;
  double rss_anon_mib = 0;
};

// What cannot be read is 0.
inline Usage ReadUsage(pid_t pid) {
  Usage usage;
  // Exact, where /proc/<pid>/stat counts in ticks.
  clockid_t clock{};
  if (::clock_getcpuclockid(pid, &clock) == 0)
    usage.cpu_seconds = CpuSeconds(clock);
  const auto text = ReadFile(StrCat("/proc/", pid, "/status"));
  if (!text.ok()) return usage;
  const auto status = ParseProcessStatus(*text);
  if (!status.ok()) return usage;
  constexpr double kMib = 1 << 20;
  usage.rss_mib =
      static_cast<double>(status->resident_bytes.value_or(0)) / kMib;
  usage.rss_anon_mib =
      static_cast<double>(status->resident_anon_bytes.value_or(0)) / kMib;
  return usage;
}

}  // namespace fodc::bench
