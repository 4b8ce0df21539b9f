// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/target_reader.h"

#include <array>
#include <cmath>
#include <utility>

#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::collect {
namespace {

using exposition::MetricType;
using target::ProcessReadings;

constexpr auto kGauge = MetricType::kGauge;
constexpr auto kCounter = MetricType::kCounter;

constexpr ReadingDesc kUp{"fodc_target_up", kGauge,
                          "Whether the target's process runs."};
constexpr ReadingDesc kPid{"fodc_target_pid", kGauge,
                           "Process id of the target, as the agent sees it."};
constexpr ReadingDesc kStart{"fodc_target_start_time_seconds", kGauge,
                             "When the target started, seconds since 1970."};
constexpr ReadingDesc kUptime{"fodc_target_uptime_seconds", kGauge,
                              "Time since the target started."};
constexpr ReadingDesc kRestarts{
    "fodc_target_restarts_total", kCounter,
    "Times that the target was found again after a death."};
constexpr ReadingDesc kDeaths{
    "fodc_target_deaths_total", kCounter,
    "Times that the target's process ended, seen or not."};
constexpr ReadingDesc kLastUptime{
    "fodc_target_last_death_uptime_seconds", kGauge,
    "How long the target had run when it last ended."};
constexpr ReadingDesc kLastDeath{
    "fodc_target_last_death_time_seconds", kGauge,
    "When the target last ended (unseen: was missed), seconds since 1970."};
constexpr ReadingDesc kLastExitCode{
    "fodc_target_last_exit_code", kGauge,
    "Exit code with which the target last ended, where the kernel tells."};
constexpr ReadingDesc kLastSignal{
    "fodc_target_last_signal", kGauge,
    "Signal that last ended the target, where the kernel tells."};
constexpr ReadingDesc kProcesses{
    "fodc_target_processes", kGauge,
    "Processes that fit the target at the last search."};
constexpr ReadingDesc kStalled{"fodc_pressure_stalled_seconds_total", kCounter,
                               "Time in which tasks of the target's cgroup "
                               "stalled for the resource (PSI)."};
constexpr ReadingDesc kAvg10{"fodc_pressure_avg10_ratio", kGauge,
                             "Share of the last 10 s in which tasks of the "
                             "target's cgroup stalled for the resource (PSI)."};
constexpr ReadingDesc kCpu{"fodc_target_cpu_seconds_total", kCounter,
                           "CPU time that the target used."};
constexpr ReadingDesc kFaults{"fodc_target_page_faults_total", kCounter,
                              "Page faults of the target."};
constexpr ReadingDesc kSwitches{
    "fodc_target_context_switches_total", kCounter,
    "Context switches of the target's main thread."};
constexpr ReadingDesc kIo{
    "fodc_target_io_bytes_total", kCounter,
    "Bytes that the target read from and wrote to storage."};
constexpr ReadingDesc kMemory{"fodc_container_memory_bytes", kGauge,
                              "Parts of the memory of the target's cgroup."};
constexpr ReadingDesc kRefaults{
    "fodc_container_memory_refault_pages_total", kCounter,
    "Pages of the target's cgroup that came back soon after their eviction."};
constexpr ReadingDesc kReclaim{
    "fodc_container_memory_reclaim_pages_total", kCounter,
    "Pages of the target's cgroup that reclaim looked at, and took."};
constexpr ReadingDesc kEvents{"fodc_container_memory_events_total", kCounter,
                              "Memory events of the target's cgroup."};
constexpr ReadingDesc kContainerCpu{"fodc_container_cpu_seconds_total",
                                    kCounter,
                                    "CPU time of the target's cgroup."};

// Whether there is a problem that was not told last, which is told from now on.
// One that is back is no news: a target may die and come back over and over.
bool Differs(const std::string& problem, std::string* told) {
  if (problem.empty() || problem == *told) return false;
  *told = problem;
  return true;
}

double Seconds(std::chrono::nanoseconds d) {
  return static_cast<double>(
             std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) /
         1e3;
}

// In whole milliseconds: the digits beyond are noise that would be kept.
double Milliseconds(double seconds) { return std::round(seconds * 1e3) / 1e3; }

double Double(std::uint64_t value) { return static_cast<double>(value); }

template <typename T>
std::optional<double> Optional(const std::optional<T>& value) {
  if (!value) return std::nullopt;
  return static_cast<double>(*value);
}
template <auto kMember>
std::optional<double> Process(const target::TargetReadings& r) {
  return Optional(r.process.*kMember);
}
template <auto kMember>
std::optional<double> Memory(const target::TargetReadings& r) {
  return r.memory ? Optional((*r.memory).*kMember) : std::nullopt;
}
template <auto kMember>
std::optional<double> Cpu(const target::TargetReadings& r) {
  return r.cpu ? Optional((*r.cpu).*kMember) : std::nullopt;
}

// What is recorded as it was read, if it was.
struct Copied {
  ReadingDesc desc;
  std::optional<double> (*get)(const target::TargetReadings&);
  std::string_view key = {};  // of a label beside `target`; empty: none
  std::string_view value = {};
};
constexpr auto kCopied = std::to_array<Copied>({
    {kCpu, &Process<&ProcessReadings::cpu_user_seconds>, "mode", "user"},
    {kCpu, &Process<&ProcessReadings::cpu_system_seconds>, "mode", "system"},
    {{"fodc_target_resident_memory_bytes", kGauge,
      "Resident memory of the target."},
     &Process<&ProcessReadings::resident_bytes>},
    {{"fodc_target_anonymous_memory_bytes", kGauge,
      "Resident memory of the target that no file backs."},
     &Process<&ProcessReadings::resident_anon_bytes>},
    {{"fodc_target_virtual_memory_bytes", kGauge,
      "Virtual memory of the target."},
     &Process<&ProcessReadings::virtual_bytes>},
    {{"fodc_target_swap_bytes", kGauge,
      "Memory of the target that is swapped out."},
     &Process<&ProcessReadings::swap_bytes>},
    {{"fodc_target_threads", kGauge, "Threads of the target."},
     &Process<&ProcessReadings::threads>},
    {{"fodc_target_open_files", kGauge, "Open file descriptors of the target."},
     &Process<&ProcessReadings::open_files>},
    {{"fodc_target_max_open_files", kGauge,
      "Limit of open file descriptors of the target."},
     &Process<&ProcessReadings::max_open_files>},
    {kFaults, &Process<&ProcessReadings::minor_faults>, "kind", "minor"},
    {kFaults, &Process<&ProcessReadings::major_faults>, "kind", "major"},
    {kSwitches, &Process<&ProcessReadings::main_thread_voluntary_switches>,
     "kind", "voluntary"},
    {kSwitches, &Process<&ProcessReadings::main_thread_involuntary_switches>,
     "kind", "involuntary"},
    {kIo, &Process<&ProcessReadings::read_storage_bytes>, "direction", "read"},
    {kIo, &Process<&ProcessReadings::write_storage_bytes>, "direction",
     "write"},
    {{"fodc_container_memory_usage_bytes", kGauge,
      "Memory charged to the target's cgroup."},
     &Memory<&CgroupMemory::usage_bytes>},
    {{"fodc_container_memory_working_set_bytes", kGauge,
      "Memory of the target's cgroup less its inactive file pages."},
     &Memory<&CgroupMemory::working_set_bytes>},
    {{"fodc_container_memory_limit_bytes", kGauge,
      "Smallest memory limit of the target's cgroup and its ancestors."},
     &Memory<&CgroupMemory::limit_bytes>},
    {{"fodc_container_memory_high_bytes", kGauge,
      "Smallest memory.high of the target's cgroup and its ancestors."},
     &Memory<&CgroupMemory::high_bytes>},
    {kMemory, &Memory<&CgroupMemory::anon_bytes>, "kind", "anon"},
    {kMemory, &Memory<&CgroupMemory::file_bytes>, "kind", "file"},
    {kMemory, &Memory<&CgroupMemory::swap_bytes>, "kind", "swap"},
    {kMemory, &Memory<&CgroupMemory::kernel_bytes>, "kind", "kernel"},
    {kRefaults, &Memory<&CgroupMemory::anon_refault_pages>, "kind", "anon"},
    {kRefaults, &Memory<&CgroupMemory::file_refault_pages>, "kind", "file"},
    {kReclaim, &Memory<&CgroupMemory::reclaim_scanned_pages>, "result",
     "scanned"},
    {kReclaim, &Memory<&CgroupMemory::reclaimed_pages>, "result", "reclaimed"},
    {kEvents, &Memory<&CgroupMemory::high_events>, "event", "high"},
    {kEvents, &Memory<&CgroupMemory::max_events>, "event", "max"},
    {kEvents, &Memory<&CgroupMemory::oom_events>, "event", "oom"},
    {kEvents, &Memory<&CgroupMemory::oom_kill_events>, "event", "oom_kill"},
    {kEvents, &Memory<&CgroupMemory::oom_group_kill_events>, "event",
     "oom_group_kill"},
    {kContainerCpu, &Cpu<&CgroupCpu::user_seconds>, "mode", "user"},
    {kContainerCpu, &Cpu<&CgroupCpu::system_seconds>, "mode", "system"},
    {{"fodc_container_cpu_limit_cores", kGauge,
      "Smallest CPU quota of the target's cgroup and its ancestors."},
     &Cpu<&CgroupCpu::limit_cpus>},
    {{"fodc_container_cpu_periods_total", kCounter,
      "CPU quota periods that passed."},
     &Cpu<&CgroupCpu::periods>},
    {{"fodc_container_cpu_throttled_periods_total", kCounter,
      "CPU quota periods in which the target's cgroup was throttled."},
     &Cpu<&CgroupCpu::throttled_periods>},
    {{"fodc_container_cpu_throttled_seconds_total", kCounter,
      "Time for which the target's cgroup was throttled."},
     &Cpu<&CgroupCpu::throttled_seconds>},
});

}  // namespace

