// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/telemetry.h"

#include <malloc.h>

#include <algorithm>
#include <map>
#include <utility>

#include "bpf/records.h"
#include "fodc/base/log.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/kernel/counters.h"
#include "fodc/kernel/event_ring.h"
#include "fodc/kernel/filter.h"
#include "fodc/kernel/process_numbers.h"
#include "fodc/kernel/programs.h"
#include "fodc/kernel/sampling.h"
#include "fodc/kernel/scope.h"

namespace fodc::kernel {
namespace {

// What is kept of one row of the target table.
struct Target {
  std::string name;
  Scope scope;
  bool has_process = false;
  // The first of its processes.
  pid_t process = 0;
  std::uint64_t process_start_ticks = 0;
  std::vector<pid_t> thread_groups;  // by the kernel's own numbers
  std::string told;                  // of its scope, in the log
  std::uint64_t life = 0;
  std::array<Accumulator, kFamilies> families;
  Accumulator losses;
  std::optional<FaultReading> dead_faults;
  FaultReading most_faults;  // a task that dies is missing for a moment
  std::uint64_t calls_before = 0;
  std::uint32_t sample_every = 1;
};

class KernelTelemetry final : public Telemetry {
 public:
  KernelTelemetry(const TelemetryOptions& options, const Clock& clock)
      : options_(options),
        clock_(clock),
        programs_({.max_targets = MaxTargets(options),
                   .in_flight_budget_bytes = options.in_flight_budget_bytes,
                   .disabled_families = options.disabled_families},
                  options.kernel ? *options.kernel : SystemKernel()),
        numbers_(options.kernel ? *options.kernel : SystemKernel(), clock,
                 options.retry_interval) {
    UpdateOverview();
  }

  void SetTargets(std::span<const TargetFilter> targets) override;
  std::vector<TargetReading> Collect(std::vector<KernelEvent>* events) override;
  const Overview& overview() const override { return overview_; }

 private:
  static std::uint32_t MaxTargets(const TelemetryOptions& options) {
    return static_cast<std::uint32_t>(
        std::clamp<std::size_t>(options.max_targets, 1, kMaxTargets));
  }

  // Where the row's processes are, and the kernel's numbers of them if they
  // count by thread group.
  // `all`: processes of all rows.
  Scope ScopeOf(const TargetFilter& row, std::span<const pid_t> all,
                const ScopeOptions& options, std::vector<pid_t>* thread_groups);
  // Whether it is still the process that was the row's first. Remembers it.
  bool IsSameProcess(pid_t process, Target* target) const;
  // Whether the row's container is another one than before, and not for a move
  // of its process.
  bool Follow(const TargetFilter& row, std::span<const pid_t> all,
              std::size_t slot);
  // Processes beyond what the filter holds are left out, which is told.
  void BoundThreadGroups();
  // How the row is counted, if that is new.
  void Tell(Target* target) const;
  void LoadAndAttach();
  void Detach();
  void SetFilter();
  void BeginLife(std::size_t slot);
  void ChooseSampling(std::size_t slot, const TargetReading& reading,
                      double seconds);
  void ReadFaults(std::size_t slot, TargetReading* reading);
  TargetReading ReadTarget(std::size_t slot);
  std::optional<Words> Since(Family family, std::size_t slot) const;
  void ReadKswapd();
  void UpdateOverview();

