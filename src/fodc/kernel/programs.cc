// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/programs.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <optional>
#include <utility>

#include "bpf/records.h"
#include "fodc/base/file.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"
#include "fodc/kernel/bpf_log.h"
#include "fodc/kernel/objects.h"

namespace fodc::kernel {
namespace {

// Maps of the gate's object that the others use too.
constexpr std::string_view kSharedMaps[] = {
    "filter", "thread_groups", "who", "losses", "calls", "task_calls"};
// Maps of one record for each target, beside the tables' stats_map.
constexpr std::string_view kTargetMaps[] = {"losses", "living_faults"};

const ProgramSpec* FindSpec(const ObjectSpec& object, std::string_view name) {
  for (const ProgramSpec& p : object.programs) {
    if (p.name == name) return &p;
  }
  return nullptr;
}

// Of the gate, on the tracepoint.
std::string_view GateProgram(std::string_view tracepoint) {
  for (const ProgramSpec& p : GateObject().programs) {
    if (p.tracepoint == tracepoint) return p.name;
  }
  return {};
}

std::string_view ReasonOf(const Status& status) {
  switch (status.code()) {
    case Code::kPermissionDenied:
      return "no_permission";
    case Code::kResourceExhausted:
      return "no_memory";
    case Code::kNotFound:
      return "no_tracepoint";
    default:
      return "refused";
  }
}

std::optional<std::uint64_t> MemoryOf(int map) {
  const auto text = ReadFile(StrCat("/proc/self/fdinfo/", map));
  if (!text.ok()) return {};
  std::string_view rest = *text;
  std::string_view line;
  while (NextLine(&rest, &line)) {
    if (ConsumePrefix(&line, "memlock:")) return ParseUint(Trim(line));
  }
  return {};
}

}  // namespace

void Programs::ChooseInFlight() {
  const std::uint64_t pid_max = kernel_.PidMax();
  use_task_storage_ = pid_max == 0 || pid_max * sizeof(fodc_call) >
                                          options_.in_flight_budget_bytes;
  in_flight_entries_ =
      use_task_storage_ ? 1 : static_cast<std::uint32_t>(pid_max);
}

void Programs::RefuseAll(std::string_view reason, const std::string& detail) {
  const auto refuse = [&](const ObjectSpec& spec) {
    for (const ProgramSpec& p : spec.programs) {
      if (ProgramFd(p.name) < 0) refused_[p.name] = {reason, detail};
    }
  };
  refuse(GateObject());
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if (Wanted(family)) refuse(ObjectOf(family));
  }
}

void Programs::Refuse(const ObjectSpec& spec, std::string_view program,
                      const Status& status) {
  // The key lives as long as the table.
  refused_[FindSpec(spec, program)->name] = {ReasonOf(status),
                                             status.message()};
}

bool Programs::Load() {
  if (const Status may = kernel_.MayLoad(); !may.ok()) {
    RefuseAll("no_permission", may.message());
    return false;
  }
  const Result<KernelTypes> types = kernel_.Types();
  if (!types.ok()) {
    RefuseAll("no_btf", types.status().message());
    return false;
  }
  if (!loaded_once_) {
    ChooseInFlight();
    loaded_once_ = true;
  }
  bool complete = LoadObject(GateObject(), *types);
  // Without the gate's maps nothing can be loaded.
  if (Map("filter") < 0) {
    const Refusal why = refused_.empty() ? Refusal{"refused", "no map"}
                                         : refused_.begin()->second;
    RefuseAll(why.reason, why.detail);
    return false;
  }
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if (Wanted(family) && !LoadObject(ObjectOf(family), *types)) {
      complete = false;
    }
  }
  return complete;
}

