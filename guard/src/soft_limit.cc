// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/soft_limit.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <optional>
#include <thread>
#include <utility>

#include "edge.h"
#include "fodc/base/memory_gauge.h"
#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "heap.h"
#include "own_thread.h"
#include "soft_rounds.h"

namespace fodc::guard {
namespace {

constexpr double kDerivedPercent = 72;
constexpr std::chrono::seconds kLookEvery{1};
constexpr std::chrono::seconds kLimitsEvery{30};

std::uint64_t Share(std::uint64_t bytes, double percent) {
  return static_cast<std::uint64_t>(
      std::llround(static_cast<double>(bytes) / 100 * percent));
}

// 0: off.
std::uint64_t LineOf(const SoftLimit& limit, const MemoryGauge& gauge) {
  switch (limit.kind) {
    case SoftLimit::Kind::kOff:
      return 0;
    case SoftLimit::Kind::kBytes:
      return limit.bytes;
    case SoftLimit::Kind::kPercent:
      return Share(gauge.limit_bytes(), limit.percent);
    case SoftLimit::Kind::kDerived:
      return gauge.has_cgroup_limit()
                 ? Share(gauge.limit_bytes(), kDerivedPercent)
                 : 0;
  }
  return 0;
}

std::string Text(std::uint64_t n) { return StrCat(n); }

}  // namespace

struct SoftLimiter::Impl {
  explicit Impl(MemoryGauge g) : gauge(std::move(g)) {}

  SoftLimiterOptions options;
  const Clock* clock = nullptr;
  MemoryGauge gauge;  // of the thread, once that runs
  std::unique_ptr<SoftRounds> rounds;
  std::atomic<std::uint64_t> line_bytes{0};
  Counter* caches = nullptr;
  Counter* allocator = nullptr;
  UniqueFd wake;
  std::optional<MonotonicTime> last_round;  // of the thread
  std::atomic<bool> level_changed{false};
  std::atomic<bool> stopped{false};
  std::atomic<bool> started{false};
  Mutex thread_mutex;
  std::thread thread;

  void Init() {
    std::unique_ptr<Heap> heap;
    bool slow = false;
    for (const MemorySource s :
         {MemorySource::kHeapJemalloc, MemorySource::kHeapTcmalloc,
          MemorySource::kHeapGlibc}) {
      heap = FindHeap(s);
      slow = s == MemorySource::kHeapGlibc;
      if (heap != nullptr) break;
    }
    rounds = std::make_unique<SoftRounds>([this] { return Measure(); },
                                          std::move(heap), slow);
    if (options.metrics == nullptr) return;
    constexpr std::string_view kName =
        "fodc_guard_memory_reclaimed_bytes_total";
    auto found = options.metrics->FindCounter(kName, {{"step", "caches"}});
    if (found.ok()) caches = *found;
    found = options.metrics->FindCounter(kName, {{"step", "allocator"}});
    if (found.ok()) allocator = *found;
  }

  std::optional<MemoryMeasure> Measure() {
    const std::optional<std::uint64_t> bytes = gauge.ReadBytes();
    if (!bytes) return {};
    return MemoryMeasure{*bytes, gauge.ReadResident().value_or(0)};
  }

  void Run() {
    MonotonicTime limits_read = clock->Monotonic();
    while (!stopped) {
      const MonotonicTime now = clock->Monotonic();
      if (level_changed.exchange(false)) rounds->TryAgain();
      // Without memory for what it tells, the next look may have some.
      Quietly([&] {
        if (now - limits_read >= kLimitsEvery) {
          limits_read = now;
          gauge.ReadLimits();
          line_bytes = LineOf(options.limit, gauge);
        }
        if (Look()) last_round = now;
      });
      Wait(now);
    }
  }

  // True if it made a round.
  bool Look() {
    if (line_bytes == 0) return false;
    const SoftRounds::Outcome o =
        rounds->Look({line_bytes, gauge.limit_bytes()});
    if (!o.round) return false;
    if (caches != nullptr) caches->Add(o.from_caches_bytes);
    if (allocator != nullptr) allocator->Add(o.from_allocator_bytes);
    const std::string from_caches = Text(o.from_caches_bytes);
    const std::string from_allocator = Text(o.from_allocator_bytes);
    const std::string line = Text(line_bytes);
    const EventField fields[] = {
        {"soft_limit_bytes", line, true},
        {"from_caches_bytes", from_caches, true},
        {"from_allocator_bytes", from_allocator, true}};
    Tell(options.events,
         {o.gave_up ? EventLevel::kWarn : EventLevel::kInfo,
          o.gave_up ? "soft memory limit: nothing is left to give back"
                    : "soft memory limit: gave memory back",
          fields});
    return true;
  }