  const TelemetryOptions options_;
  const Clock& clock_;
  Programs programs_;
  ProcessNumbers numbers_;
  std::optional<Filter> filter_;
  std::optional<EventRing> ring_;
  std::vector<Target> targets_;
  bool attached_ = false;
  std::optional<MonotonicTime> try_again_at_;
  MonotonicTime last_process_at_ = {};
  std::optional<MonotonicTime> collected_at_;
  Overview overview_;
};

Scope KernelTelemetry::ScopeOf(const TargetFilter& row,
                               std::span<const pid_t> all,
                               const ScopeOptions& options,
                               std::vector<pid_t>* thread_groups) {
  thread_groups->clear();
  Scope scope;
  scope.reason = "pid_namespace";
  if (!numbers_.AreOurs() && options.forced_path.empty() &&
      !row.processes.empty()) {
    return scope;
  }
  scope = FindScope(row.processes, all, options);
  if (scope.state != FilterState::kByThreadGroup) return scope;
  auto numbers = numbers_.Of(row.processes);
  if (numbers.ok()) {
    *thread_groups = *std::move(numbers);
  } else {
    // By our numbers it would count strangers.
    scope.state = FilterState::kOff;
    scope.reason = "pid_namespace";
  }
  return scope;
}

bool KernelTelemetry::IsSameProcess(pid_t process, Target* target) const {
  const auto stat = ReadProcessStat(options_.proc_root, process);
  if (!stat.ok()) return false;
  const bool is_same = process == target->process &&
                       stat->start_ticks == target->process_start_ticks;
  target->process = process;
  target->process_start_ticks = stat->start_ticks;
  return is_same;
}

bool KernelTelemetry::Follow(const TargetFilter& row,
                             std::span<const pid_t> all, std::size_t slot) {
  Target& target = targets_[slot];
  target.name = row.name;
  target.has_process = !row.processes.empty();
  ScopeOptions options;
  options.proc_root = options_.proc_root;
  if (slot == 0) options.forced_path = options_.cgroup_path;
  Scope now = ScopeOf(row, all, options, &target.thread_groups);
  const bool is_forced = !options.forced_path.empty();
  if (is_forced) {
    target.has_process = now.state != FilterState::kOff;
  } else if (now.container_path.empty() &&
             !target.scope.container_path.empty()) {
    // One that has just died is in no group: it tells nothing of its container.
    target.has_process = false;
  }
  if (!target.has_process && target.life != 0) {
    // Between a death and the restart the container is the one that was.
    const bool lives =
        ContainerLives(target.scope.container_path, target.scope.container_id);
    if (target.scope.state != FilterState::kByCgroup || !lives) {
      target.scope.state = FilterState::kOff;
      target.scope.reason = is_forced ? now.reason : "no_target";
    }
    return false;
  }
  if (!target.has_process) {
    target.scope = now;
    return false;
  }
  // Of a group that is forced it does not matter whose process this is.
  const bool is_same = !row.processes.empty() &&
                       IsSameProcess(row.processes.front(), &target) &&
                       !is_forced;
  const bool is_elsewhere = now.container_id != target.scope.container_id;
  target.scope = std::move(now);
  return target.life == 0 || (is_elsewhere && !is_same);
}

void KernelTelemetry::BoundThreadGroups() {
  std::vector<Target*> rows;
  for (Target& target : targets_) {
    if (target.scope.state == FilterState::kByThreadGroup)
      rows.push_back(&target);
  }
  // What small ones leave of their share is for the large.
  std::sort(rows.begin(), rows.end(), [](const Target* a, const Target* b) {
    return a->thread_groups.size() < b->thread_groups.size();
  });
  std::size_t room = kMaxThreadGroups;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t share = room / (rows.size() - i);
    if (rows[i]->thread_groups.size() > share) {
      rows[i]->thread_groups.resize(share);
      rows[i]->scope.reason = "too_many_processes";
    }
    room -= rows[i]->thread_groups.size();
  }
}

void KernelTelemetry::Tell(Target* target) const {
  const Scope& scope = target->scope;
  const bool is_off = scope.state == FilterState::kOff;
  // That there is no process is told by who looks for it; why there are no
  // programs, by who loads them.
  if (is_off ? scope.reason == "no_target" : programs_.AttachedCount() == 0)
    return;
  std::string_view by = "nothing";
  if (!is_off) {
    by = scope.state == FilterState::kByCgroup ? "cgroup" : "thread group";
  }
  std::string now = StrCat(by, " ", scope.reason, " ", scope.container_path);
  if (now == target->told) return;
  target->told = std::move(now);
  LogInfo("kernel telemetry follows a target",
          {{"target", target->name},
           {"by", by},
           {"reason", scope.reason},
           {"cgroup", scope.container_path}});
}

void KernelTelemetry::SetTargets(std::span<const TargetFilter> targets) {
  const std::size_t most = MaxTargets(options_);
  // Also of those that are not counted.
  std::vector<pid_t> all;
  for (const TargetFilter& row : targets)
    all.insert(all.end(), row.processes.begin(), row.processes.end());
  targets_.resize(std::min(targets.size(), most));
  std::vector<std::size_t> begun;
  bool any = false;
  for (std::size_t slot = 0; slot < targets_.size(); ++slot) {
    if (Follow(targets[slot], all, slot)) begun.push_back(slot);
    any |= targets_[slot].has_process &&
           targets_[slot].scope.state != FilterState::kOff;
  }
  BoundThreadGroups();
  const MonotonicTime now = clock_.Monotonic();
  if (any) {
    last_process_at_ = now;
    LoadAndAttach();
  } else if (attached_ && now - last_process_at_ >= options_.linger) {
    Detach();
  }
  for (const std::size_t slot : begun) BeginLife(slot);
  for (Target& target : targets_) Tell(&target);
  if (filter_) {
    SetFilter();
    filter_->SetMakersAreTold(programs_.Attached("block_start"));
  }
  if (filter_ && !(programs_.Attached("gate_attach") &&
                   programs_.Attached("gate_death"))) {
    filter_->NewEpoch();
  }
  UpdateOverview();
}

void KernelTelemetry::LoadAndAttach() {
  const MonotonicTime now = clock_.Monotonic();
  const bool try_again = try_again_at_ && now >= *try_again_at_;
  const bool first = !filter_ && !try_again_at_;
  if (attached_ && !try_again) return;
  if (first || try_again) {
    const bool loaded = programs_.Load();
    // The kernel's type information was in memory.
    (void)::malloc_trim(0);
    try_again_at_.reset();
    if (!loaded) try_again_at_ = now + options_.retry_interval;
    if (!filter_ && programs_.Map("filter") >= 0) {
      auto filter = Filter::Create(programs_.Map("filter"),
                                   programs_.Map("thread_groups"));
      if (filter.ok()) {
        filter_ = *std::move(filter);
      } else {
        LogWarn("kernel telemetry has no filter", {{"error", filter.status()}});
        try_again_at_ = now + options_.retry_interval;
      }
    }
    if (!ring_ && programs_.Map("events") >= 0) {
      auto ring = EventRing::Create(programs_.Map("events"));
      if (ring.ok()) {
        ring_ = *std::move(ring);
      } else {
        LogWarn("kernel telemetry has no ring of events",
                {{"error", ring.status()}});
        try_again_at_ = now + options_.retry_interval;
      }
    }
  }
  if (!filter_) return;
  // Ends that nobody sees in between would be taken for those of later calls.
  if (programs_.DropReplaced() || !attached_) filter_->BeginGeneration();
  if (!programs_.Attach() && !try_again_at_) {
    try_again_at_ = now + options_.retry_interval;
  }
  attached_ = true;
  // Nobody told of tasks that died or moved while nothing was attached.
  filter_->NewEpoch();
}

void KernelTelemetry::Detach() {
  programs_.Detach();
  attached_ = false;
}

void KernelTelemetry::SetFilter() {
  std::vector<SlotFilter> slots(targets_.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Scope& scope = targets_[i].scope;
    if (scope.state == FilterState::kByCgroup) {
      slots[i].cgroup_id = scope.cgroup_id;
    } else if (scope.state == FilterState::kByThreadGroup) {
      slots[i].thread_groups = targets_[i].thread_groups;
    }
  }
  if (const auto set = filter_->Set(slots); !set.ok()) {
    LogWarn("kernel telemetry cannot set its filter",
            {{"error", set.status()}});
  }
}

void KernelTelemetry::BeginLife(std::size_t slot) {
  Target& target = targets_[slot];
  ++target.life;
  target.most_faults = {};
  target.calls_before = 0;
  const auto record = static_cast<std::uint32_t>(slot);
  // Nobody is counted in the slot while its old container is no more, or before
  // its first one: what is there now is where this life begins.
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const ObjectSpec& object = ObjectOf(static_cast<Family>(i));
    const auto raw =
        SumRecords(programs_.Map(object.stats_map), record, object.stats_words);
    target.families[i].Begin(raw.ok() ? *raw : Words{});
  }
  const auto raw = SumRecords(programs_.Map("losses"), record, kLosses);
  target.losses.Begin(raw.ok() ? *raw : Words{});
  if (filter_ && target.life > 1) filter_->BeginGeneration();
}