bool Programs::LoadObject(const ObjectSpec& spec, const KernelTypes& types) {
  std::vector<std::string_view> names;
  bool complete = true;
  for (const ProgramSpec& p : spec.programs) {
    if (ProgramFd(p.name) >= 0) continue;
    if (!p.tracepoint.empty() && !types.HasTracepoint(p.tracepoint)) {
      Refuse(spec, p.name,
             NotFound(StrCat("this kernel has no tracepoint ", p.tracepoint)));
      complete = false;
    } else if (p.tracepoint == "mark_victim" && !types.victim_is_task) {
      Refuse(spec, p.name,
             NotFound("mark_victim tells a bare process id before Linux 6.8"));
      complete = false;
    } else {
      names.push_back(p.name);
    }
  }
  // The gate's maps are there for others, whatever its programs are.
  if (names.empty() && (&spec != &GateObject() || Map("filter") >= 0)) {
    return complete;
  }
  if (LoadPrograms(spec, types, names).ok()) return complete;
  // One that is refused takes the whole object with it: each alone, then.
  for (const std::string_view name : names) {
    const Status status = LoadPrograms(spec, types, {name});
    if (status.ok()) continue;
    Refuse(spec, name, status);
    complete = false;
  }
  return complete;
}

Status Programs::LoadPrograms(const ObjectSpec& spec, const KernelTypes& types,
                              const std::vector<std::string_view>& names) {
  FODC_ASSIGN_OR_RETURN(
      BpfObject object,
      BpfObject::Open(std::string(spec.stem), ObjectBytes(spec.stem)));
  for (const std::string_view name : names) object.Want(name);
  object.SetEntries(spec.stats_map, options_.max_targets);
  for (const std::string_view map : kTargetMaps) {
    object.SetEntries(map, options_.max_targets);
  }
  object.SetEntries("calls", in_flight_entries_);
  object.Skip(use_task_storage_ ? "calls" : "task_calls");
  for (const std::string_view map : kSharedMaps) {
    if (const int fd = Map(map); fd >= 0) object.Share(map, fd);
  }
  // What an earlier part of the same object counts in.
  for (const LoadedObject& part : objects_) {
    for (const NamedFd& map : part.maps) {
      if (map.name.find(".rodata") == std::string::npos) {
        object.Share(map.name, map.fd.get());
      }
    }
  }
  object.SetConstant("has_rdonly_cast", types.has_rdonly_cast);
  object.SetConstant("use_task_storage", use_task_storage_);
  object.SetConstant("has_io_start", types.HasTracepoint("block_io_start"));
  FODC_ASSIGN_OR_RETURN(LoadedObject loaded, std::move(object).Load());
  for (const NamedFd& program : loaded.programs) {
    refused_.erase(program.name);
  }
  objects_.push_back(std::move(loaded));
  return OkStatus();
}

int Programs::ProgramFd(std::string_view name) const {
  for (const LoadedObject& object : objects_) {
    if (const int fd = object.Program(name); fd >= 0) return fd;
  }
  return -1;
}

int Programs::Map(std::string_view name) const {
  for (const LoadedObject& object : objects_) {
    if (const int fd = object.Map(name); fd >= 0) return fd;
  }
  return -1;
}

bool Programs::Usable(const ObjectSpec& spec, const ProgramSpec& p) const {
  if (ProgramFd(p.name) < 0) return false;
  if (!p.needs.empty() && ProgramFd(p.needs) < 0) return false;
  // Both ends of what comes through the gate.
  const ProgramSpec* needed =
      p.needs.empty() ? nullptr : FindSpec(spec, p.needs);
  const auto reachable = [this](const ProgramSpec& at_gate) {
    return ProgramFd(GateProgram(at_gate.tracepoint)) >= 0;
  };
  return p.hook != Hook::kGate ||
         (reachable(p) && (needed == nullptr || reachable(*needed)));
}

Result<UniqueFd> Programs::AttachOne(const ProgramSpec& p) const {
  const int program = ProgramFd(p.name);
  if (p.hook == Hook::kGate) {
    const int gate = Map(p.gate_map);
    if (bpf_map_update_elem(gate, &p.gate_slot, &program, BPF_ANY) != 0) {
      return ErrnoStatus(errno, StrCat("put ", p.name, " at the gate"));
    }
    return UniqueFd();
  }
  UniqueFd link(p.hook == Hook::kIterator
                    ? bpf_link_create(program, 0, BPF_TRACE_ITER, nullptr)
                    : bpf_raw_tracepoint_open(nullptr, program));
  if (!link.ok()) return ErrnoStatus(errno, StrCat("attach ", p.name));
  return link;
}