  // Until a second after the look at `looked`, or a change of level; at most
  // one round a second, whatever wakes it.
  void Wait(MonotonicTime looked) {
    MonotonicTime until = looked + kLookEvery;
    for (;;) {
      if (level_changed) {
        until = last_round ? std::min(until, *last_round + kLookEvery) : looked;
      }
      const std::chrono::nanoseconds left = until - clock->Monotonic();
      if (stopped || left <= std::chrono::nanoseconds(0)) return;
      pollfd fd = {wake.get(), POLLIN, 0};
      timespec timeout{};
      timeout.tv_sec = left.count() / 1'000'000'000;
      timeout.tv_nsec = left.count() % 1'000'000'000;
      if (::ppoll(&fd, 1, &timeout, nullptr) <= 0) continue;
      std::uint64_t count = 0;
      (void)!::read(wake.get(), &count, sizeof count);
    }
  }

  void Wake() const {
    const std::uint64_t one = 1;
    if (wake.ok()) (void)!::write(wake.get(), &one, sizeof one);
  }
};

SoftLimiter::SoftLimiter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SoftLimiter::~SoftLimiter() { Stop(); }

Result<std::unique_ptr<SoftLimiter>> SoftLimiter::Create(
    SoftLimiterOptions options) noexcept {
  return AtEdge([&]() -> Result<std::unique_ptr<SoftLimiter>> {
    const SoftLimit& limit = options.limit;
    if (limit.kind == SoftLimit::Kind::kPercent &&
        !(limit.percent >= 1 && limit.percent <= 100)) {
      return InvalidArgument("soft limit: per cent are from 1 to 100");
    }
    FODC_ASSIGN_OR_RETURN(MemoryGauge gauge, MemoryGauge::Open({}));
    auto impl = std::make_unique<Impl>(std::move(gauge));
    impl->options = std::move(options);
    impl->clock =
        impl->options.clock != nullptr ? impl->options.clock : &SystemClock();
    impl->line_bytes = LineOf(impl->options.limit, impl->gauge);
    if (impl->line_bytes > impl->gauge.limit_bytes()) {
      return InvalidArgument(StrCat("soft limit ", impl->line_bytes.load(),
                                    " is above the memory limit ",
                                    impl->gauge.limit_bytes()));
    }
    impl->Init();
    impl->wake.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!impl->wake.ok()) return ErrnoStatus(errno, "eventfd");
    return std::unique_ptr<SoftLimiter>(new SoftLimiter(std::move(impl)));
  });
}

bool SoftLimiter::enabled() const noexcept { return limit_bytes() > 0; }
std::uint64_t SoftLimiter::limit_bytes() const noexcept {
  return impl_->line_bytes;
}

Status SoftLimiter::AddCache(ReclaimableCache cache) noexcept {
  return AtEdge([&]() -> Status {
    if (impl_->started) {
      return FailedPrecondition("add caches before the soft limit starts");
    }
    if (cache.minimum_bytes > cache.budget_bytes) {
      return InvalidArgument(
          StrCat("cache ", cache.name, ": minimum ", cache.minimum_bytes,
                 " is above its budget ", cache.budget_bytes));
    }
    impl_->rounds->AddCache(std::move(cache));
    return OkStatus();
  });
}

Status SoftLimiter::Start() noexcept {
  return AtEdge([this]() -> Status {
    if (impl_->started.exchange(true) || !enabled()) return OkStatus();
    const std::string line = Text(impl_->line_bytes);
    const EventField fields[] = {{"soft_limit_bytes", line, true}};
    Tell(impl_->options.events,
         {EventLevel::kInfo, "soft memory limit enabled", fields});
    const MutexLock lock(impl_->thread_mutex);
    if (impl_->stopped) return OkStatus();
    return StartThread(&impl_->thread, "fodc-soft-limit",
                       [impl = impl_.get()] { impl->Run(); });
  });
}

void SoftLimiter::Stop() noexcept {
  impl_->stopped = true;
  impl_->Wake();
  const MutexLock lock(impl_->thread_mutex);
  if (impl_->thread.joinable()) impl_->thread.join();
}

void SoftLimiter::OnLevel(MemoryLevel) noexcept {
  impl_->level_changed = true;
  impl_->Wake();
}

Result<std::uint64_t> CacheSize(double percent,
                                std::uint64_t override_bytes) noexcept {
  return AtEdge([=]() -> Result<std::uint64_t> {
    if (override_bytes > 0) return override_bytes;
    if (!(percent >= 1 && percent <= 90)) {
      return InvalidArgument("cache size: per cent are from 1 to 90");
    }
    FODC_ASSIGN_OR_RETURN(const MemoryGauge gauge, MemoryGauge::Open({}));
    return Share(gauge.limit_bytes(), percent);
  });
}

}  // namespace fodc::guard