std::optional<Words> KernelTelemetry::Since(Family family,
                                            std::size_t slot) const {
  const ObjectSpec& object = ObjectOf(family);
  const int map = programs_.Map(object.stats_map);
  if (map < 0 || (attached_ && !programs_.On(family))) return {};
  const auto raw =
      SumRecords(map, static_cast<std::uint32_t>(slot), object.stats_words);
  if (!raw.ok()) return {};
  return targets_[slot].families[static_cast<std::size_t>(family)].Since(*raw);
}

void KernelTelemetry::ReadFaults(std::size_t slot, TargetReading* reading) {
  if (!targets_[slot].dead_faults) return;
  FaultReading sum = *targets_[slot].dead_faults;
  const auto key = static_cast<std::uint32_t>(slot);
  const auto living = ReadRecord(programs_.Map("living_faults"), key, 2);
  if (living.ok()) {
    sum.major += (*living)[0];
    sum.minor += (*living)[1];
  }
  FaultReading& most = targets_[slot].most_faults;
  most.major = std::max(most.major, sum.major);
  most.minor = std::max(most.minor, sum.minor);
  reading->faults = most;
}

TargetReading KernelTelemetry::ReadTarget(std::size_t slot) {
  const Target& target = targets_[slot];
  TargetReading r;
  r.state = target.scope.state;
  r.reason = target.scope.reason;
  r.cgroup_id = target.scope.cgroup_id;
  r.life = target.life;
  r.sample_every = target.sample_every;
  if (r.state != FilterState::kOff && programs_.AttachedCount() == 0) {
    r.state = FilterState::kOff;
    r.reason = target.has_process ? "no_program" : "no_target";
  }
  if (target.life == 0) return r;
  const Serves serves = [this](std::string_view program) {
    return programs_.Serves(program);
  };
  if (const auto w = Since(Family::kRead, slot)) r.read = ToRead(*w);
  if (const auto w = Since(Family::kWrite, slot)) r.write = ToWrite(*w);
  if (const auto w = Since(Family::kCache, slot)) {
    r.cache = ToCache(*w, serves);
  }
  if (const auto w = Since(Family::kPolicy, slot)) r.policy = ToPolicy(*w);
  if (const auto w = Since(Family::kMemory, slot)) {
    r.memory = ToMemory(*w, serves);
  }
  if (const auto w = Since(Family::kBlock, slot)) r.block = ToBlock(*w);
  if (const auto w = Since(Family::kSched, slot)) r.sched = ToSched(*w);
  if (const auto w = Since(Family::kDeath, slot)) {
    r.death = ToDeath(*w, serves);
  }
  ReadFaults(slot, &r);
  const auto lost = SumRecords(programs_.Map("losses"),
                               static_cast<std::uint32_t>(slot), kLosses);
  if (lost.ok()) {
    const Words since = target.losses.Since(*lost);
    std::copy(since.begin(), since.end(), r.lost.begin());
  }
  return r;
}

