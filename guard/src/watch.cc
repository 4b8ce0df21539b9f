// SPDX-License-Identifier: Apache-2.0
#include "watch.h"

#include <utility>

#include "edge.h"

namespace fodc::guard {
namespace {

constexpr std::chrono::seconds kLimitsEvery{30};
// The numbers that nothing is decided by; half of what a sample costs.
constexpr std::chrono::seconds kKernelEvery{1};
constexpr std::uint64_t kNone = UINT64_MAX;

std::optional<std::uint64_t> Known(const std::atomic<std::uint64_t>& v) {
  const std::uint64_t value = v.load(std::memory_order_relaxed);
  if (value == kNone) return {};
  return value;
}

// Errors: what the host's callback throws.
template <typename Callback, typename... Args>
Status CallHost(const Callback& callback, const Args&... args) {
  if (!callback) return OkStatus();
  return AtEdge([&]() -> Status {
    callback(args...);
    return OkStatus();
  });
}

}  // namespace

Watch::Watch(const MemwatchOptions& options, const CoreSettings& settings,
             std::unique_ptr<MemorySampler> sampler,
             std::unique_ptr<WatchWaiter> waiter)
    : options_(options),
      clock_(*options.clock),
      core_(settings),
      sampler_(std::move(sampler)),
      waiter_(std::move(waiter)),
      report_(&options.events, options.metrics,
              options.pressure_profiler_gauges),
      started_(clock_.Monotonic()),
      limits_read_(started_),
      events_wanted_(options.kernel_events),
      bytes_(kNone),
      rss_bytes_(kNone),
      cgroup_bytes_(kNone),
      limit_bytes_(sampler_->limit_bytes()),
      threshold_bytes_(core_.HardBytes(sampler_->limit_bytes())),
      seconds_to_limit_(-1) {
  source_ = sampler_->source();
}

void Watch::Begin() {
  report_.Enabled(*sampler_, core_, options_.adaptive);
  if (!sampler_->has_cgroup_limit()) {
    report_.Say(EventLevel::kInfo, "no memory limit above this process",
                "instead", "physical memory");
  }
  CheckLines();
  if (!events_wanted_) return;
  AskForEvents();
  const Result<std::string> stalls =
      waiter_->WatchStalls(sampler_->unified_group());
  if (stalls.ok()) {
    report_.Say(EventLevel::kInfo, "memory stalls are watched", "trigger",
                *stalls);
  } else {
    report_.Warn("memory stalls are not watched", stalls.status());
  }
}

void Watch::CheckLines() const {
  const std::uint64_t limit = sampler_->limit_bytes();
  const std::uint64_t soft = core_.SoftBytes(limit);
  if (soft == 0 || options_.soft_limit_bytes < soft) return;
  report_.LinesDoNotRise(options_.soft_limit_bytes, soft,
                         core_.HardBytes(limit));
}

void Watch::AskForEvents() {
  if (!events_wanted_ || !sampler_->has_cgroup_limit()) return;
  const std::uint64_t limit = sampler_->limit_bytes();
  const Status asked = waiter_->WatchGroup(
      *sampler_->group(), core_.SoftBytes(limit), core_.HardBytes(limit));
  if (asked.ok()) return;
  events_wanted_ = false;
  report_.Warn("memory events of the kernel are not watched", asked);
}

bool Watch::Run(const std::function<void()>& before_callback) {
  for (;;) {
    const CoreDecision d = Sample();
    if (d.fire) {
      Fire(d, before_callback);
      return true;
    }
    if (d.level != d.before) TellSubscribers(d.before, last_);
    const WatchWaiter::Woke woke =
        waiter_->Wait(d.wait, core_.cadence().shortest);
    if (woke == WatchWaiter::Woke::kStop) return false;
    report_.KernelEvent(woke);
  }
}

CoreDecision Watch::Sample() {
  const MonotonicTime now = clock_.Monotonic();
  // Where there is no memory for the words of an error, it goes on without: it
  // must not be the watchdog that ends the process.
  Quietly([&] { ReadLimitsIfDue(now); });
  MemorySampler::Sample sample;
  Quietly([&] { sample = sampler_->Read(); });
  const MemorySource source = sampler_->source();
  if (!sample.bytes) {
    report_.SourceFailed(source, false);
    if (!last_failed_) {
      Quietly([&] {
        report_.Warn("memory source failed", sampler_->last_error());
      });
    }
  }
  last_failed_ = !sample.bytes;

  CoreSample s;
  s.at = now;
  s.age = options_.life != nullptr ? options_.life->age() : now - started_;
  s.bytes = sample.bytes;
  s.limit_bytes = sampler_->limit_bytes();
  const CoreDecision d = core_.Step(s);
  ReadKernelIfDue(now, d.fire);
  if (source == MemorySource::kRss) kernel_.rss_bytes = sample.bytes;
  if (source == MemorySource::kCgroup) kernel_.cgroup_bytes = sample.bytes;
  last_ = {.level = d.level,
           .source = source,
           .bytes = sample.bytes,
           .rss_bytes = kernel_.rss_bytes,
           .cgroup_bytes = kernel_.cgroup_bytes,
           .limit_bytes = s.limit_bytes,
           .threshold_bytes = d.hard_bytes,
           .seconds_to_limit = d.seconds_to_limit};
  Publish(last_);
  report_.Sampled(last_, d, sampler_->has_cgroup_limit());
  if (d.over_at_start) report_.OverAtStart(last_);
  if (d.unknown && d.unknown_changed) Replace("it failed too often");
  if (sample.too_slow) {
    report_.SourceFailed(source, true);
    Replace("a sample took more than 20 ms");
  }
  return d;
}

void Watch::ReadKernelIfDue(MonotonicTime now, bool anyway) {
  if (!anyway && kernel_read_ && now - *kernel_read_ < kKernelEvery) return;
  kernel_read_ = now;
  Quietly([&] { kernel_ = sampler_->ReadKernel(); });
}

void Watch::Replace(std::string_view reason) {
  const MemorySource before = sampler_->source();
  if (!sampler_->FallBack()) return;
  core_.ForgetHistory();
  core_.SetShortestWait(Memwatch::kMinPollInterval);
  last_failed_ = false;
  report_.SourceReplaced(before, sampler_->source(), reason);
}

void Watch::ReadLimitsIfDue(MonotonicTime now) {
  if (now - limits_read_ < kLimitsEvery) return;
  limits_read_ = now;
  const std::uint64_t before = sampler_->limit_bytes();
  const MemorySource source = sampler_->source();
  sampler_->ReadLimits();
  if (sampler_->source() != source) {
    core_.ForgetHistory();
    report_.SourceReplaced(source, sampler_->source(), "the limit changed");
  }
  if (sampler_->limit_bytes() == before) return;
  report_.LimitChanged(before, sampler_->limit_bytes());
  CheckLines();
  AskForEvents();
}

void Watch::Publish(const MemoryState& s) {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  level_.store(s.level, kRelaxed);
  source_.store(s.source, kRelaxed);
  bytes_.store(s.bytes.value_or(kNone), kRelaxed);
  rss_bytes_.store(s.rss_bytes.value_or(kNone), kRelaxed);
  cgroup_bytes_.store(s.cgroup_bytes.value_or(kNone), kRelaxed);
  limit_bytes_.store(s.limit_bytes, kRelaxed);
  threshold_bytes_.store(s.threshold_bytes, kRelaxed);
  seconds_to_limit_.store(s.seconds_to_limit.value_or(-1), kRelaxed);
  if (options_.life == nullptr) return;
  options_.life->Note({.rss_bytes = s.rss_bytes.value_or(0),
                       .limit_bytes = s.limit_bytes,
                       .threshold_bytes = s.threshold_bytes});
}

MemoryState Watch::state() const {
  constexpr auto kRelaxed = std::memory_order_relaxed;
  MemoryState s;
  s.level = level_.load(kRelaxed);
  s.source = source_.load(kRelaxed);
  s.bytes = Known(bytes_);
  s.rss_bytes = Known(rss_bytes_);
  s.cgroup_bytes = Known(cgroup_bytes_);
  s.limit_bytes = limit_bytes_.load(kRelaxed);
  s.threshold_bytes = threshold_bytes_.load(kRelaxed);
  const double seconds = seconds_to_limit_.load(kRelaxed);
  if (seconds >= 0) s.seconds_to_limit = seconds;
  return s;
}

void Watch::TellSubscribers(MemoryLevel before,
                            const MemoryState& state) const {
  for (const LevelCallback& s : subscribers_) {
    const Status told = CallHost(s, before, state);
    if (!told.ok()) report_.Warn("a subscriber of levels threw", told);
  }
}

void Watch::Fire(const CoreDecision& decision,
                 const std::function<void()>& before_callback) {
  if (options_.life != nullptr) {
    (void)options_.life->Claim(ExitCause::kPressure);
  }
  before_callback();
  report_.Fired(last_);
  TellSubscribers(decision.before, last_);
  const Status called = CallHost(options_.on_pressure, last_);
  if (!called.ok()) report_.Warn("on_pressure threw", called);
}

}  // namespace fodc::guard