struct Targets::Reader::Indexes {
  using Index = Readings::Index;
  struct Psi {
    Index stalled, avg10;
  };
  struct Resource {
    Psi some, full;
  };

  Indexes(Readings* r, const std::string& target) {
    const auto add = [&](const ReadingDesc& desc, std::string_view key = "",
                         std::string_view value = "") {
      std::vector<std::pair<std::string, std::string>> labels = {
          {"target", target}};
      if (!key.empty()) labels.emplace_back(key, value);
      return r->Add(desc, std::move(labels));
    };
    up = add(kUp);
    pid = add(kPid);
    start = add(kStart);
    uptime = add(kUptime);
    restarts = add(kRestarts);
    deaths = add(kDeaths);
    last_uptime = add(kLastUptime);
    last_death = add(kLastDeath);
    last_exit_code = add(kLastExitCode);
    last_signal = add(kLastSignal);
    processes = add(kProcesses);
    for (std::size_t i = 0; i < kCopied.size(); ++i) {
      copied[i] = add(kCopied[i].desc, kCopied[i].key, kCopied[i].value);
    }
    const std::array<std::pair<Resource*, const char*>, 3> resources = {
        {{&memory, "memory"}, {&cpu, "cpu"}, {&io, "io"}}};
    for (const auto& [resource, resource_name] : resources) {
      const std::array<std::pair<Psi*, const char*>, 2> kinds = {
          {{&resource->some, "some"}, {&resource->full, "full"}}};
      for (const auto& [psi, kind] : kinds) {
        const std::vector<std::pair<std::string, std::string>> labels = {
            {"target", target}, {"resource", resource_name}, {"kind", kind}};
        psi->stalled = r->Add(kStalled, labels);
        psi->avg10 = r->Add(kAvg10, labels);
      }
    }
  }

