// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/kernel_samples.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <optional>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/collect/kernel_families.h"
#include "fodc/exposition/number.h"

namespace fodc::collect {
namespace {

using kernel::LatencyHistogram;

using Labels =
    std::initializer_list<std::pair<std::string_view, std::string_view>>;

// Every reason that room kernel and kernel_reader.cc give. The last stands for
// words that are not here.
constexpr auto kReasons = std::to_array<std::string_view>(
    {"no_target", "no_cgroup2", "root_cgroup", "foreign_process",
     "several_cgroups", "too_many_processes", "cgroup_path", "pid_namespace",
     "no_program", "no_btf", "no_permission", "no_tracepoint", "refused",
     "disabled", "no_memory", "bad_interval", "too_many_targets", "other"});

std::size_t ReasonIndex(std::string_view reason) {
  const auto at = std::find(kReasons.begin(), kReasons.end(), reason);
  return std::min<std::size_t>(static_cast<std::size_t>(at - kReasons.begin()),
                               kReasons.size() - 1);
}

std::string BoundText(std::uint64_t ns) {
  std::string text;
  exposition::AppendNumber(&text, static_cast<double>(ns) / 1e9);
  return text;
}

double Seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

// Why nothing is counted: what was refused says more than that nothing runs.
std::string_view StatusReason(const kernel::TargetReading& reading,
                              const kernel::Overview& overview) {
  if (reading.reason != "no_program") return reading.reason;
  for (const kernel::FamilyState& f : overview.families) {
    if (!f.reason.empty()) return f.reason;
  }
  return reading.reason;
}

}  // namespace

// Goes through all series, always in the same order: first declares them, later
// sets those that are there.
class KernelSamples::Walk {
 public:
  Walk(KernelSamples* samples, bool declare)
      : samples_(*samples), declare_(declare) {}

  template <typename T>
  void Value(const ReadingDesc& desc, Labels labels,
             const std::optional<T>& value) {
    Line(desc, labels,
         value ? std::optional(static_cast<double>(*value)) : std::nullopt);
  }
  void Value(const ReadingDesc& desc, Labels labels, std::uint64_t value) {
    Line(desc, labels, static_cast<double>(value));
  }
  void Value(const ReadingDesc& desc, Labels labels, double value) {
    Line(desc, labels, value);
  }

  // Null: absent. All buckets come at once: pages list series as they came, and
  // those of a histogram have to be in their order.
  void Histogram(const ReadingDesc& desc, Labels labels,
                 const LatencyHistogram* histogram) {
    const auto all = [&](double value) {
      return histogram == nullptr ? std::nullopt : std::optional(value);
    };
    std::uint64_t count = 0;
    for (std::size_t slot = 0; slot < LatencyHistogram::kSlots; ++slot) {
      if (histogram != nullptr) count += histogram->counts[slot];
      if (!samples_.options_.fine_buckets &&
          !LatencyHistogram::EndsOctave(slot)) {
        continue;
      }
      const auto bound = LatencyHistogram::UpperBoundNs(slot);
      if (!bound) continue;
      Line(desc, labels, all(static_cast<double>(count)), "_bucket", *bound);
    }
    const double total = static_cast<double>(count);
    Line(desc, labels, all(total), "_bucket", kInfinity);
    Line(desc, labels,
         all(histogram == nullptr ? 0 : Seconds(histogram->sum_ns)), "_sum");
    Line(desc, labels, all(total), "_count");
  }

 private:
  static constexpr std::uint64_t kInfinity = UINT64_MAX;

  // `bound_ns` 0: no bound.
  void Line(const ReadingDesc& desc, Labels labels, std::optional<double> value,
            std::string_view suffix = {}, std::uint64_t bound_ns = 0) {
    if (!declare_) {
      if (value) samples_.readings_.Set(next_, *value);
      ++next_;
      return;
    }
    std::vector<std::pair<std::string, std::string>> own;
    own.reserve(labels.size() + 2);
    if (samples_.options_.label_target)
      own.emplace_back("target", samples_.target_);
    for (const auto& [name, text] : labels) own.emplace_back(name, text);
    if (bound_ns != 0) {
      own.emplace_back("le",
                       bound_ns == kInfinity ? "+Inf" : BoundText(bound_ns));
    }
    samples_.readings_.Add(desc, std::move(own), suffix);
  }

