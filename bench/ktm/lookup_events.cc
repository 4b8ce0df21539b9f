// SPDX-License-Identifier: Apache-2.0
#include "bench/ktm/lookup_events.h"

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "bench/bench_util.h"
#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "tests/kernel/group.h"

namespace fodc::bench {
namespace {

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(2);  // NOLINT(concurrency-mt-unsafe): one thread
}

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) Die("bench_ktm: pipe2");
    reader = UniqueFd(ends[0]);
    writer = UniqueFd(ends[1]);
  }
  UniqueFd reader;
  UniqueFd writer;
};

// False at the end of what comes in.
bool Pass(const UniqueFd& from, const UniqueFd& to) {
  char byte = 0;
  return ::read(from.get(), &byte, 1) == 1 && ::write(to.get(), &byte, 1) == 1;
}

// Sends back what comes, in `group`, until the other end is closed.
pid_t StartEcho(const test::Group& group, Pipe& there, Pipe& back) {
  const pid_t pid = ::fork();
  if (pid < 0) Die("bench_ktm: fork");
  if (pid == 0) {
    there.writer.reset();
    while (Pass(there.reader, back.writer)) {
    }
    ::_exit(0);
  }
  group.Add(pid);
  return pid;
}

}  // namespace

LookupEvents::LookupEvents(const std::string& group) {
  const auto id =
      ReadFile("/sys/kernel/tracing/events/filemap/mm_filemap_get_pages/id");
  const auto number = id.ok() ? ParseUint(Trim(*id)) : std::nullopt;
  if (!number) Die("bench_ktm: the number of mm_filemap_get_pages");
  const UniqueFd directory(
      ::open(group.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  perf_event_attr attributes{};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.config = *number;
  const long cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
  for (long cpu = 0; cpu < cpus; ++cpu) {
    events_.emplace_back(static_cast<int>(
        ::syscall(SYS_perf_event_open, &attributes, directory.get(), cpu, -1,
                  PERF_FLAG_PID_CGROUP | PERF_FLAG_FD_CLOEXEC)));
    if (!events_.back().ok()) Die("bench_ktm: perf_event_open");
  }
}

double SwitchNanoseconds() {
  constexpr int kTrips = 10000;
  constexpr int kTripRuns = 20;
  // The caller is in a group of its own already.
  const test::Group group("fodc_bench_ktm_echo");
  Pipe there;
  Pipe back;
  const pid_t echo = StartEcho(group, there, back);
  double best = std::numeric_limits<double>::max();
  for (int run = 0; run < kTripRuns; ++run) {
    const auto begin = SystemClock().Monotonic();
    for (int trip = 0; trip < kTrips; ++trip) {
      char byte = 'x';
      if (::write(there.writer.get(), &byte, 1) != 1 ||
          ::read(back.reader.get(), &byte, 1) != 1)
        Die("bench_ktm: a round trip");
    }
    const auto end = SystemClock().Monotonic();
    best = std::min(
        best, std::chrono::duration<double, std::nano>(end - begin).count() /
                  (2.0 * kTrips));
  }
  there.writer.reset();
  (void)::waitpid(echo, nullptr, 0);
  return best;
}

}  // namespace fodc::bench
