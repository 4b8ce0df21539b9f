// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/memwatch.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <thread>
#include <utility>

#include "deadline.h"
#include "edge.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "memory_reserve.h"
#include "memory_sampler.h"
#include "memwatch_core.h"
#include "memwatch_impl.h"
#include "own_thread.h"
#include "watch.h"
#include "watch_waiter.h"

namespace fodc::guard {
namespace {

constexpr std::array<std::pair<MemorySource, std::string_view>, 6> kSources = {
    {{MemorySource::kAuto, "auto"},
     {MemorySource::kCgroup, "cgroup"},
     {MemorySource::kRss, "rss"},
     {MemorySource::kHeapJemalloc, "heap-jemalloc"},
     {MemorySource::kHeapTcmalloc, "heap-tcmalloc"},
     {MemorySource::kHeapGlibc, "heap-glibc"}}};

bool IsOff(const MemoryThreshold& t) { return t.bytes == 0 && t.percent == 0; }

}  // namespace

std::string_view MemoryLevelName(MemoryLevel level) noexcept {
  switch (level) {
    case MemoryLevel::kNormal:
      return "normal";
    case MemoryLevel::kSoft:
      return "soft";
    case MemoryLevel::kHard:
      return "hard";
  }
  return "normal";
}

std::string_view MemorySourceName(MemorySource source) noexcept {
  for (const auto& [value, name] : kSources) {
    if (value == source) return name;
  }
  return "auto";
}

Result<MemorySource> ParseMemorySource(std::string_view text) noexcept {
  return AtEdge([text]() -> Result<MemorySource> {
    for (const auto& [value, name] : kSources) {
      if (name == text) return value;
    }
    return InvalidArgument(
        StrCat("memory source \"", text.substr(0, 64),
               "\" is none of auto, cgroup, rss, heap-jemalloc, "
               "heap-tcmalloc, heap-glibc"));
  });
}

struct Memwatch::Impl {
  MemwatchOptions options;
  std::unique_ptr<Watch> watch;  // none: off
  MemoryReserve reserve;         // what the shutdown needs
  Deadline deadline;
  std::thread thread;
  std::atomic<std::thread::id> loop{};
  std::atomic<bool> started{false};
  std::atomic<bool> done{false};
  // Of what Start makes and Stop ends, and of the threads; never on the way of
  // a sample or of an allocation.
  Mutex life_mutex;
  std::atomic<bool> stopped{false};

  void SetDone() {
    done.store(true);
    done.notify_all();
  }

  int ExitCode() const {
    if (options.life == nullptr) return 2;
    (void)options.life->End(ExitCause::kPressure);
    const bool pressure = options.life->cause() == ExitCause::kPressure;
    return pressure ? options.life->pressure_exit_code() : 1;
  }

  void AskForRealTime() const {
    if (options.realtime_priority <= 0) return;
    const sched_param param = {.sched_priority = options.realtime_priority};
    const int err =
        ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &param);
    if (err == 0) return;
    watch->report().Warn("real-time priority is refused",
                         ErrnoStatus(err, "pthread_setschedparam"));
  }

  void Run() {
    loop = std::this_thread::get_id();
    AskForRealTime();
    const bool fired = watch->Run([this] {
      reserve.GiveBack();
      deadline.Arm();
    });
    if (fired && options.life != nullptr) {
      (void)options.life->End(ExitCause::kPressure);
    }
    SetDone();
    if (!fired) return;
    deadline.RunFlush([this] {
      watch->report().Say(EventLevel::kError,
                          "shutdown deadline passed: leaving at once", "after",
                          FormatGoDuration(options.deadline));
      if (options.flush) options.flush();
    });
  }