  KernelSamples& samples_;
  const bool declare_;
  Readings::Index next_ = 0;
};

namespace {

// Of a family that is there.
template <typename T>
std::optional<std::uint64_t> Count(const std::optional<T>& family,
                                   std::uint64_t T::*member) {
  return family ? std::optional((*family).*member) : std::nullopt;
}

template <typename T>
kernel::Counted Count(const std::optional<T>& family,
                      kernel::Counted T::*member) {
  return family ? (*family).*member : std::nullopt;
}

template <typename Walk, typename T>
void VisitFailures(Walk& walk, const ReadingDesc& desc,
                   const std::optional<T>& family,
                   kernel::Failures T::*member) {
  for (std::size_t e = 0; e < kernel::kErrorClasses; ++e) {
    walk.Value(
        desc,
        {{"error", kernel::ErrorClassName(static_cast<kernel::ErrorClass>(e))}},
        family ? std::optional(((*family).*member)[e]) : std::nullopt);
  }
}

template <typename Walk>
void VisitState(Walk& walk, const kernel::TargetReading& r,
                const kernel::Overview& o) {
  const bool by_cgroup = r.state == kernel::FilterState::kByCgroup;
  walk.Value(ktm::kStatus, {}, static_cast<std::uint64_t>(r.state));
  walk.Value(ktm::kDegraded, {},
             r.state == kernel::FilterState::kByThreadGroup ? 1.0 : 0.0);
  const std::size_t reason = ReasonIndex(StatusReason(r, o));
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    walk.Value(ktm::kReason, {{"reason", kReasons[i]}},
               i == reason && !by_cgroup ? std::optional(1.0) : std::nullopt);
  }
  for (std::size_t f = 0; f < kernel::kFamilies; ++f) {
    walk.Value(ktm::kProgramsOn,
               {{"family", kernel::FamilyName(static_cast<kernel::Family>(f))}},
               o.families[f].on ? 1.0 : 0.0);
  }
  for (std::size_t f = 0; f < kernel::kFamilies; ++f) {
    const std::string_view why = o.families[f].reason;
    for (std::size_t i = 0; i < kReasons.size(); ++i) {
      walk.Value(
          ktm::kProgramOff,
          {{"family", kernel::FamilyName(static_cast<kernel::Family>(f))},
           {"reason", kReasons[i]}},
          !why.empty() && ReasonIndex(why) == i ? std::optional(1.0)
                                                : std::nullopt);
    }
  }
  const bool is_on = r.state != kernel::FilterState::kOff || r.life != 0;
  for (std::size_t i = 0; i < kernel::kLosses; ++i) {
    walk.Value(ktm::kLost,
               {{"reason", kernel::LossName(static_cast<kernel::Loss>(i))}},
               is_on ? std::optional(r.lost[i]) : std::nullopt);
  }
  walk.Value(ktm::kSampleEvery, {},
             is_on ? std::optional(r.sample_every) : std::nullopt);
  walk.Value(ktm::kMissedRuns, {},
             is_on ? std::optional(o.missed_runs) : std::nullopt);
  walk.Value(ktm::kKernelMemory, {},
             is_on ? std::optional(o.map_bytes) : std::nullopt);
}

template <typename Walk>
void VisitReads(Walk& walk, const std::optional<kernel::ReadReading>& r) {
  using kernel::CallReading;
  using kernel::ReadCall;
  const auto of_call = [&](ReadCall call) {
    return r ? std::optional(r->OfCall(call)) : std::nullopt;
  };
  const auto visit = [&](const ReadingDesc& latency, const ReadingDesc& bytes,
                         Labels labels, const std::optional<CallReading>& c) {
    walk.Histogram(latency, labels, c ? &c->latency : nullptr);
    walk.Value(bytes, labels, Count(c, &CallReading::bytes));
  };
  // As Go has them.
  visit(ktm::kSysRead, ktm::kSysReadBytes, {}, of_call(ReadCall::kRead));
  visit(ktm::kSysPread, ktm::kSysPreadBytes, {}, of_call(ReadCall::kPread));
  for (std::size_t k = 0; k < kernel::kFileKinds; ++k) {
    const auto kind = static_cast<kernel::FileKind>(k);
    visit(ktm::kRead, ktm::kReadBytes, {{"kind", kernel::FileKindName(kind)}},
          r ? std::optional(r->OfKind(kind)) : std::nullopt);
  }
  VisitFailures(walk, ktm::kReadFailures, r, &kernel::ReadReading::failures);
}

template <typename Walk>
void VisitWrites(Walk& walk, const std::optional<kernel::WriteReading>& w) {
  for (std::size_t k = 0; k < kernel::kFileKinds; ++k) {
    const Labels labels = {
        {"kind", kernel::FileKindName(static_cast<kernel::FileKind>(k))}};
    walk.Histogram(ktm::kWrite, labels, w ? &w->kinds[k].latency : nullptr);
    walk.Value(ktm::kWriteBytes, labels,
               w ? std::optional(w->kinds[k].bytes) : std::nullopt);
  }
  VisitFailures(walk, ktm::kWriteFailures, w, &kernel::WriteReading::failures);
  for (std::size_t c = 0; c < kernel::kSyncCalls; ++c) {
    walk.Histogram(
        ktm::kSync,
        {{"call", kernel::SyncCallName(static_cast<kernel::SyncCall>(c))}},
        w ? &w->syncs[c] : nullptr);
  }
  VisitFailures(walk, ktm::kSyncFailures, w,
                &kernel::WriteReading::sync_failures);
}

template <typename Walk>
void VisitCache(Walk& walk, const std::optional<kernel::CacheReading>& c,
                const std::optional<kernel::PolicyReading>& p) {
  using kernel::CacheReading;
  using kernel::PolicyReading;
  walk.Value(ktm::kCacheLookups, {}, Count(c, &CacheReading::lookups));
  walk.Value(ktm::kCacheFills, {}, Count(c, &CacheReading::added_folios));
  walk.Value(ktm::kCacheDeletes, {}, Count(c, &CacheReading::deleted_folios));
  walk.Value(ktm::kCacheAddedPages, {}, Count(c, &CacheReading::added_pages));
  walk.Value(ktm::kCacheDeletedPages, {},
             Count(c, &CacheReading::deleted_pages));
  constexpr auto kDontneed =
      static_cast<std::size_t>(kernel::Advice::kDontNeed);
  walk.Value(ktm::kFadviseCalls, {}, Count(p, &PolicyReading::calls));
  walk.Value(ktm::kFadviseDontneed, {},
             p ? std::optional(p->by_advice[kDontneed]) : std::nullopt);
  for (std::size_t a = 0; a < kernel::kAdvices; ++a) {
    walk.Value(ktm::kFadviseAdvice,
               {{"advice", kernel::AdviceName(static_cast<kernel::Advice>(a))}},
               p ? std::optional(p->by_advice[a]) : std::nullopt);
  }
  walk.Value(ktm::kDontneedBytes, {}, Count(p, &PolicyReading::dontneed_bytes));
}

template <typename Walk>
void VisitMemory(Walk& walk, const std::optional<kernel::MemoryReading>& m,
                 const std::optional<kernel::KswapdReading>& k,
                 const std::optional<kernel::FaultReading>& f) {
  using kernel::MemoryReading;
  const auto seconds = [&m](kernel::Counted MemoryReading::*member) {
    const kernel::Counted ns = Count(m, member);
    return ns ? std::optional(Seconds(*ns)) : std::nullopt;
  };
  walk.Value(ktm::kScanned, {}, Count(m, &MemoryReading::scanned_pages));
  walk.Value(ktm::kReclaimed, {}, Count(m, &MemoryReading::reclaimed_pages));
  walk.Value(ktm::kShrinks, {}, Count(m, &MemoryReading::shrink_events));
  walk.Value(ktm::kDirectBegins, {}, Count(m, &MemoryReading::direct_entries));
  walk.Value(ktm::kDirectStall, {}, seconds(&MemoryReading::direct_stall_ns));
  walk.Value(ktm::kMemcgEntries, {}, Count(m, &MemoryReading::memcg_entries));
  walk.Value(ktm::kMemcgStall, {}, seconds(&MemoryReading::memcg_stall_ns));
  walk.Value(ktm::kKswapdScanned, {},
             Count(k, &kernel::KswapdReading::scanned_pages));
  walk.Value(ktm::kKswapdReclaimed, {},
             Count(k, &kernel::KswapdReading::reclaimed_pages));
  walk.Value(ktm::kFaults, {{"type", "major"}},
             Count(f, &kernel::FaultReading::major));
  walk.Value(ktm::kFaults, {{"type", "minor"}},
             Count(f, &kernel::FaultReading::minor));
}

template <typename Walk>
void VisitDeaths(Walk& walk, const std::optional<kernel::DeathReading>& d,
                 const kernel::KernelEvent* victim,
                 const kernel::KernelEvent* exit) {
  walk.Value(ktm::kOomKills, {}, Count(d, &kernel::DeathReading::oom_kills));
  walk.Value(ktm::kExits, {}, Count(d, &kernel::DeathReading::exits_by_signal));
  const kernel::KernelEvent none;
  const kernel::KernelEvent& v = victim == nullptr ? none : *victim;
  walk.Value(ktm::kVictimBytes, {{"kind", "anon"}}, v.anon_bytes);
  walk.Value(ktm::kVictimBytes, {{"kind", "file"}}, v.file_bytes);
  walk.Value(ktm::kVictimBytes, {{"kind", "shmem"}}, v.shmem_bytes);
  walk.Value(ktm::kExitSignal, {},
             exit == nullptr ? std::nullopt : std::optional(exit->signal));
  walk.Value(
      ktm::kExitAge, {},
      exit == nullptr
          ? std::nullopt
          : std::optional(std::chrono::duration<double>(exit->age).count()));
}

}  // namespace