bool Programs::AttachObject(const ObjectSpec& spec) {
  bool complete = true;
  for (const ProgramSpec& p : spec.programs) {
    if (links_.contains(p.name) || !Usable(spec, p)) continue;
    Result<UniqueFd> link = AttachOne(p);
    if (link.ok()) {
      refused_.erase(p.name);
      links_.emplace(p.name, *std::move(link));
    } else {
      Refuse(spec, p.name, link.status());
      complete = false;
    }
  }
  // Half a pair is worse than none.
  for (const ProgramSpec& p : spec.programs) {
    if (!p.needs.empty() && !links_.contains(p.needs)) links_.erase(p.name);
  }
  return complete;
}

bool Programs::Attach() {
  bool complete = true;
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if (Wanted(family)) complete &= AttachObject(ObjectOf(family));
  }
  return AttachObject(GateObject()) && complete;
}

void Programs::Detach() {
  // What begins pairs first, so that nothing new is in flight.
  const auto detach = [this](const ObjectSpec& spec) {
    for (std::size_t i = spec.programs.size(); i-- > 0;) {
      links_.erase(spec.programs[i].name);
    }
  };
  detach(GateObject());
  for (std::size_t i = 0; i < kFamilies; ++i) {
    detach(ObjectOf(static_cast<Family>(i)));
  }
}

bool Programs::Attached(std::string_view program) const {
  return links_.contains(program);
}

std::size_t Programs::AttachedCount() const { return links_.size(); }

bool Programs::On(Family family) const {
  const auto programs = ObjectOf(family).programs;
  return std::any_of(
      programs.begin(), programs.end(), [this](const ProgramSpec& p) {
        return Attached(p.name) &&
               (p.hook != Hook::kGate || Attached(GateProgram(p.tracepoint)));
      });
}

FamilyState Programs::StateOf(Family family) const {
  FamilyState state;
  state.on = On(family);
  if (!Wanted(family)) {
    state.reason = "disabled";
    return state;
  }
  // What several programs have in common is told once.
  std::vector<std::pair<std::string_view, std::string>> told;
  const auto tell = [&](std::string_view program) {
    const auto why = refused_.find(program);
    if (why == refused_.end()) return;
    if (state.reason.empty()) state.reason = why->second.reason;
    const std::string_view detail = why->second.detail;
    const auto same =
        std::find_if(told.begin(), told.end(),
                     [&](const auto& t) { return t.first == detail; });
    if (same == told.end()) {
      told.emplace_back(detail, program);
    } else if (same->second.find(program) == std::string::npos) {
      same->second += StrCat(", ", program);
    }
  };
  for (const ProgramSpec& p : ObjectOf(family).programs) {
    if (p.hook == Hook::kGate) tell(GateProgram(p.tracepoint));
    tell(p.name);
  }
  for (const auto& [detail, names] : told) {
    if (!state.detail.empty()) state.detail += "; ";
    state.detail += StrCat(names, ": ", detail);
  }
  if (!state.on && state.reason.empty()) state.reason = "no_target";
  return state;
}

std::uint64_t Programs::MapBytes() const {
  std::uint64_t bytes = 0;
  for (const LoadedObject& object : objects_) {
    for (const NamedFd& map : object.maps) {
      bytes += MemoryOf(map.fd.get()).value_or(0);
    }
  }
  return bytes;
}

Status Programs::RunIterator(std::string_view program) const {
  const auto link = links_.find(program);
  if (link == links_.end()) return NotFound(StrCat(program, " is not loaded"));
  const UniqueFd run(bpf_iter_create(link->second.get()));
  if (!run.ok()) return ErrnoStatus(errno, StrCat("run ", program));
  char none[64];
  ssize_t n = 0;
  do {
    n = ::read(run.get(), none, sizeof none);
  } while (n > 0 || (n < 0 && errno == EAGAIN));
  return n < 0 ? ErrnoStatus(errno, StrCat("run ", program)) : OkStatus();
}

}  // namespace fodc::kernel
