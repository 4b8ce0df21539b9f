// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/cgroup.h"

#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"

namespace fodc {
namespace {

// A line "<name> <number>" and where the number goes.
template <typename T>
struct NumberLine {
  std::string_view name;
  std::optional<std::uint64_t> T::*field;
};

// A text of such lines; names that nobody asked for are passed over.
template <typename T, std::size_t N>
Status ParseNumberLines(std::string_view text, const NumberLine<T> (&lines)[N],
                        T* out) {
  std::string_view line;
  while (NextLine(&text, &line)) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, blank);
    for (const NumberLine<T>& want : lines) {
      if (name != want.name) continue;
      const std::optional<std::uint64_t> v =
          ParseUint(Trim(line.substr(blank)));
      if (!v) return DataLoss(StrCat("line \"", name, "\" is no number"));
      out->*want.field = *v;
      break;
    }
  }
  return OkStatus();
}

struct MemoryStat {
  std::optional<std::uint64_t> anon, file, swap, active_file, inactive_file,
      slab_reclaimable, hierarchical_limit, kernel, refault_file, refault_anon,
      scanned, reclaimed;
};

std::uint64_t Less(std::uint64_t from,
                   std::initializer_list<std::optional<std::uint64_t>> parts) {
  for (const std::optional<std::uint64_t>& part : parts) {
    const std::uint64_t p = part.value_or(0);
    from = p < from ? from - p : 0;
  }
  return from;
}

// Usage and the file pages are not read at one instant: the differences stop
// at zero.
void Derive(const MemoryStat& s, CgroupMemory* out) {
  out->anon_bytes = s.anon;
  out->file_bytes = s.file;
  if (s.swap) out->swap_bytes = s.swap;
  if (s.kernel) out->kernel_bytes = s.kernel;
  out->file_refault_pages = s.refault_file;
  out->anon_refault_pages = s.refault_anon;
  out->reclaim_scanned_pages = s.scanned;
  out->reclaimed_pages = s.reclaimed;
  if (!out->usage_bytes || !s.inactive_file || !s.active_file) return;
  out->working_set_bytes = Less(*out->usage_bytes, {s.inactive_file});
  out->charge_bytes = Less(
      *out->usage_bytes, {s.inactive_file, s.active_file, s.slab_reclaimable});
}

bool IsLimit(std::uint64_t bytes) {
  return bytes > 0 && bytes < 1'000'000'000'000'000'000;
}

void TakeSmaller(std::optional<std::uint64_t> v,
                 std::optional<std::uint64_t>* out) {
  if (v && (!*out || *v < **out)) *out = v;
}

}  // namespace

Status ParseMemoryStatV2(std::string_view text, CgroupMemory* out) {
  static constexpr NumberLine<MemoryStat> kLines[] = {
      {"anon", &MemoryStat::anon},
      {"file", &MemoryStat::file},
      {"active_file", &MemoryStat::active_file},
      {"inactive_file", &MemoryStat::inactive_file},
      {"slab_reclaimable", &MemoryStat::slab_reclaimable},
      {"kernel", &MemoryStat::kernel},
      {"workingset_refault_file", &MemoryStat::refault_file},
      {"workingset_refault_anon", &MemoryStat::refault_anon},
      {"pgscan", &MemoryStat::scanned},
      {"pgsteal", &MemoryStat::reclaimed}};
  MemoryStat s;
  FODC_RETURN_IF_ERROR(ParseNumberLines(text, kLines, &s));
  Derive(s, out);
  return OkStatus();
}

Status ParseMemoryStatV1(std::string_view text, CgroupMemory* out) {
  static constexpr NumberLine<MemoryStat> kLines[] = {
      {"total_rss", &MemoryStat::anon},
      {"total_cache", &MemoryStat::file},
      {"total_swap", &MemoryStat::swap},
      {"total_active_file", &MemoryStat::active_file},
      {"total_inactive_file", &MemoryStat::inactive_file},
      {"total_workingset_refault_file", &MemoryStat::refault_file},
      {"total_workingset_refault_anon", &MemoryStat::refault_anon},
      {"hierarchical_memory_limit", &MemoryStat::hierarchical_limit}};
  MemoryStat s;
  FODC_RETURN_IF_ERROR(ParseNumberLines(text, kLines, &s));
  Derive(s, out);
  if (s.hierarchical_limit && IsLimit(*s.hierarchical_limit)) {
    TakeSmaller(s.hierarchical_limit, &out->limit_bytes);
  }
  return OkStatus();
}