void KernelSamples::Visit(const kernel::TargetReading& r,
                          const kernel::Overview& o,
                          const kernel::KernelEvent* victim,
                          const kernel::KernelEvent* exit, Walk& walk) {
  VisitState(walk, r, o);
  VisitReads(walk, r.read);
  VisitWrites(walk, r.write);
  VisitCache(walk, r.cache, r.policy);
  VisitMemory(walk, r.memory, o.kswapd, r.faults);
  for (std::size_t i = 0; i < kernel::kBlockOperations; ++i) {
    const auto operation = static_cast<kernel::BlockOperation>(i);
    const Labels labels = {
        {"operation", kernel::BlockOperationName(operation)}};
    const kernel::CallReading* call =
        r.block ? &r.block->operations[i] : nullptr;
    walk.Histogram(ktm::kBlock, labels,
                   call == nullptr ? nullptr : &call->latency);
    walk.Value(ktm::kBlockBytes, labels,
               call == nullptr ? std::nullopt : std::optional(call->bytes));
  }
  walk.Histogram(ktm::kRunQueue, {},
                 r.sched ? &r.sched->run_queue_wait : nullptr);
  VisitDeaths(walk, r.death, victim, exit);
}

KernelSamples::KernelSamples(recorder::Recording& recording,
                             std::string_view target,
                             std::string_view container_name,
                             const Options& options)
    : options_(options),
      target_(target),
      readings_(recording, StrCat(kKernelSource, target), container_name) {
  Walk walk(this, /*declare=*/true);
  Visit({}, {}, nullptr, nullptr, walk);
}

void KernelSamples::Record(const kernel::TargetReading& reading,
                           const kernel::Overview& overview,
                           recorder::FrameTime time) {
  Walk walk(this, /*declare=*/false);
  Visit(reading, overview, has_victim_ ? &last_victim_ : nullptr,
        has_exit_ ? &last_exit_ : nullptr, walk);
  readings_.Commit(time);
}

void KernelSamples::OnEvent(const kernel::KernelEvent& event) {
  switch (event.kind) {
    case kernel::KernelEvent::Kind::kOomVictim:
      last_victim_ = event;
      has_victim_ = true;
      return;
    case kernel::KernelEvent::Kind::kExitBySignal:
      last_exit_ = event;
      has_exit_ = true;
      return;
  }
}

}  // namespace fodc::collect