  Status Start() {
    if (started.exchange(true)) return OkStatus();
    if (watch == nullptr || stopped) {
      SetDone();
      return OkStatus();
    }
    watch->Begin();
    const Status reserved = reserve.Take(options.reserve_bytes);
    if (!reserved.ok()) watch->report().Warn("no memory reserve", reserved);
    const MutexLock lock(life_mutex);
    if (stopped) return OkStatus();  // which has set it done
    if (options.deadline > std::chrono::nanoseconds(0)) {
      const Status kept =
          deadline.Start(options.deadline, [this] { return ExitCode(); });
      if (!kept.ok()) return Fail(kept);
    }
    const Status begun =
        StartThread(&thread, "fodc-memwatch", [this] { Run(); });
    return begun.ok() ? begun : Fail(begun);
  }

  Status Fail(const Status& error) {
    SetDone();
    return error;
  }

  void Stop() {
    if (watch != nullptr) watch->Stop();
    if (loop.load() == std::this_thread::get_id()) return;
    const MutexLock lock(life_mutex);
    stopped = true;
    // A callback that never returns is what the deadline is for.
    if (thread.joinable()) done.wait(false);
    deadline.Stop();
    if (thread.joinable()) thread.join();
    SetDone();
  }
};

Memwatch::Memwatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Memwatch::~Memwatch() { Stop(); }

Result<std::unique_ptr<Memwatch>> MakeMemwatch(
    MemwatchOptions options, std::unique_ptr<MemorySampler> sampler,
    std::unique_ptr<WatchWaiter> waiter) {
  auto impl = std::make_unique<Memwatch::Impl>();
  impl->options = std::move(options);
  MemwatchOptions& o = impl->options;
  if (o.clock == nullptr) o.clock = &SystemClock();
  FODC_ASSIGN_OR_RETURN(CoreSettings settings, ToCoreSettings(o));
  if (!IsOff(o.hard) || !IsOff(o.soft)) {
    settings.in_crash_loop = o.crash_loop_guard && o.life != nullptr &&
                             o.life->pressure_streak() >= Life::kPressureLoop;
    if (sampler == nullptr) {
      FODC_ASSIGN_OR_RETURN(sampler, MakeMemorySampler(o.source, *o.clock));
    }
    if (waiter == nullptr) {
      FODC_ASSIGN_OR_RETURN(waiter, MakeWatchWaiter());
    }
    const MemwatchCore core(settings);
    const std::uint64_t hard = core.HardBytes(sampler->limit_bytes());
    const std::uint64_t soft = core.SoftBytes(sampler->limit_bytes());
    if (hard > 0 && soft >= hard) {
      return InvalidArgument(StrCat("threshold soft, ", soft,
                                    " bytes, is not below threshold hard, ",
                                    hard));
    }
    impl->watch = std::make_unique<Watch>(o, settings, std::move(sampler),
                                          std::move(waiter));
  }
  return std::unique_ptr<Memwatch>(new Memwatch(std::move(impl)));
}

Result<std::unique_ptr<Memwatch>> Memwatch::Create(
    MemwatchOptions options) noexcept {
  return AtEdge([&] { return MakeMemwatch(std::move(options), {}, {}); });
}

bool Memwatch::enabled() const noexcept { return impl_->watch != nullptr; }

Status Memwatch::Subscribe(LevelCallback callback) noexcept {
  return AtEdge([&]() -> Status {
    if (impl_->started) {
      return FailedPrecondition("subscribe before the watchdog starts");
    }
    if (impl_->watch != nullptr) impl_->watch->Subscribe(std::move(callback));
    return OkStatus();
  });
}

Status Memwatch::Start() noexcept {
  return AtEdge([this] { return impl_->Start(); });
}

void Memwatch::Stop() noexcept { impl_->Stop(); }

bool Memwatch::done() const noexcept { return impl_->done; }
void Memwatch::WaitDone() const noexcept { impl_->done.wait(false); }

MemoryLevel Memwatch::level() const noexcept {
  return impl_->watch == nullptr ? MemoryLevel::kNormal : impl_->watch->level();
}

MemoryState Memwatch::state() const noexcept {
  return impl_->watch == nullptr ? MemoryState() : impl_->watch->state();
}

}  // namespace fodc::guard
