// SPDX-License-Identifier: Apache-2.0
// What one look at a target costs, in CPU time of this process: one JSON line
// per figure.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "bench/bench_util.h"
#include "fodc/base/clock.h"
#include "fodc/target/readings.h"
#include "fodc/target/target.h"

namespace fodc::target {
namespace {

double CpuMicroseconds() {
  return bench::CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) * 1e6;
}

template <typename F>
void Measure(const char* metric, const F& f) {
  constexpr int kRuns = 15;
  constexpr int kCalls = 200;
  std::vector<double> us;
  for (int run = 0; run < kRuns; ++run) {
    const double before = CpuMicroseconds();
    for (int i = 0; i < kCalls; ++i) f();
    us.push_back((CpuMicroseconds() - before) / kCalls);
  }
  std::sort(us.begin(), us.end());
  (void)std::printf(
      "{\"bench\":\"bench_target\",\"metric\":\"%s\",\"value\":%.2f,"
      "\"unit\":\"us\"}\n",
      metric, us[us.size() / 2]);
}

int Run() {
  TableOptions table_options;
  table_options.own_pid = 1;  // so that this process may watch its parent
  TargetTable table({{.pid = ::getppid()}}, table_options, SystemClock());
  std::vector<Event> events;
  table.Check(&events);
  if (!table.rows()[0].instance) {
    (void)std::fprintf(stderr, "the parent process cannot be watched\n");
    return 1;
  }
  TargetReader reader({}, SystemClock());
  MachineReader machine;
  Measure("check_cpu", [&] { table.Check(&events); });
  Measure("target_reading_cpu", [&] { (void)reader.Read(table.rows()[0]); });
  Measure("machine_reading_cpu", [&] { (void)machine.Read(); });
  Measure("first_reading_cpu", [&] {
    TargetReader fresh({}, SystemClock());
    (void)fresh.Read(table.rows()[0]);
  });
  return 0;
}

}  // namespace
}  // namespace fodc::target

int main() { return fodc::target::Run(); }
