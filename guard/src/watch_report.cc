// SPDX-License-Identifier: Apache-2.0
#include "watch_report.h"

#include <array>
#include <optional>

#include "edge.h"
#include "fodc/base/strings.h"
#include "small_text.h"

namespace fodc::guard {
namespace {

constexpr std::array kSources = {
    MemorySource::kCgroup,       MemorySource::kRss,
    MemorySource::kHeapJemalloc, MemorySource::kHeapTcmalloc,
    MemorySource::kHeapGlibc,
};

std::size_t Index(MemorySource source) {
  return static_cast<std::size_t>(source);
}

// Fields whose numbers live on the stack.
class Fields {
 public:
  void Text(std::string_view key, std::string_view value) {
    fields_[used_++] = {key, value};
  }
  void Number(std::string_view key, std::optional<std::uint64_t> value) {
    if (!value) return;
    SmallText text(numbers_[used_]);
    text.Put(*value);
    fields_[used_++] = {key, text.text(), true};
  }
  std::span<const EventField> all() const { return {fields_, used_}; }

 private:
  static constexpr std::size_t kMax = 12;
  EventField fields_[kMax];
  char numbers_[kMax][24];
  std::size_t used_ = 0;
};

void PutState(const MemoryState& s, Fields* f) {
  f->Text("source", MemorySourceName(s.source));
  f->Number("bytes", s.bytes);
  f->Number("rss_bytes", s.rss_bytes);
  f->Number("cgroup_bytes", s.cgroup_bytes);
  f->Number("limit_bytes", s.limit_bytes);
  f->Number("threshold_bytes", s.threshold_bytes);
  f->Text("level", MemoryLevelName(s.level));
}

// What a threshold means, above all one that was made for another source.
std::string_view Meaning(MemorySource source) {
  switch (source) {
    case MemorySource::kCgroup:
      return "usage of the cgroup less page cache; fragments and what the "
             "allocator keeps are in it, so a threshold made for a heap is too "
             "low here";
    case MemorySource::kRss:
      return "resident pages, shared ones included; fragments and what the "
             "allocator keeps are in it, so a threshold made for a heap is too "
             "low here";
    default:
      return "heap in use; fragments and what the allocator keeps are not in "
             "it, memory never touched is: the kernel may kill below the "
             "threshold";
  }
}

template <typename Series>
void Keep(const Result<Series*>& found, Series** into) {
  if (found.ok()) *into = *found;
}

template <typename Number>
void Set(Gauge* gauge, Number value) {
  if (gauge != nullptr) gauge->Set(static_cast<double>(value));
}
template <typename Number>
void Set(Gauge* gauge, const std::optional<Number>& value) {
  if (gauge == nullptr) return;
  if (value) return gauge->Set(static_cast<double>(*value));
  gauge->Clear();
}
void Count(Counter* counter) {
  if (counter != nullptr) counter->Add();
}

}  // namespace

WatchReport::WatchReport(const EventSink* events, Metrics* metrics,
                         bool pressure_profiler_gauges)
    : events_(events) {
  if (metrics == nullptr) return;
  Metrics& m = *metrics;
  for (const MemorySource source : kSources) {
    const std::string_view name = MemorySourceName(source);
    Keep(m.FindGauge("fodc_guard_memory_bytes", {{"source", name}}),
         &source_bytes_[Index(source)]);
    Set(source_bytes_[Index(source)], std::optional<double>());
    Keep(m.FindCounter("fodc_guard_memory_source_failures_total",
                       {{"source", name}, {"reason", "read"}}),
         &failures_[Index(source)]);
  }
  Keep(m.FindCounter("fodc_guard_memory_source_failures_total",
                     {{"source", "heap-glibc"}, {"reason", "slow"}}),
       &slow_);
  Keep(m.FindGauge("fodc_guard_memory_limit_bytes"), &limit_);
  Keep(m.FindGauge("fodc_guard_memory_threshold_bytes", {{"level", "soft"}}),
       &soft_);
  Keep(m.FindGauge("fodc_guard_memory_threshold_bytes", {{"level", "hard"}}),
       &hard_);
  Keep(m.FindGauge("fodc_guard_memory_level"), &level_);
  Keep(m.FindGauge("fodc_guard_memory_seconds_to_limit"), &seconds_to_limit_);
  Keep(m.FindGauge("fodc_guard_memory_poll_interval_seconds"), &poll_interval_);
  Keep(m.FindGauge("fodc_guard_memory_source_unknown"), &unknown_);
  Keep(m.FindGauge("fodc_guard_memory_threshold_below_baseline"),
       &below_baseline_);
  Keep(m.FindCounter("fodc_guard_memory_kernel_events_total",
                     {{"event", "threshold"}}),
       &crossings_);
  Keep(m.FindCounter("fodc_guard_memory_kernel_events_total",
                     {{"event", "stall"}}),
       &stalls_);
  if (!pressure_profiler_gauges) return;
  constexpr std::string_view kRss = "process_resident_memory_bytes";
  constexpr std::string_view kLimit =
      "banyandb_memory_protector_cgroup_limit_bytes";
  if (m.Declare(kRss, "Resident memory size in bytes.", MetricType::kGauge)
          .ok()) {
    Keep(m.FindGauge(kRss), &profiler_rss_);
  }
  if (m.Declare(kLimit, "Limit of the memory cgroup in bytes.",
                MetricType::kGauge)
          .ok()) {
    Keep(m.FindGauge(kLimit), &profiler_limit_);
  }
}

void WatchReport::Enabled(const MemorySampler& sampler,
                          const MemwatchCore& core, bool adaptive) const {
  const std::uint64_t limit = sampler.limit_bytes();
  const std::uint64_t hard = core.HardBytes(limit);
  const std::string interval = FormatGoDuration(core.cadence().longest);
  Fields f;
  f.Number("threshold_bytes", hard);
  f.Text("poll_interval", interval);
  f.Number("soft_bytes", core.SoftBytes(limit));
  f.Number("limit_bytes", limit);
  f.Text("limit", sampler.has_cgroup_limit() ? "cgroup" : "physical memory");
  f.Text("cadence", adaptive ? "adaptive" : "fixed");
  f.Text("source", MemorySourceName(sampler.source()));
  f.Text("measures", Meaning(sampler.source()));
  Tell(*events_, {EventLevel::kInfo, "memory watchdog enabled", f.all()});
  if (sampler.source() == MemorySource::kHeapGlibc) {
    Say(EventLevel::kWarn, "memory source stops all threads that allocate",
        "source", MemorySourceName(sampler.source()));
  }
  if (hard < limit) return;
  Fields late;
  late.Number("threshold_bytes", hard);
  late.Number("limit_bytes", limit);
  Tell(*events_,
       {EventLevel::kWarn,
        "memory threshold is not below the limit: the kernel is first",
        late.all()});
}

void WatchReport::LinesDoNotRise(std::uint64_t soft_limit_bytes,
                                 std::uint64_t soft_bytes,
                                 std::uint64_t hard_bytes) const {
  Fields f;
  f.Number("soft_limit_bytes", soft_limit_bytes);
  f.Number("soft_bytes", soft_bytes);
  f.Number("hard_bytes", hard_bytes);
  Tell(*events_,
       {EventLevel::kWarn,
        "the soft memory limit is not below the soft level: work is refused "
        "before memory is given back",
        f.all()});
}

void WatchReport::Sampled(const MemoryState& state,
                          const CoreDecision& decision, bool has_cgroup_limit) {
  Set(source_bytes_[Index(MemorySource::kCgroup)], state.cgroup_bytes);
  Set(source_bytes_[Index(MemorySource::kRss)], state.rss_bytes);
  Set(source_bytes_[Index(state.source)], state.bytes);
  Set(limit_, state.limit_bytes);
  Set(soft_, decision.soft_bytes);
  Set(hard_, decision.hard_bytes);
  Set(level_, static_cast<int>(decision.level));
  Set(seconds_to_limit_, decision.seconds_to_limit);
  Set(poll_interval_, std::chrono::duration<double>(decision.wait).count());
  Set(unknown_, decision.unknown ? 1 : 0);
  Set(below_baseline_, decision.below_baseline ? 1 : 0);
  Set(profiler_rss_, state.rss_bytes);
  // Only a limit of the cgroup's: an agent takes 0 for none.
  Set(profiler_limit_, has_cgroup_limit ? state.limit_bytes : 0);
  SayChanges(state, decision);
}

void WatchReport::SayChanges(const MemoryState& state,
                             const CoreDecision& decision) {
  if (decision.unknown_changed) {
    Say(EventLevel::kWarn,
        decision.unknown ? "memory is not known: the watchdog is blind"
                         : "memory is known again",
        "source", MemorySourceName(state.source));
  }
  if (decision.below_baseline && !said_below_baseline_) {
    said_below_baseline_ = true;
    Fields f;
    PutState(state, &f);
    Tell(*events_,
         {EventLevel::kWarn,
          "memory threshold below baseline: not stopping again", f.all()});
  }
  if (decision.level == decision.before ||
      decision.level == MemoryLevel::kHard) {
    return;  // the shutdown has a line of its own
  }
  Fields f;
  f.Text("before", MemoryLevelName(decision.before));
  PutState(state, &f);
  Tell(*events_, {EventLevel::kInfo, "memory level changed", f.all()});
}

void WatchReport::KernelEvent(WatchWaiter::Woke woke) const {
  if (woke == WatchWaiter::Woke::kThreshold) Count(crossings_);
  if (woke == WatchWaiter::Woke::kStall) Count(stalls_);
}

void WatchReport::Fired(const MemoryState& state) const {
  Fields f;
  PutState(state, &f);
  Tell(*events_, {EventLevel::kWarn, "memory pressure shutdown", f.all()});
}

void WatchReport::OverAtStart(const MemoryState& state) const {
  Fields f;
  f.Number("baseline_bytes", state.bytes);
  f.Number("threshold_bytes", state.threshold_bytes);
  Tell(*events_, {EventLevel::kWarn,
                  "memory is over the threshold right at the start", f.all()});
}

void WatchReport::SourceFailed(MemorySource source, bool slow) const {
  Count(slow ? slow_ : failures_[Index(source)]);
}

void WatchReport::SourceReplaced(MemorySource from, MemorySource to,
                                 std::string_view reason) const {
  Fields f;
  f.Text("before", MemorySourceName(from));
  f.Text("source", MemorySourceName(to));
  f.Text("reason", reason);
  f.Text("measures", Meaning(to));
  Tell(*events_, {EventLevel::kWarn, "memory source replaced", f.all()});
}

void WatchReport::LimitChanged(std::uint64_t before,
                               std::uint64_t after) const {
  Fields f;
  f.Number("before", before);
  f.Number("limit_bytes", after);
  Tell(*events_, {EventLevel::kInfo, "memory limit changed", f.all()});
}

void WatchReport::Say(EventLevel level, std::string_view message,
                      std::string_view key, std::string_view value) const {
  const EventField fields[] = {{key, value}};
  Tell(*events_, {level, message, fields});
}

void WatchReport::Warn(std::string_view message, const Status& error) const {
  Say(EventLevel::kWarn, message, "error", error.ToString());
}

}  // namespace fodc::guard
