// SPDX-License-Identifier: Apache-2.0
// What the process says of itself: proc(5).
#include <sys/resource.h>
#include <unistd.h>

#include <optional>
#include <string_view>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/program/own_metrics.h"

namespace fodc::program {
namespace {

using exposition::MetricType;

void Add(std::vector<OwnFamily>* out, std::string name, MetricType type,
         std::string help, double value) {
  out->push_back({name, type, std::move(help), {{name, {}, value}}});
}

// The moment of boot, in seconds since the epoch.
std::optional<std::uint64_t> BootTime() {
  const Result<std::string> text = ReadFile("/proc/stat");
  if (!text.ok()) return std::nullopt;
  for (std::string_view line : Split(*text, '\n')) {
    if (ConsumePrefix(&line, "btime ")) return ParseUint(line);
  }
  return std::nullopt;
}

}  // namespace

void CollectProcessMetrics(std::vector<OwnFamily>* out) {
  if (const Result<std::string> stat = ReadFile("/proc/self/stat"); stat.ok()) {
    // The name, in brackets, may hold anything; what follows may not.
    const std::size_t end = stat->rfind(") ");
    std::vector<std::string_view> fields;
    if (end != std::string::npos) {
      fields = Split(std::string_view(*stat).substr(end + 2), ' ');
    }
    // fields[0] is field 3 of proc(5).
    const auto field = [&](std::size_t number) {
      return number - 3 < fields.size() ? ParseUint(fields[number - 3])
                                        : std::nullopt;
    };
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
    const auto user = field(14);
    const auto system = field(15);
    if (user && system) {
      Add(out, "process_cpu_seconds_total", MetricType::kCounter,
          "User and system CPU time, in seconds.",
          static_cast<double>(*user + *system) / ticks);
    }
    if (const auto threads = field(20)) {
      Add(out, "process_threads", MetricType::kGauge, "Threads.",
          static_cast<double>(*threads));
    }
    const auto start = field(22);
    const auto boot = BootTime();
    if (start && boot) {
      Add(out, "process_start_time_seconds", MetricType::kGauge,
          "Start of the process, in seconds since the Unix epoch.",
          static_cast<double>(*boot) + static_cast<double>(*start) / ticks);
    }
    if (const auto bytes = field(23)) {
      Add(out, "process_virtual_memory_bytes", MetricType::kGauge,
          "Virtual memory, in bytes.", static_cast<double>(*bytes));
    }
    if (const auto pages = field(24)) {
      Add(out, "process_resident_memory_bytes", MetricType::kGauge,
          "Resident memory, in bytes.", static_cast<double>(*pages) * page);
    }
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