void KernelTelemetry::ChooseSampling(std::size_t slot,
                                     const TargetReading& reading,
                                     double seconds) {
  if (options_.sample_above_per_second == 0 || !filter_) return;
  const std::uint64_t calls = CountCalls(reading);
  Target& target = targets_[slot];
  const std::uint64_t made = calls - std::min(calls, target.calls_before);
  target.calls_before = calls;
  if (seconds <= 0) return;
  target.sample_every =
      SampleEvery(options_, static_cast<double>(made) / seconds,
                  /*is_sampled=*/target.sample_every > 1);
  filter_->SampleOneIn(slot, target.sample_every);
}

void KernelTelemetry::ReadKswapd() {
  const int map = programs_.Map("kswapd_stats");
  overview_.kswapd.reset();
  if (map < 0 || !programs_.Serves("memory_shrink")) return;
  const auto raw = SumRecords(map, 0, 2);
  if (!raw.ok()) return;
  overview_.kswapd =
      KswapdReading{.scanned_pages = (*raw)[0], .reclaimed_pages = (*raw)[1]};
}

std::vector<TargetReading> KernelTelemetry::Collect(
    std::vector<KernelEvent>* events) {
  const MonotonicTime now = clock_.Monotonic();
  const double seconds =
      collected_at_
          ? std::chrono::duration<double>(now - *collected_at_).count()
          : 0;
  collected_at_ = now;
  // Before the living are counted: one that dies in between is missing for a
  // moment, and in neither twice.
  for (std::size_t slot = 0; slot < targets_.size(); ++slot) {
    const auto dead = Since(Family::kFaults, slot);
    targets_[slot].dead_faults =
        dead ? std::optional(ToFaults(*dead)) : std::nullopt;
  }
  if (attached_ && programs_.Attached("faults_living")) {
    for (std::uint32_t i = 0; i < MaxTargets(options_); ++i) {
      ClearRecord(programs_.Map("living_faults"), i, 2);
    }
    (void)programs_.RunIterator("faults_living");
  }
  std::vector<TargetReading> readings;
  readings.reserve(targets_.size());
  for (std::size_t slot = 0; slot < targets_.size(); ++slot) {
    readings.push_back(ReadTarget(slot));
    ChooseSampling(slot, readings.back(), seconds);
  }
  if (ring_) ring_->Take(events);
  ReadKswapd();
  UpdateOverview();
  return readings;
}

void KernelTelemetry::UpdateOverview() {
  // A change of state is worth a line, one for all families that share it;
  // "no target" is no change.
  std::map<std::string_view, std::pair<std::string, std::string>> changed;
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    FamilyState now = programs_.StateOf(family);
    FamilyState& was = overview_.families[i];
    if (now.reason != was.reason && !now.detail.empty()) {
      auto& [families, detail] = changed[now.reason];
      if (families.empty()) detail = now.detail;
      families += StrCat(families.empty() ? "" : ",", FamilyName(family));
    }
    was = std::move(now);
  }
  for (const auto& [reason, line] : changed) {
    LogWarn(
        "kernel telemetry lacks programs",
        {{"families", line.first}, {"reason", reason}, {"first", line.second}});
  }
  overview_.programs = programs_.AttachedCount();
  overview_.map_bytes = programs_.MapBytes();
  overview_.missed_runs = programs_.Misses();
  overview_.uses_task_storage = programs_.uses_task_storage();
}

}  // namespace

std::unique_ptr<Telemetry> Telemetry::Create(const TelemetryOptions& options,
                                             const Clock& clock) {
  return std::make_unique<KernelTelemetry>(options, clock);
}

}  // namespace fodc::kernel