  Index up, pid, start, uptime, restarts, deaths, last_uptime, last_death,
      last_exit_code, last_signal, processes;
  std::array<Index, kCopied.size()> copied;
  Resource memory, cpu, io;
};

Targets::Reader::Reader(recorder::Recording& recording, std::string name,
                        std::string_view container_name,
                        const target::ReaderOptions& options,
                        const Clock& clock)
    : name_(std::move(name)),
      source_(StrCat(kTargetSource, name_)),
      clock_(clock),
      reader_(options, clock),
      machine_(options.proc_root),
      readings_(recording, source_, container_name),
      at_(std::make_unique<Indexes>(&readings_, name_)) {}

Targets::Reader::~Reader() = default;

void Targets::Reader::Read(const target::Row& row, recorder::FrameTime time) {
  ReadRow(row);
  const target::TargetReadings readings = reader_.Read(row);
  if (Differs(reader_.problem(), &told_unread_)) {
    LogWarn("target cannot be read whole",
            {{"target", name_}, {"problem", told_unread_}});
  }
  for (std::size_t i = 0; i < kCopied.size(); ++i) {
    if (const auto value = kCopied[i].get(readings)) {
      readings_.Set(at_->copied[i], *value);
    }
  }
  tells_oom_kills_ = readings.memory.has_value() &&
                     readings.memory->oom_kill_events.has_value();
  if (tells_oom_kills_) CountOomKills(*readings.memory->oom_kill_events);
  CgroupPressure pressure = readings.pressure;
  // Where the group has none of its own (cgroup v1): the machine's.
  if (!pressure.memory && !pressure.cpu && !pressure.io)
    pressure = machine_.Read();
  ReadPressure(pressure);
  readings_.Commit(time);
}

