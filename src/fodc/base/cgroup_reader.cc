// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <utility>

#include "fodc/base/cgroup.h"
#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"

namespace fodc {
namespace {

// Calls `f` with the group's directory and those of all its ancestors that the
// mount shows.
template <typename F>
void ForEachLevel(const CgroupDirectory& dir, const F& f) {
  std::string path = dir.path;
  for (;;) {
    f(path);
    if (path.size() <= dir.mount.size()) return;
    const std::size_t slash = path.find_last_of('/');
    if (slash == std::string::npos) return;
    path.resize(slash);
    if (path.size() < dir.mount.size()) return;
  }
}

std::optional<std::uint64_t> SmallestLimit(const CgroupDirectory& dir,
                                           std::string_view name) {
  std::optional<std::uint64_t> smallest;
  ForEachLevel(dir, [&](const std::string& level) {
    const Result<std::string> text = ReadFile(StrCat(level, "/", name));
    if (!text.ok()) return;
    const auto limit = ParseMemoryLimit(*text);
    if (limit.ok() && *limit && (!smallest || **limit < *smallest)) {
      smallest = **limit;
    }
  });
  return smallest;
}

std::optional<double> LimitOfLevel(CgroupVersion version,
                                   const std::string& level) {
  if (version == CgroupVersion::kV2) {
    const Result<std::string> text = ReadFile(level + "/cpu.max");
    if (!text.ok()) return {};
    return ParseCpuMax(*text).value_or(std::nullopt);
  }
  const Result<std::string> quota = ReadFile(level + "/cpu.cfs_quota_us");
  const Result<std::string> period = ReadFile(level + "/cpu.cfs_period_us");
  if (!quota.ok() || !period.ok()) return {};
  const std::optional<std::int64_t> quota_us = ParseInt(Trim(*quota));
  const std::optional<std::uint64_t> period_us = ParseUint(Trim(*period));
  if (!quota_us || *quota_us <= 0 || !period_us || *period_us == 0) return {};
  return static_cast<double>(*quota_us) / static_cast<double>(*period_us);
}

OptionalFile FileOf(const std::optional<CgroupDirectory>& dir,
                    std::string_view name) {
  if (!dir) return {};
  return OptionalFile(StrCat(dir->path, "/", name));
}

std::optional<std::uint64_t> ToNumber(std::optional<std::string_view> text) {
  if (!text) return {};
  return ParseUint(Trim(*text));
}

}  // namespace

struct CgroupReader::Impl {
  explicit Impl(CgroupPlace p) : place(std::move(p)) {
    const bool memory_v2 =
        place.memory && place.memory->version == CgroupVersion::kV2;
    usage = FileOf(place.memory,
                   memory_v2 ? "memory.current" : "memory.usage_in_bytes");
    memory_stat = FileOf(place.memory, "memory.stat");
    if (memory_v2) {
      swap = FileOf(place.memory, "memory.swap.current");
      events = FileOf(place.memory, "memory.events");
    } else {
      oom_control = FileOf(place.memory, "memory.oom_control");
      failcnt = FileOf(place.memory, "memory.failcnt");
      kernel_usage = FileOf(place.memory, "memory.kmem.usage_in_bytes");
    }
    cpu_stat = FileOf(place.cpu, "cpu.stat");
    if (place.cpuacct && place.cpuacct->version == CgroupVersion::kV1) {
      cpuacct_usage = FileOf(place.cpuacct, "cpuacct.usage");
      cpuacct_stat = FileOf(place.cpuacct, "cpuacct.stat");
    }
    pressure[0] = FileOf(place.unified, "cpu.pressure");
    pressure[1] = FileOf(place.unified, "memory.pressure");
    pressure[2] = FileOf(place.unified, "io.pressure");
  }

  void ReadLimits() {
    has_limits = true;
    memory_limit.reset();
    memory_high.reset();
    cpu_limit.reset();
    if (place.memory) {
      if (place.memory->version == CgroupVersion::kV2) {
        memory_limit = SmallestLimit(*place.memory, "memory.max");
        memory_high = SmallestLimit(*place.memory, "memory.high");
      } else {
        memory_limit = SmallestLimit(*place.memory, "memory.limit_in_bytes");
      }
    }
    if (place.cpu) {
      ForEachLevel(*place.cpu, [this](const std::string& level) {
        const auto limit = LimitOfLevel(place.cpu->version, level);
        if (limit && (!cpu_limit || *limit < *cpu_limit)) cpu_limit = limit;
      });
    }
    for (OptionalFile* f :
         {&usage, &memory_stat, &swap, &events, &oom_control, &failcnt,
          &kernel_usage, &cpu_stat, &cpuacct_usage, &cpuacct_stat, &pressure[0],
          &pressure[1], &pressure[2]}) {
      f->Retry();
    }
  }

