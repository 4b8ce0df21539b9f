// SPDX-License-Identifier: Apache-2.0
// What the process says of itself: proc(5).
#include <sys/resource.h>
#include <unistd.h>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/program/own_metrics.h"

namespace fodc::program {
namespace {

using exposition::MetricType;

void Add(std::vector<OwnFamily>* out, std::string name, MetricType type,
         std::string help, double value) {
  out->push_back({name, type, std::move(help), {{name, {}, value}}});
}

}  // namespace

void CollectProcessMetrics(std::vector<OwnFamily>* out) {
  if (const auto stat = ReadProcessStat(kProcRoot, ::getpid()); stat.ok()) {
    const auto ticks = static_cast<double>(ClockTicksPerSecond());
    Add(out, "process_cpu_seconds_total", MetricType::kCounter,
        "User and system CPU time, in seconds.",
        static_cast<double>(stat->user_ticks + stat->system_ticks) / ticks);
    Add(out, "process_threads", MetricType::kGauge, "Threads.",
        static_cast<double>(stat->threads));
    if (const auto boot = ReadBootTime(kProcRoot); boot.ok()) {
      Add(out, "process_start_time_seconds", MetricType::kGauge,
          "Start of the process, in seconds since the Unix epoch.",
          static_cast<double>(*boot) +
              static_cast<double>(stat->start_ticks) / ticks);
    }
    Add(out, "process_virtual_memory_bytes", MetricType::kGauge,
        "Virtual memory, in bytes.", static_cast<double>(stat->virtual_bytes));
    Add(out, "process_resident_memory_bytes", MetricType::kGauge,
        "Resident memory, in bytes.",
        static_cast<double>(stat->resident_pages * PageBytes()));
  }
  if (const auto fds = ListDirectory("/proc/self/fd"); fds.ok()) {
    // Less the one that the listing itself took.
    Add(out, "process_open_fds", MetricType::kGauge, "Open descriptors.",
        static_cast<double>(fds->size()) - 1);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    Add(out, "process_max_fds", MetricType::kGauge,
        "Limit of open descriptors.", static_cast<double>(limit.rlim_cur));
  }
}

}  // namespace fodc::program