void Targets::Reader::TellProblem(const std::string& problem) {
  if (Differs(problem, &told_problem_)) {
    LogWarn("target not found", {{"target", name_}, {"problem", problem}});
  }
}

void Targets::Reader::ReadRow(const target::Row& row) {
  readings_.Set(at_->up, row.instance ? 1 : 0);
  if (row.instance) {
    readings_.Set(at_->pid, static_cast<double>(row.instance->pid));
    readings_.Set(at_->start,
                  Seconds(row.instance->started_at.time_since_epoch()));
    readings_.Set(
        at_->uptime,
        Milliseconds(row.instance->UptimeSeconds(clock_.Monotonic())));
  }
  readings_.Set(at_->restarts, Double(row.restarts_total));
  readings_.Set(at_->deaths, Double(row.deaths_total));
  if (row.last_uptime_seconds)
    readings_.Set(at_->last_uptime, *row.last_uptime_seconds);
  if (row.last_death_at)
    readings_.Set(at_->last_death,
                  Seconds(row.last_death_at->time_since_epoch()));
  if (row.last_exit.status)
    readings_.Set(at_->last_exit_code, *row.last_exit.status);
  if (row.last_exit.signal)
    readings_.Set(at_->last_signal, *row.last_exit.signal);
  readings_.Set(at_->processes, Double(row.candidates));
}

void Targets::Reader::CountOomKills(std::uint64_t now) {
  // Less: the group of another instance, which began at 0.
  const std::uint64_t before = group_oom_kills_before_.value_or(now);
  group_oom_kills_ += now >= before ? now - before : now;
  group_oom_kills_before_ = now;
}

void Targets::Reader::ReadPressure(const CgroupPressure& pressure) {
  const auto line = [this](const Indexes::Psi& at,
                           const std::optional<PressureLine>& psi) {
    if (!psi) return;
    readings_.Set(at.stalled, Double(psi->total_us) / 1e6);
    // The kernel has two decimals of a percentage: so many digits, no more.
    readings_.Set(at.avg10, std::round(psi->avg10_percent * 100) / 1e4);
  };
  const auto resource = [&](const Indexes::Resource& at,
                            const std::optional<Pressure>& psi) {
    if (!psi) return;
    line(at.some, psi->some);
    line(at.full, psi->full);
  };
  resource(at_->memory, pressure.memory);
  resource(at_->cpu, pressure.cpu);
  resource(at_->io, pressure.io);
}

}  // namespace fodc::collect
