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
constexpr ReadingDesc kRestarts{"fodc_target_restarts_total", kCounter,
                                "Times that the target was found again after "
                                "a death."};
constexpr ReadingDesc kDeaths{"fodc_target_deaths_total", kCounter,
                              "Times that the target's process was seen to "
                              "end."};
constexpr ReadingDesc kLastUptime{"fodc_target_last_death_uptime_seconds",
                                  kGauge,
                                  "How long the target had run when it last "
                                  "ended."};
constexpr ReadingDesc kLastDeath{"fodc_target_last_death_time_seconds", kGauge,
                                 "When the target last ended, seconds since "
                                 "1970."};
constexpr ReadingDesc kLastExitCode{"fodc_target_last_exit_code", kGauge,
                                    "Exit code with which the target last "
                                    "ended, where the kernel tells."};
constexpr ReadingDesc kLastSignal{"fodc_target_last_signal", kGauge,
                                  "Signal that last ended the target, where "
                                  "the kernel tells."};
constexpr ReadingDesc kProcesses{"fodc_target_processes", kGauge,
                                 "Processes that fit the target at the last "
                                 "search."};
constexpr ReadingDesc kCpu{"fodc_target_cpu_seconds_total", kCounter,
                           "CPU time that the target used."};
constexpr ReadingDesc kResident{"fodc_target_resident_memory_bytes", kGauge,
                                "Resident memory of the target."};
constexpr ReadingDesc kAnon{"fodc_target_anonymous_memory_bytes", kGauge,
                            "Resident memory of the target that no file "
                            "backs."};
constexpr ReadingDesc kVirtual{"fodc_target_virtual_memory_bytes", kGauge,
                               "Virtual memory of the target."};
constexpr ReadingDesc kSwap{"fodc_target_swap_bytes", kGauge,
                            "Memory of the target that is swapped out."};
constexpr ReadingDesc kThreads{"fodc_target_threads", kGauge,
                               "Threads of the target."};
constexpr ReadingDesc kOpenFiles{"fodc_target_open_files", kGauge,
                                 "Open file descriptors of the target."};
constexpr ReadingDesc kMaxOpenFiles{"fodc_target_max_open_files", kGauge,
                                    "Limit of open file descriptors of the "
                                    "target."};
constexpr ReadingDesc kFaults{"fodc_target_page_faults_total", kCounter,
                              "Page faults of the target."};
constexpr ReadingDesc kSwitches{"fodc_target_context_switches_total", kCounter,
                                "Context switches of the target's main "
                                "thread."};
constexpr ReadingDesc kIo{"fodc_target_io_bytes_total", kCounter,
                          "Bytes that the target read from and wrote to "
                          "storage."};

constexpr ReadingDesc kUsage{"fodc_container_memory_usage_bytes", kGauge,
                             "Memory charged to the target's cgroup."};
constexpr ReadingDesc kWorkingSet{"fodc_container_memory_working_set_bytes",
                                  kGauge,
                                  "Memory of the target's cgroup less its "
                                  "inactive file pages."};
constexpr ReadingDesc kLimit{"fodc_container_memory_limit_bytes", kGauge,
                             "Smallest memory limit of the target's cgroup "
                             "and its ancestors."};
constexpr ReadingDesc kHigh{"fodc_container_memory_high_bytes", kGauge,
                            "Smallest memory.high of the target's cgroup and "
                            "its ancestors."};
constexpr ReadingDesc kMemory{"fodc_container_memory_bytes", kGauge,
                              "Parts of the memory of the target's cgroup."};
constexpr ReadingDesc kEvents{"fodc_container_memory_events_total", kCounter,
                              "Memory events of the target's cgroup."};
constexpr ReadingDesc kContainerCpu{"fodc_container_cpu_seconds_total",
                                    kCounter,
                                    "CPU time of the target's cgroup."};
constexpr ReadingDesc kCpuLimit{"fodc_container_cpu_limit_cores", kGauge,
                                "Smallest CPU quota of the target's cgroup "
                                "and its ancestors."};
constexpr ReadingDesc kPeriods{"fodc_container_cpu_periods_total", kCounter,
                               "CPU quota periods that passed."};
constexpr ReadingDesc kThrottled{"fodc_container_cpu_throttled_periods_total",
                                 kCounter,
                                 "CPU quota periods in which the target's "
                                 "cgroup was throttled."};
constexpr ReadingDesc kThrottledSeconds{
    "fodc_container_cpu_throttled_seconds_total", kCounter,
    "Time for which the target's cgroup was throttled."};

constexpr ReadingDesc kStalled{"fodc_pressure_stalled_seconds_total", kCounter,
                               "Time in which tasks of the target's cgroup "
                               "stalled for the resource (PSI)."};
