// SPDX-License-Identifier: Apache-2.0
#include "bench/guard/clean_stop.h"

#include <sys/mman.h>

#include <atomic>
#include <random>
#include <thread>

#include "fodc/base/strings.h"
#include "fodc/guard/memwatch.h"
#include "tests/guard/memory_child.h"

namespace fodc::bench {
namespace {

constexpr std::uint64_t kMib = 1u << 20;
constexpr std::uint64_t kLimitBytes = 512 * kMib;

enum class Watching : std::uint8_t { kEvents, kPolls, kEverySecond };

std::string_view Name(Watching w) {
  switch (w) {
    case Watching::kEvents:
      return "events";
    case Watching::kPolls:
      return "polls";
    case Watching::kEverySecond:
      return "1s_poll";
  }
  return "";
}

// What the child did, where its parent still sees it after a SIGKILL.
struct Shared {
  std::atomic<double> seconds{0};
  std::atomic<std::uint64_t> bytes{0};
};

int GrowGuarded(Watching watching, int percent, double bytes_per_second,
                std::chrono::microseconds rest, Shared* shared) {
  auto life = guard::Life::Begin({});
  std::atomic<bool> stop{false};
  guard::MemwatchOptions options;
  options.hard.percent = percent;
  options.life = life->get();
  options.on_pressure = [&stop](const guard::MemoryState&) { stop = true; };
  options.kernel_events = watching == Watching::kEvents;
  if (watching == Watching::kEverySecond) {
    options.adaptive = false;
    options.predict = false;
    options.reserve_bytes = 0;
  }
  auto watch = guard::Memwatch::Create(std::move(options));
  if (!watch.ok() || !(*watch)->Start().ok()) return 99;
  std::this_thread::sleep_for(rest);
  const double seconds = TimeSeconds([&] {
    shared->bytes = test::Grow(bytes_per_second, 4 * kLimitBytes, stop);
  });
  shared->seconds = seconds;
  return (*life)->Conclude(OkStatus());
}

void ReportOne(Watching watching, int megabytes_per_second, int percent,
               int repeats, Shared* shared, Reporter* report) {
  std::mt19937 random(static_cast<unsigned>(megabytes_per_second + percent));
  int clean = 0;
  double fastest = 0;
  for (int i = 0; i < repeats; ++i) {
    const test::MemoryGroup group("bench-guard", kLimitBytes);
    const std::chrono::microseconds rest(random() % 1'000'000);
    const test::ChildEnd end = RunInGroup(group, [&] {
      return GrowGuarded(watching, percent, megabytes_per_second * 1e6, rest,
                         shared);
    });
    if (!end.StoppedCleanly()) continue;
    ++clean;
    if (shared->seconds > 0) {
      fastest = std::max(
          fastest, static_cast<double>(shared->bytes) / shared->seconds / 1e6);
    }
  }
  const std::string label =
      StrCat(Name(watching), "_", megabytes_per_second, "_", percent);
  // 13 ms are left between 90 % and the wall at 4000 MB/s.
  const double share = megabytes_per_second == 4000 && percent == 90 ? 0.9 : 1;
  std::optional<double> floor;
  if (watching != Watching::kEverySecond) floor = share * repeats;
  report->Report(StrCat("clean_stops_", label), clean, StrCat("of ", repeats),
                 floor);
  if (clean > 0) report->Report(StrCat("rate_", label), fastest, "MB/s");
}

}  // namespace

void ReportCleanStops(std::string_view only, int repeats, Reporter* report) {
  const std::string why = test::WhyNoMemoryGroups();
  if (!why.empty()) {
    std::printf("SKIPPED: clean stops: %s\n", why.c_str());
    return;
  }
  void* at = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  FODC_CHECK(at != MAP_FAILED);
  auto* shared = new (at) Shared;
  for (const Watching watching :
       {Watching::kEvents, Watching::kPolls, Watching::kEverySecond}) {
    if (!only.empty() && only != Name(watching)) continue;
    for (const int rate : {200, 1000, 4000}) {
      for (const int percent : {75, 90}) {
        ReportOne(watching, rate, percent, repeats, shared, report);
      }
    }
  }
  (void)::munmap(at, sizeof(Shared));
}

}  // namespace fodc::bench
