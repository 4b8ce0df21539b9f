// SPDX-License-Identifier: Apache-2.0
// What the guardian costs, and how often it is in time: the share of a core
// that its thread takes at its shortest wait, and how often a process that
// fills its memory is stopped in good order before the kernel kills it. Real
// cgroups of 512 MiB (v1); prints SKIPPED where there are none.
//
// --check: exit code 1 if a figure is missed. --full: 20 repeats of each stop.
// --cpu, --stops: that part alone.
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>

#include "bench/bench_util.h"
#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"
#include "fodc/guardian/guardian.h"
#include "tests/guard/memory_child.h"
#include "tests/support/wait.h"

namespace fodc::bench {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using guardian::Guardian;
using guardian::Level;

constexpr std::uint64_t kMib = 1u << 20;
constexpr std::uint64_t kLimitBytes = 512 * kMib;

// What the child and its parent tell each other.
struct Shared {
  std::atomic<pid_t> pid{0};  // it is in its group
  std::atomic<bool> go{false};
  std::atomic<std::uint64_t> bytes{0};  // that it had when it heeded SIGTERM
  std::atomic<double> seconds{0};       // that it grew
};

// Of the child: its handler has nothing else to reach.
std::atomic<bool> g_stop{false};

int GrowUntilAsked(double bytes_per_second, std::uint64_t most,
                   Shared* shared) {
  struct sigaction action {};
  action.sa_handler = [](int) { g_stop = true; };
  (void)::sigaction(SIGTERM, &action, nullptr);
  shared->pid = ::getpid();
  while (!shared->go && !g_stop) std::this_thread::sleep_for(1ms);
  const double seconds = TimeSeconds(
      [&] { shared->bytes = test::Grow(bytes_per_second, most, g_stop); });
  shared->seconds = seconds;
  while (!g_stop) ::pause();
  return 2;  // what StoppedCleanly() means
}

// Such a child in a group of its own, under guard. It ends when it is stopped.
class Guarded {
 public:
  Guarded(const guardian::Rules& rules, double bytes_per_second,
          std::uint64_t most, Shared* shared)
      : shared_(new (shared) Shared) {
    child_ = std::thread([this, bytes_per_second, most] {
      end_ = test::RunInGroup(group_, [this, bytes_per_second, most] {
        return GrowUntilAsked(bytes_per_second, most, shared_);
      });
    });
    FODC_CHECK(test::WaitUntil([&] { return shared_->pid != 0; }, 10s, 1ms));
    const auto stat = ReadProcessStat(kProcRoot, shared_->pid);
    FODC_CHECK(stat.ok());
    guardian::Refusal refusal = guardian::Refusal::kNone;
    std::string detail;
    auto subject = guardian::KernelSubject::Open(
        {.pid = shared_->pid, .start_ticks = stat->start_ticks}, {},
        rules.levels, &refusal, &detail);
    FODC_CHECK(subject != nullptr);
    auto started = Guardian::Start({.rules = rules}, SystemClock());
    FODC_CHECK(started.ok());
    guardian_ = *std::move(started);
    guardian_->Guard(0, std::move(subject), SystemClock().Monotonic());
    FODC_CHECK(test::WaitUntil([&] { return guardian_->States()[0].is_armed; },
                               10s, 1ms));
  }
  ~Guarded() {
    if (child_.joinable()) (void)Stop();
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  void Go() { shared_->go = true; }
  guardian::WatchState state() const { return guardian_->States()[0]; }
  test::ChildEnd AwaitEnd() {
    child_.join();
    return end_;
  }
  test::ChildEnd Stop() {
    (void)::kill(shared_->pid, SIGTERM);
    return AwaitEnd();
  }

 private:
  Shared* const shared_;
  test::MemoryGroup group_{"bench-guardian", kLimitBytes};
  test::ChildEnd end_;
  std::thread child_;
  std::unique_ptr<Guardian> guardian_;
};

// Nanoseconds that the thread of that name has run; 0 if there is none.
std::uint64_t RunTimeOf(std::string_view thread) {
  const auto tasks = ListDirectory("/proc/self/task");
  FODC_CHECK(tasks.ok());
  for (const std::string& task : *tasks) {
    const std::string path = "/proc/self/task/" + task;
    const auto comm = ReadFile(path + "/comm");
    const auto times = ReadFile(path + "/schedstat");
    if (!comm.ok() || !times.ok() || Trim(*comm) != thread) continue;
    std::string_view rest = *times;
    return NextUint(&rest).value_or(0);
  }
  return 0;
}

// Per cent of one core that the thread takes meanwhile.
double CpuPercentOf(std::string_view thread, std::chrono::seconds time) {
  const std::uint64_t before = RunTimeOf(thread);
  std::this_thread::sleep_for(time);
  const std::uint64_t after = RunTimeOf(thread);
  FODC_CHECK(after > before);
  return static_cast<double>(after - before) / 1e9 /
         static_cast<double>(time.count()) * 100;
}

// What no watchdog can do with less: a thread that only wakes up.
double BareCpuPercent(std::chrono::seconds time) {
  std::atomic<bool> stop{false};
  std::thread thread([&] {
    (void)::pthread_setname_np(::pthread_self(), "bare");
    while (!stop) {
      const timespec wait{.tv_sec = 0, .tv_nsec = 10'000'000};
      (void)::ppoll(nullptr, 0, &wait, nullptr);
    }
  });
  FODC_CHECK(test::WaitUntil([] { return RunTimeOf("bare") > 0; }, 10s, 1ms));
  const double percent = CpuPercentOf("bare", time);
  stop = true;
  thread.join();
  return percent;
}

void ReportCpu(bool full, Shared* shared, Reporter* report) {
  const auto time = full ? 30s : 5s;
  report->Report("bare_thread_cpu_at_10ms", BareCpuPercent(time), "percent");
  guardian::Rules rules;
  rules.longest_wait = guardian::Course::kShortestWait;
  // Well below its lines, and over the first one.
  for (const auto& [label, percent] :
       {std::pair("below", 50), std::pair("over_capture", 80)}) {
    Guarded guarded(rules, 1e9, kLimitBytes / 100 * percent, shared);
    guarded.Go();
    FODC_CHECK(test::WaitUntil([&] { return shared->seconds > 0; }, 60s, 1ms));
    const double cpu = CpuPercentOf("guardian", time);
    FODC_CHECK(guarded.Stop().StoppedCleanly());
    report->Report(StrCat("thread_cpu_at_10ms_", label), cpu, "percent", 0.5,
                   Reporter::Floor::kAtMost);
  }
}

void ReportStops(int megabytes_per_second, int percent, int repeats,
                 Shared* shared, Reporter* report) {
  std::mt19937 random(static_cast<unsigned>(megabytes_per_second + percent));
  guardian::Rules rules;
  rules.levels.capture = Level::Percent(percent - 15);
  rules.levels.term = Level::Percent(percent);
  int clean = 0;
  double fastest = 0;
  for (int i = 0; i < repeats; ++i) {
    Guarded guarded(rules, megabytes_per_second * 1e6, 4 * kLimitBytes, shared);
    std::this_thread::sleep_for(
        std::chrono::microseconds(random() % 1'000'000));
    guarded.Go();
    if (!guarded.AwaitEnd().StoppedCleanly()) continue;
    ++clean;
    fastest = std::max(
        fastest, static_cast<double>(shared->bytes) / shared->seconds / 1e6);
  }
  const std::string label = StrCat(megabytes_per_second, "_", percent);
  report->Report(StrCat("clean_stops_", label), clean, StrCat("of ", repeats));
  if (clean > 0) report->Report(StrCat("rate_", label), fastest, "MB/s");
}

int Main(int argc, char** argv) {
  if (const std::string why = test::WhyNoMemoryGroups(); !why.empty()) {
    std::printf("SKIPPED: %s\n", why.c_str());
    return 0;
  }
  void* at = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  FODC_CHECK(at != MAP_FAILED);
  auto* shared = static_cast<Shared*>(at);
  const bool full = HasFlag(argc, argv, "--full");
  Reporter report("bench_guardian");
  if (!HasFlag(argc, argv, "--stops")) ReportCpu(full, shared, &report);
  if (!HasFlag(argc, argv, "--cpu")) {
    for (const int rate : {200, 1000, 4000}) {
      for (const int percent : {75, 90})
        ReportStops(rate, percent, full ? 20 : 3, shared, &report);
    }
  }
  return report.ExitCode(HasFlag(argc, argv, "--check"));
}

}  // namespace
}  // namespace fodc::bench

int main(int argc, char** argv) { return fodc::bench::Main(argc, argv); }