Status ParseMemoryEventsV2(std::string_view text, CgroupMemory* out) {
  static constexpr NumberLine<CgroupMemory> kLines[] = {
      {"high", &CgroupMemory::high_events},
      {"max", &CgroupMemory::max_events},
      {"oom", &CgroupMemory::oom_events},
      {"oom_kill", &CgroupMemory::oom_kill_events},
      {"oom_group_kill", &CgroupMemory::oom_group_kill_events}};
  return ParseNumberLines(text, kLines, out);
}

Status ParseOomControlV1(std::string_view text, CgroupMemory* out) {
  struct Control {
    std::optional<std::uint64_t> under_oom, oom_kill;
  };
  static constexpr NumberLine<Control> kLines[] = {
      {"under_oom", &Control::under_oom}, {"oom_kill", &Control::oom_kill}};
  Control c;
  FODC_RETURN_IF_ERROR(ParseNumberLines(text, kLines, &c));
  if (c.under_oom) out->under_oom = *c.under_oom != 0;
  out->oom_kill_events = c.oom_kill;
  return OkStatus();
}

namespace {

struct CpuStat {
  std::optional<std::uint64_t> usage_us, user_us, system_us, periods, throttled,
      throttled_us, throttled_ns;
};

std::optional<double> Scaled(std::optional<std::uint64_t> v, double per_unit) {
  if (!v) return {};
  return static_cast<double>(*v) / per_unit;
}

}  // namespace

Status ParseCpuStatV2(std::string_view text, CgroupCpu* out) {
  static constexpr NumberLine<CpuStat> kLines[] = {
      {"usage_usec", &CpuStat::usage_us},
      {"user_usec", &CpuStat::user_us},
      {"system_usec", &CpuStat::system_us},
      {"nr_periods", &CpuStat::periods},
      {"nr_throttled", &CpuStat::throttled},
      {"throttled_usec", &CpuStat::throttled_us}};
  CpuStat s;
  FODC_RETURN_IF_ERROR(ParseNumberLines(text, kLines, &s));
  out->usage_seconds = Scaled(s.usage_us, 1e6);
  out->user_seconds = Scaled(s.user_us, 1e6);
  out->system_seconds = Scaled(s.system_us, 1e6);
  out->periods = s.periods;
  out->throttled_periods = s.throttled;
  out->throttled_seconds = Scaled(s.throttled_us, 1e6);
  return OkStatus();
}

Status ParseCpuStatV1(std::string_view text, CgroupCpu* out) {
  static constexpr NumberLine<CpuStat> kLines[] = {
      {"nr_periods", &CpuStat::periods},
      {"nr_throttled", &CpuStat::throttled},
      {"throttled_time", &CpuStat::throttled_ns}};
  CpuStat s;
  FODC_RETURN_IF_ERROR(ParseNumberLines(text, kLines, &s));
  out->periods = s.periods;
  out->throttled_periods = s.throttled;
  out->throttled_seconds = Scaled(s.throttled_ns, 1e9);
  return OkStatus();
}

Result<std::optional<std::uint64_t>> ParseMemoryLimit(std::string_view text) {
  text = Trim(text);
  if (text == "max") return std::optional<std::uint64_t>();
  if (!text.empty() && text[0] == '-' && ParseInt(text)) {
    return std::optional<std::uint64_t>();
  }
  const std::optional<std::uint64_t> v = ParseUint(text);
  if (!v) return DataLoss("the limit is no number");
  if (!IsLimit(*v)) return std::optional<std::uint64_t>();
  return v;
}

Result<std::optional<double>> ParseCpuMax(std::string_view text) {
  text = Trim(text);
  const std::string_view quota = NextField(&text);
  const std::optional<std::uint64_t> period_us = NextUint(&text);
  if (!period_us || *period_us == 0) return DataLoss("cpu.max has no period");
  if (quota == "max") return std::optional<double>();
  const std::optional<std::uint64_t> quota_us = ParseUint(quota);
  if (!quota_us) return DataLoss("the quota of cpu.max is no number");
  return std::optional<double>(static_cast<double>(*quota_us) /
                               static_cast<double>(*period_us));
}

}  // namespace fodc
