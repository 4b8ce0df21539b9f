// SPDX-License-Identifier: Apache-2.0
// The watchdog of the process's own memory: below its limit it asks once for
// the ordinary stop, so that the kernel need not kill. It stops nothing itself:
// the host's callback does, as on SIGTERM.
//
// It is safe only while  rate * (wait + time until growth stops) is less than
// limit - threshold; hence the adaptive wait.
//
// Does not see: memory of other processes in the same cgroup, save under the
// limit that they share. A child made by fork has no watchdog.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/guard/event.h"
#include "fodc/guard/exit_cause.h"
#include "fodc/guard/memory_level.h"
#include "fodc/guard/metrics.h"

namespace fodc::guard {

class MemorySampler;  // seams for tests
class WatchWaiter;

std::string_view MemoryLevelName(MemoryLevel level) noexcept;

// What is compared with the threshold. A threshold that was made for a heap
// means something else for the kernel's numbers: fragments and what the
// allocator keeps are in those, memory that was never touched is not.
enum class MemorySource : std::uint8_t {
  kAuto,          // kCgroup under a finite limit, else kRss
  kCgroup,        // the charge: usage less page cache (and, v2, slab)
  kRss,           // resident pages of this process
  kHeapJemalloc,  // stats.active; 30 to 110 us a sample
  kHeapTcmalloc,  // gperftools or tcmalloc; 10 us a sample
  kHeapGlibc,  // mallinfo2: stops all that allocate, up to 0.5 s. Polled once
               // a second at most, dropped after a sample of 20 ms.
};
// "auto", "cgroup", "rss", "heap-jemalloc", "heap-tcmalloc", "heap-glibc".
std::string_view MemorySourceName(MemorySource source) noexcept;
// Errors: kInvalidArgument naming the text and what there is.
Result<MemorySource> ParseMemorySource(std::string_view name) noexcept;

// Either bytes or per cent of the limit (of physical memory without one); both
// 0: off.
struct MemoryThreshold {
  std::uint64_t bytes = 0;
  double percent = 0;  // 1 to 100
};

// What is known at a sample. Absent, not 0, is what cannot be had. What is not
// of the source may be a second old, save when the watchdog fires.
struct MemoryState {
  MemoryLevel level = MemoryLevel::kNormal;
  MemorySource source = MemorySource::kRss;  // never kAuto
  std::optional<std::uint64_t> bytes;        // of that source
  std::optional<std::uint64_t> rss_bytes;
  std::optional<std::uint64_t> cgroup_bytes;  // the charge
  std::uint64_t limit_bytes = 0;
  std::uint64_t threshold_bytes = 0;  // of the hard level; 0 if off
  std::optional<double> seconds_to_limit;
};

// On the watchdog's thread; must not block for long, and not stop or destroy
// the watchdog. What it throws is said in an event and goes no further.
using PressureCallback = std::function<void(const MemoryState&)>;
using LevelCallback =
    std::function<void(MemoryLevel before, const MemoryState&)>;

struct MemwatchOptions {
  MemoryThreshold hard = {};  // off: no thread, no descriptor
  MemoryThreshold soft = {};  // off: 8/9 of hard (80 % for 90 %)
  MemorySource source = MemorySource::kAuto;
  // Where the host begins to give memory back (SoftLimiter::limit_bytes); 0:
  // nowhere. Only to be compared: one that is not below the soft level is said,
  // since the node then refuses work before it gave anything back.
  std::uint64_t soft_limit_bytes = 0;

  // The longest wait between two samples; 0 and less: 1 s; 10 ms to a day.
  std::chrono::nanoseconds poll_interval = std::chrono::seconds(1);
  // Waits less as memory nears the threshold: headroom by an assumed fill of
  // 6000 MiB/s, or twice the fastest of the last minute.
  bool adaptive = true;
  // Enters soft when one more step like the last would pass the limit less
  // `predict_margin_bytes` (at most 1/8 of the limit). Never fires hard.
  bool predict = true;
  std::uint64_t predict_margin_bytes = 64ull << 20;