constexpr ReadingDesc kAvg10{"fodc_pressure_avg10_ratio", kGauge,
                             "Share of the last 10 s in which tasks of the "
                             "target's cgroup stalled for the resource "
                             "(PSI)."};

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
    cpu_user = add(kCpu, "mode", "user");
    cpu_system = add(kCpu, "mode", "system");
    resident = add(kResident);
    anon = add(kAnon);
    virtual_memory = add(kVirtual);
    swap = add(kSwap);
    threads = add(kThreads);
    open_files = add(kOpenFiles);
    max_open_files = add(kMaxOpenFiles);
    minor_faults = add(kFaults, "kind", "minor");
    major_faults = add(kFaults, "kind", "major");
    voluntary = add(kSwitches, "kind", "voluntary");
    involuntary = add(kSwitches, "kind", "involuntary");
    io_read = add(kIo, "direction", "read");
    io_write = add(kIo, "direction", "write");
    usage = add(kUsage);
    working_set = add(kWorkingSet);
    limit = add(kLimit);
    high = add(kHigh);
    memory_anon = add(kMemory, "kind", "anon");
    memory_file = add(kMemory, "kind", "file");
    memory_swap = add(kMemory, "kind", "swap");
    event_high = add(kEvents, "event", "high");
    event_max = add(kEvents, "event", "max");
    event_oom = add(kEvents, "event", "oom");
    event_oom_kill = add(kEvents, "event", "oom_kill");
    event_oom_group_kill = add(kEvents, "event", "oom_group_kill");
    container_user = add(kContainerCpu, "mode", "user");
    container_system = add(kContainerCpu, "mode", "system");
    cpu_limit = add(kCpuLimit);
    periods = add(kPeriods);
    throttled = add(kThrottled);
    throttled_seconds = add(kThrottledSeconds);
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
      last_exit_code, last_signal, processes, cpu_user, cpu_system, resident,
      anon, virtual_memory, swap, threads, open_files, max_open_files,
      minor_faults, major_faults, voluntary, involuntary, io_read, io_write;
  Index usage, working_set, limit, high, memory_anon, memory_file, memory_swap,
      event_high, event_max, event_oom, event_oom_kill, event_oom_group_kill;
  Index container_user, container_system, cpu_limit, periods, throttled,
      throttled_seconds;
  Resource memory, cpu, io;
};

Targets::Reader::Reader(recorder::Recording& recording, std::string name,
                        std::string_view container_name,
                        const target::ReaderOptions& options,
                        const Clock& clock)
    : name_(std::move(name)),
      clock_(clock),
      reader_(options, clock),
      machine_(options.proc_root),
      readings_(recording, StrCat("target ", name_), container_name),
      at_(std::make_unique<Indexes>(&readings_, name_)) {}

Targets::Reader::~Reader() = default;

void Targets::Reader::Set(Readings::Index index,
                          const std::optional<std::uint64_t>& value) {
  if (value) readings_.Set(index, Double(*value));
}

void Targets::Reader::Set(Readings::Index index,
                          const std::optional<double>& value) {
  if (value) readings_.Set(index, *value);
}

void Targets::Reader::Read(const target::Row& row, recorder::FrameTime time) {
  ReadRow(row);
  const target::TargetReadings readings = reader_.Read(row);
  if (Differs(reader_.problem(), &told_unread_)) {
    LogWarn("target cannot be read whole",
            {{"target", name_}, {"problem", told_unread_}});
  }
  ReadProcess(readings.process);
  if (readings.memory) ReadMemory(*readings.memory);
  if (readings.cpu) ReadCpu(*readings.cpu);
  CgroupPressure pressure = readings.pressure;
  // Where the group has none of its own (cgroup v1): the machine's.
  if (!pressure.memory && !pressure.cpu && !pressure.io)
    pressure = machine_.Read().pressure;
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
  Set(at_->last_uptime, row.last_uptime_seconds);
  if (row.last_death_at)
    readings_.Set(at_->last_death,
                  Seconds(row.last_death_at->time_since_epoch()));
  if (row.last_exit.status)
    readings_.Set(at_->last_exit_code, *row.last_exit.status);
  if (row.last_exit.signal)
    readings_.Set(at_->last_signal, *row.last_exit.signal);
  readings_.Set(at_->processes, Double(row.candidates));
}

void Targets::Reader::ReadProcess(const target::ProcessReadings& p) {
  Set(at_->cpu_user, p.cpu_user_seconds);
  Set(at_->cpu_system, p.cpu_system_seconds);
  Set(at_->resident, p.resident_bytes);
  Set(at_->anon, p.resident_anon_bytes);
  Set(at_->virtual_memory, p.virtual_bytes);
  Set(at_->swap, p.swap_bytes);
  Set(at_->threads, p.threads);
  Set(at_->open_files, p.open_files);
  Set(at_->max_open_files, p.max_open_files);
  Set(at_->minor_faults, p.minor_faults);
  Set(at_->major_faults, p.major_faults);
  Set(at_->voluntary, p.main_thread_voluntary_switches);
  Set(at_->involuntary, p.main_thread_involuntary_switches);
  Set(at_->io_read, p.read_storage_bytes);
  Set(at_->io_write, p.write_storage_bytes);
}

void Targets::Reader::ReadMemory(const CgroupMemory& m) {
  Set(at_->usage, m.usage_bytes);
  Set(at_->working_set, m.working_set_bytes);
  Set(at_->limit, m.limit_bytes);
  Set(at_->high, m.high_bytes);
  Set(at_->memory_anon, m.anon_bytes);
  Set(at_->memory_file, m.file_bytes);
  Set(at_->memory_swap, m.swap_bytes);
  Set(at_->event_high, m.high_events);
  Set(at_->event_max, m.max_events);
  Set(at_->event_oom, m.oom_events);
  Set(at_->event_oom_kill, m.oom_kill_events);
  Set(at_->event_oom_group_kill, m.oom_group_kill_events);
}

void Targets::Reader::ReadCpu(const CgroupCpu& c) {
  Set(at_->container_user, c.user_seconds);
  Set(at_->container_system, c.system_seconds);
  Set(at_->cpu_limit, c.limit_cpus);
  Set(at_->periods, c.periods);
  Set(at_->throttled, c.throttled_periods);
  Set(at_->throttled_seconds, c.throttled_seconds);
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