  Result<CgroupMemory> ReadMemory() {
    CgroupMemory out;
    if (!has_limits) ReadLimits();
    out.limit_bytes = memory_limit;
    out.high_bytes = memory_high;
    Status error = memory_error;
    bool any = false;
    const auto read = [&](OptionalFile* f) {
      const auto text = f->Read(&buffer, &error);
      any = any || text.has_value();
      return text;
    };
    out.usage_bytes = ToNumber(read(&usage));
    if (const auto text = read(&memory_stat)) {
      const Status s = place.memory->version == CgroupVersion::kV2
                           ? ParseMemoryStatV2(*text, &out)
                           : ParseMemoryStatV1(*text, &out);
      if (!s.ok()) return s.WithContext(place.memory->path + "/memory.stat");
    }
    if (const auto v = ToNumber(read(&swap))) out.swap_bytes = v;
    if (const auto text = read(&events)) {
      FODC_RETURN_IF_ERROR(
          ParseMemoryEventsV2(*text, &out).WithContext(place.memory->path));
    }
    if (const auto text = read(&oom_control)) {
      FODC_RETURN_IF_ERROR(
          ParseOomControlV1(*text, &out).WithContext(place.memory->path));
    }
    if (const auto v = ToNumber(read(&failcnt))) out.max_events = v;
    if (const auto v = ToNumber(read(&kernel_usage))) out.kernel_bytes = v;
    if (any) return out;
    memory_error = error.ok() ? NotFound("no memory controller") : error;
    return memory_error;
  }

  Result<CgroupCpu> ReadCpu() {
    CgroupCpu out;
    if (!has_limits) ReadLimits();
    out.limit_cpus = cpu_limit;
    Status error = cpu_error;
    bool any = false;
    const auto read = [&](OptionalFile* f) {
      const auto text = f->Read(&buffer, &error);
      any = any || text.has_value();
      return text;
    };
    if (const auto text = read(&cpu_stat)) {
      const Status s = place.cpu->version == CgroupVersion::kV2
                           ? ParseCpuStatV2(*text, &out)
                           : ParseCpuStatV1(*text, &out);
      if (!s.ok()) return s.WithContext(place.cpu->path + "/cpu.stat");
    }
    if (const auto ns = ToNumber(read(&cpuacct_usage))) {
      out.usage_seconds = static_cast<double>(*ns) / 1e9;
    }
    if (const auto text = read(&cpuacct_stat)) {
      std::string_view rest = *text;
      std::string_view line;
      const auto hz = static_cast<double>(ClockTicksPerSecond());
      while (NextLine(&rest, &line)) {
        const std::string_view name = NextField(&line);
        const std::optional<std::uint64_t> ticks = NextUint(&line);
        if (!ticks) continue;
        const double seconds = static_cast<double>(*ticks) / hz;
        if (name == "user") out.user_seconds = seconds;
        if (name == "system") out.system_seconds = seconds;
      }
    }
    if (any) return out;
    cpu_error = error.ok() ? NotFound("no CPU controller") : error;
    return cpu_error;
  }

  CgroupPressure ReadPressure() {
    if (!has_limits) ReadLimits();
    CgroupPressure out;
    const std::array<std::optional<Pressure>*, 3> into = {&out.cpu, &out.memory,
                                                          &out.io};
    for (std::size_t i = 0; i < into.size(); ++i) {
      const auto text = pressure[i].Read(&buffer);
      if (!text) continue;
      Result<Pressure> parsed = ParsePressure(*text);
      if (parsed.ok()) *into[i] = *parsed;
    }
    return out;
  }

  const CgroupPlace place;

  OptionalFile usage, memory_stat, swap, events, oom_control, failcnt;
  OptionalFile kernel_usage;
  OptionalFile cpu_stat, cpuacct_usage, cpuacct_stat;
  std::array<OptionalFile, 3> pressure;
  bool has_limits = false;
  std::optional<std::uint64_t> memory_limit;
  std::optional<std::uint64_t> memory_high;
  std::optional<double> cpu_limit;
  Status memory_error;
  Status cpu_error;
  std::string buffer;
};

CgroupReader::CgroupReader(CgroupPlace place)
    : impl_(std::make_unique<Impl>(std::move(place))) {}
CgroupReader::~CgroupReader() = default;
CgroupReader::CgroupReader(CgroupReader&&) noexcept = default;
CgroupReader& CgroupReader::operator=(CgroupReader&&) noexcept = default;

Result<CgroupMemory> CgroupReader::ReadMemory() { return impl_->ReadMemory(); }
Result<CgroupCpu> CgroupReader::ReadCpu() { return impl_->ReadCpu(); }
CgroupPressure CgroupReader::ReadPressure() { return impl_->ReadPressure(); }
void CgroupReader::ReadLimits() { impl_->ReadLimits(); }
const CgroupPlace& CgroupReader::place() const { return impl_->place; }

}  // namespace fodc