  // Called once, at or above hard.
  PressureCallback on_pressure = {};
  // From right before on_pressure, whether that returns, throws or hangs: when
  // this has passed and the watchdog was not stopped, the process leaves with
  // _exit(exit code of pressure). If on_pressure has returned, `flush` runs
  // before that, for a second at most. 0: never.
  std::chrono::nanoseconds deadline = std::chrono::seconds(10);
  std::function<void()> flush = {};
  // Touched at Start, given back right before on_pressure. 0: none.
  std::uint64_t reserve_bytes = 8ull << 20;

  // Gets the cause when it fires, knows whether the last lives ended the same
  // way, and how this one is to exit. None: code 2, no memory of lives.
  // Outlives the watchdog.
  Life* life = nullptr;
  // When three lives before ended by pressure in their first minute, do not
  // fire until memory was seen below hard after the first minute of this one.
  bool crash_loop_guard = true;

  // Samples at once when the kernel says that usage crosses a level (cgroup v1)
  // or that work stalls for memory (PSI), but not sooner after the sample
  // before than the source may be asked: 10 ms, kHeapGlibc 1 s. Never acts on
  // that alone.
  bool kernel_events = true;
  // SCHED_FIFO of this priority for the thread; refused: said, not fatal.
  int realtime_priority = 0;
  // So many failed samples in a row make the memory unknown (and a source that
  // was chosen by kAuto is left for the next).
  int failures_to_unknown = 10;

  // Also keeps process_resident_memory_bytes and
  // banyandb_memory_protector_cgroup_limit_bytes (0 without a limit of the
  // cgroup's) in `metrics`: what the pressure profiler of an agent reads.
  bool pressure_profiler_gauges = false;

  EventSink events = {};
  Metrics* metrics = nullptr;    // outlives the watchdog
  const Clock* clock = nullptr;  // none: the machine's
};

// Sets what the environment gives: <prefix>_MEMORY_SHUTDOWN_THRESHOLD_MB (MiB;
// empty or 0: off) and <prefix>_MEMORY_SHUTDOWN_POLL_INTERVAL (a Go duration).
// A bad value is said in an event of `options->events` and leaves the watchdog
// off, or the interval at 1 s: a typo never stops a process.
void ReadMemwatchEnvironment(MemwatchOptions* options,
                             std::string_view prefix = "FODC_GUARD") noexcept;

// Thread-safe. Nothing is allocated between Start and the callback (save when
// the process was moved to another cgroup), and no lock is taken that an
// allocator takes.
class Memwatch {
 public:
  static constexpr std::chrono::milliseconds kMinPollInterval{10};

  // Errors: kInvalidArgument for a threshold that is no per cent from 1 to 100
  // or given twice, or levels that do not rise; kNotFound for a source that
  // this process does not have; else as open(2).
  static Result<std::unique_ptr<Memwatch>> Create(
      MemwatchOptions options) noexcept;
  ~Memwatch();  // as Stop
  Memwatch(const Memwatch&) = delete;
  Memwatch& operator=(const Memwatch&) = delete;

  bool enabled() const noexcept;

  // Adds one who learns of each change of level, hard included (before
  // on_pressure). Errors: kFailedPrecondition after Start; kResourceExhausted.
  Status Subscribe(LevelCallback callback) noexcept;

  // Says the settings in force ("memory watchdog enabled") and begins. The
  // first sample is taken before the first wait. A second call does nothing,
  // nor does one after Stop; off, it is done at once.
  // Errors: kResourceExhausted without a thread.
  Status Start() noexcept;
  // Ends the loop, and the deadline if that runs: a host that stops in good
  // order calls it last. Waits for a callback that runs, while the deadline
  // goes on. Any number of threads may call it; all return once the loop is
  // over.
  void Stop() noexcept;

  // The loop is over: it fired, was stopped (started or not), or was off.
  bool done() const noexcept;
  void WaitDone() const noexcept;

  MemoryLevel level() const noexcept;
  MemoryState state() const noexcept;  // of the last sample

 private:
  struct Impl;
  explicit Memwatch(std::unique_ptr<Impl> impl);
  friend Result<std::unique_ptr<Memwatch>> MakeMemwatch(
      MemwatchOptions options, std::unique_ptr<MemorySampler> sampler,
      std::unique_ptr<WatchWaiter> waiter);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::guard
