// SPDX-License-Identifier: Apache-2.0
#include "bench/guard/sample_cost.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <sstream>
#include <thread>

#include "fodc/base/memory_gauge.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/guard/memwatch.h"
#include "guard/src/heap.h"
#include "guard/src/memory_sampler.h"
#include "tests/guard/memory_child.h"

namespace fodc::bench {
namespace {

using guard::MemorySource;

constexpr std::uint64_t kMegabyte = 1'000'000;

// The upper figures of the design for one sample, in microseconds.
struct Expected {
  std::string_view label;
  double microseconds;
};
constexpr Expected kExpected[] = {
    {"rss_small", 1.1},
    {"rss_500mb", 1.1},
    {"rss_3gb", 1.1},
    {"cgroup_small", 7.1},
    {"cgroup_500mb", 7.1},
    {"cgroup_3gb", 7.1},
    {"heap-jemalloc_small", 29},
    {"heap-jemalloc_500mb", 113},
    {"heap-jemalloc_3gb", 113},
    {"heap-tcmalloc_small", 14},
    {"heap-tcmalloc_500mb", 14},
    {"heap-tcmalloc_3gb", 14},
    {"heap-glibc_small", 1.5},
    {"heap-glibc_500mb", 86'000},
    {"heap-glibc_3gb", 530'000},
};

// A heap as a database has it: blocks of many sizes by many threads, every
// other one free again.
class UsedHeap {
 public:
  UsedHeap(std::uint64_t bytes, int threads) {
    std::vector<std::vector<void*>> of(static_cast<std::size_t>(threads));
    std::vector<std::thread> workers;
    for (std::size_t t = 0; t < of.size(); ++t) {
      workers.emplace_back([&mine = of[t], t, bytes, n = of.size()] {
        std::mt19937 random(static_cast<unsigned>(t));
        std::vector<void*> all;
        // Half is freed, so that twice as much is taken.
        for (std::uint64_t used = 0; used < 2 * bytes / n;) {
          const std::size_t size = 16 + random() % 4096;
          all.push_back(std::malloc(size));  // NOLINT: the allocator itself
          std::memset(all.back(), 1, size);
          used += size;
        }
        for (std::size_t i = 0; i < all.size(); ++i) {
          if (i % 2 == 0) {
            std::free(all[i]);  // NOLINT
          } else {
            mine.push_back(all[i]);
          }
        }
      });
    }
    for (std::thread& w : workers) w.join();
    for (const auto& mine : of) {
      blocks_.insert(blocks_.end(), mine.begin(), mine.end());
    }
  }
  ~UsedHeap() {
    for (void* block : blocks_) std::free(block);  // NOLINT
  }
  UsedHeap(const UsedHeap&) = delete;
  UsedHeap& operator=(const UsedHeap&) = delete;

 private:
  std::vector<void*> blocks_;
};

// Of one call; the median of batches that take about a millisecond.
template <typename Read>
double Microseconds(const Read& read) {
  const double once = TimeSeconds(read);
  const int batch = std::max(1, static_cast<int>(1e-3 / std::max(once, 1e-7)));
  std::vector<double> each;
  for (int i = 0; i < (once > 5e-3 ? 5 : 200); ++i) {
    each.push_back(TimeSeconds([&] {
                     for (int j = 0; j < batch; ++j) read();
                   }) /
                   batch * 1e6);
  }
  return Median(each);
}

double CostOf(MemorySource source) {
  auto gauge = MemoryGauge::Open({});
  FODC_CHECK(gauge.ok());
  if (source == MemorySource::kRss) {
    return Microseconds([&] { (void)gauge->ReadResident(); });
  }
  if (source == MemorySource::kCgroup) {
    return Microseconds([&] { (void)gauge->ReadCharge(); });
  }
  const auto heap = guard::FindHeap(source);
  FODC_CHECK(heap != nullptr);
  return Microseconds([&] { (void)heap->ReadInUse(); });
}

std::string PreloadOf(std::string_view source) {
  if (source == "heap-jemalloc") return FODC_JEMALLOC;
  if (source == "heap-tcmalloc") return FODC_TCMALLOC;
  return {};
}

std::string OutputOf(const std::string& command) {
  std::string out;
  FILE* pipe = ::popen(command.c_str(), "re");  // NOLINT: paths of the build
  FODC_CHECK(pipe != nullptr);
  char buffer[512];
  while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) out += buffer;
  (void)::pclose(pipe);
  return out;
}

}  // namespace

int PrintSampleCosts(std::string_view what, bool full) {
  const auto source = guard::ParseMemorySource(what);
  FODC_CHECK(source.ok());
  const auto print = [&](std::string_view size) {
    std::printf("%s_%s %g\n", std::string(what).c_str(),
                std::string(size).c_str(), CostOf(*source));
  };
  print("small");
  {
    const UsedHeap heap(500 * kMegabyte, 1);
    print("500mb");
  }
  if (full) {
    const UsedHeap heap(3000 * kMegabyte, 16);
    print("3gb");
  }
  return 0;
}

void ReportSampleCosts(const char* self, bool full, Reporter* report) {
  for (const char* source :
       {"rss", "cgroup", "heap-jemalloc", "heap-tcmalloc", "heap-glibc"}) {
    const std::string preload = PreloadOf(source);
    std::istringstream lines(OutputOf(
        StrCat(preload.empty() ? "" : "LD_PRELOAD=", preload, " '", self,
               "' --sample-cost=", source, full ? " --full" : "")));
    std::string label;
    double microseconds = 0;
    while (lines >> label >> microseconds) {
      double expected = 0;
      for (const Expected& e : kExpected) {
        if (e.label == label) expected = e.microseconds;
      }
      report->Report(StrCat("expected_", label), expected, "us");
      report->Report(StrCat("sample_", label), microseconds, "us", 2 * expected,
                     Reporter::Floor::kAtMost);
    }
  }
}

namespace {

// Of one core, what this process takes while `seconds` pass.
double CpuPercent(std::chrono::seconds seconds) {
  const double before = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID);
  std::this_thread::sleep_for(seconds);
  const double used = CpuSeconds(CLOCK_PROCESS_CPUTIME_ID) - before;
  return used / static_cast<double>(seconds.count()) * 100;
}

// A thread that waits and reads its resident pages, and no more: what the
// kernel takes for any watchdog.
double BareCpuPercent(std::chrono::milliseconds wait,
                      std::chrono::seconds seconds) {
  const UniqueFd statm(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  FODC_CHECK(statm.ok());
  std::atomic<bool> stopped = false;
  std::thread bare([&] {
    const timespec timeout = {.tv_sec = 0, .tv_nsec = wait.count() * 1'000'000};
    std::array<char, 256> text{};
    while (!stopped) {
      (void)::ppoll(nullptr, 0, &timeout, nullptr);
      (void)!::pread(statm.get(), text.data(), text.size(), 0);
    }
  });
  const double percent = CpuPercent(seconds);
  stopped = true;
  bare.join();
  return percent;
}

}  // namespace

void ReportWatchdogCpu(bool full, Reporter* report) {
  constexpr std::chrono::milliseconds kWait(10);
  const auto seconds = std::chrono::seconds(full ? 30 : 5);
  report->Report("bare_wait_and_read_cpu_at_10ms",
                 BareCpuPercent(kWait, seconds), "percent");
  guard::MemwatchOptions options;
  options.hard.percent = 100;
  options.adaptive = false;
  options.predict = false;
  options.poll_interval = kWait;
  options.deadline = std::chrono::seconds(0);
  auto watch = guard::Memwatch::Create(std::move(options));
  FODC_CHECK(watch.ok() && (*watch)->Start().ok());
  report->Report("watchdog_cpu_at_10ms", CpuPercent(seconds), "percent", 0.5,
                 Reporter::Floor::kAtMost);
  (*watch)->Stop();
}

}  // namespace fodc::bench
