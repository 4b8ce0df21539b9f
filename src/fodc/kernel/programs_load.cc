// SPDX-License-Identifier: Apache-2.0
// Loading of Programs: what can be had is, each refusal by itself.
#include <algorithm>
#include <utility>

#include "fodc/base/strings.h"
#include "fodc/kernel/footprint.h"
#include "fodc/kernel/objects.h"
#include "fodc/kernel/programs.h"

namespace fodc::kernel {
namespace {

// Maps of the gate's object that the others use too.
constexpr std::string_view kSharedMaps[] = {
    "filter", "thread_groups", "who", "losses", "calls", "task_calls"};

std::uint32_t Bits(const std::vector<Family>& families) {
  std::uint32_t bits = 0;
  for (const Family family : families) bits |= FamilyBit(family);
  return bits;
}

// Of the gate: runs for its parts.
bool ServesCalls(std::string_view program) {
  return program == "gate_enter" || program == "gate_exit";
}

// Whether a map holds the constants of an object: they are of its programs
// alone.
bool IsConstants(const NamedFd& map) {
  return map.name.find(".rodata") != std::string::npos;
}

}  // namespace

void Programs::ChooseInFlight() {
  const std::uint32_t pid_max = kernel_.PidMax();
  use_task_storage_ =
      !FootprintOf(pid_max, options_.in_flight_budget_bytes).in_flight_bytes;
  in_flight_entries_ = use_task_storage_ ? 1 : pid_max;
}

void Programs::RefuseAll(std::string_view reason, const std::string& detail) {
  const auto refuse = [&](const ObjectSpec& spec) {
    for (const ProgramSpec& p : spec.programs) {
      if (ProgramFd(p.name) < 0) refused_.Add(p.name, {reason, detail});
    }
  };
  refuse(GateObject());
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if (!Wanted(family)) continue;
    const ObjectSpec& spec = ObjectOf(family);
    refuse(spec);
    if (IsPart(spec) && (parts_ & FamilyBit(family)) == 0) {
      refused_.Add(spec.stem, {reason, detail});
    }
  }
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
  bool complete = LoadGate(*types);
  // Without the gate's maps nothing can be loaded.
  if (Map("filter") < 0) {
    const Refusals::Refusal why = refused_.AnyOr({"refused", "no map"});
    RefuseAll(why.reason, why.detail);
    return false;
  }
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if (!Wanted(family) || IsPart(ObjectOf(family))) continue;
    complete &= LoadObject(ObjectOf(family), *types);
  }
  return complete;
}

std::vector<std::string_view> Programs::Missing(const ObjectSpec& spec,
                                                const KernelTypes& types,
                                                bool* complete) {
  std::vector<std::string_view> names;
  for (const ProgramSpec& p : spec.programs) {
    if (ProgramFd(p.name) >= 0) continue;
    if (!p.tracepoint.empty() && !types.HasTracepoint(p.tracepoint)) {
      refused_.Add(p.name, NotFound(StrCat("this kernel has no tracepoint ",
                                           p.tracepoint)));
      *complete = false;
    } else if (p.tracepoint == "mark_victim" && !types.victim_is_task) {
      refused_.Add(
          p.name,
          NotFound("mark_victim tells a bare process id before Linux 6.8"));
      *complete = false;
    } else {
      names.push_back(p.name);
    }
  }
  return names;
}

// Whether what could be loaded, but not attached, can be attached by now.
bool Programs::MayAttachExit(const KernelTypes& types) {
  if (!refused_.Has("gate_exit")) return true;
  const auto loaded = LoadPrograms(GateObject(), types, {"gate_exit"}, {});
  Status status = loaded.status();
  if (loaded.ok()) {
    status = AttachOne({"gate_exit", "sys_exit"}, loaded->Program("gate_exit"))
                 .status();
  }
  if (status.ok()) {
    refused_.Remove("gate_exit");
  } else {
    refused_.Add("gate_exit", status);
  }
  return status.ok();
}

bool Programs::LoadGate(const KernelTypes& types) {
  bool complete = true;
  const std::vector<std::string_view> missing =
      Missing(GateObject(), types, &complete);
  const bool has_exit = types.HasTracepoint("sys_exit") && MayAttachExit(types);
  complete &= has_exit;
  const auto available = [&](std::string_view name) {
    if (name == "gate_exit" && !has_exit) return false;
    return ProgramFd(name) >= 0 ||
           std::find(missing.begin(), missing.end(), name) != missing.end();
  };
  std::vector<Family> parts;
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    const ObjectSpec& spec = ObjectOf(family);
    if (!Wanted(family) || !IsPart(spec)) continue;
    if (std::all_of(spec.gate_programs.begin(), spec.gate_programs.end(),
                    available)) {
      parts.push_back(family);
    }
  }
  if (Map("filter") >= 0 && Bits(parts) == parts_ &&
      std::all_of(missing.begin(), missing.end(), [&](std::string_view p) {
        return ServesCalls(p) || !available(p);
      })) {
    return complete;
  }
  // Those that serve no part by itself.
  std::vector<std::string_view> helpers;
  for (const ProgramSpec& p : GateObject().programs) {
    if (!ServesCalls(p.name) && available(p.name)) helpers.push_back(p.name);
  }
  for (const Family part : parts) refused_.Remove(ObjectOf(part).stem);
  const auto load = [&](const std::vector<std::string_view>& with,
                        const std::vector<Family>& of) {
    std::vector<std::string_view> names = with;
    for (const ProgramSpec& p : GateObject().programs) {
      if (std::any_of(of.begin(), of.end(),
                      [&](Family part) { return NeedsOfGate(part, p.name); })) {
        names.push_back(p.name);
      }
    }
    return LoadPrograms(GateObject(), types, names, of);
  };
  Result<LoadedObject> loaded = load(helpers, parts);
  if (!loaded.ok()) {
    // One that is refused takes the others with it: each alone, then.
    std::erase_if(parts, [&](Family part) {
      const Status status = load({}, {part}).status();
      if (!status.ok()) refused_.Add(ObjectOf(part).stem, status);
      return !status.ok();
    });
    std::erase_if(helpers, [&](std::string_view helper) {
      const Status status = load({helper}, {}).status();
      if (!status.ok()) refused_.Add(helper, status);
      return !status.ok();
    });
    complete = false;
    // What is loaded already is all that may be.
    if (Map("filter") >= 0 && Bits(parts) == parts_ &&
        std::all_of(helpers.begin(), helpers.end(),
                    [this](std::string_view p) { return Loaded(p); })) {
      return false;
    }
    loaded = load(helpers, parts);
  }
  if (!loaded.ok()) {
    for (const std::string_view name : missing) {
      refused_.Add(name, loaded.status());
    }
    return false;
  }
  ReplaceGate();
  parts_ = Bits(parts);
  Keep(*std::move(loaded));
  return complete;
}

// What counts stays: the maps of its records.
void Programs::ReplaceGate() {
  for (const ProgramSpec& p : GateObject().programs) {
    const auto link = links_.find(p.name);
    if (link == links_.end()) continue;
    replaced_.push_back(std::move(link->second));
    links_.erase(link);
  }
  for (LoadedObject& object : objects_) {
    std::uint64_t misses = 0;
    const auto gone =
        std::erase_if(object.programs, [&misses](const NamedFd& program) {
          if (!program.name.starts_with("gate_")) return false;
          misses += MissedRuns(program.fd.get());
          return true;
        });
    if (gone == 0) continue;
    misses_before_ += misses;
    std::erase_if(object.maps, IsConstants);
  }
}

bool Programs::LoadObject(const ObjectSpec& spec, const KernelTypes& types) {
  bool complete = true;
  const std::vector<std::string_view> names = Missing(spec, types, &complete);
  if (names.empty()) return complete;
  if (auto loaded = LoadPrograms(spec, types, names, {}); loaded.ok()) {
    Keep(*std::move(loaded));
    return complete;
  }
  // One that is refused takes the whole object with it: each alone, then.
  for (const std::string_view name : names) {
    auto loaded = LoadPrograms(spec, types, {name}, {});
    if (loaded.ok()) {
      Keep(*std::move(loaded));
    } else {
      refused_.Add(name, loaded.status());
      complete = false;
    }
  }
  return complete;
}

Result<LoadedObject> Programs::LoadPrograms(
    const ObjectSpec& spec, const KernelTypes& types,
    const std::vector<std::string_view>& names,
    const std::vector<Family>& parts) {
  FODC_ASSIGN_OR_RETURN(
      BpfObject object,
      BpfObject::Open(std::string(spec.stem), ObjectBytes(spec.stem)));
  for (const std::string_view name : names) {
    FODC_RETURN_IF_ERROR(kernel_.MayLoadProgram(name));
    object.Want(name);
  }
  for (const Family part : parts) {
    FODC_RETURN_IF_ERROR(kernel_.MayLoadProgram(ObjectOf(part).stem));
  }
  // Maps of one record for each target.
  object.SetEntries("losses", options_.max_targets);
  object.SetEntries("living_faults", options_.max_targets);
  for (std::size_t i = 0; i < kFamilies; ++i) {
    object.SetEntries(ObjectOf(static_cast<Family>(i)).stats_map,
                      options_.max_targets);
  }
  object.SetEntries("calls", in_flight_entries_);
  object.Skip(use_task_storage_ ? "calls" : "task_calls");
  for (const std::string_view map : kSharedMaps) {
    if (const int fd = Map(map); fd >= 0) object.Share(map, fd);
  }
  // What an earlier part of the same object counts in.
  for (const LoadedObject& part : objects_) {
    for (const NamedFd& map : part.maps) {
      if (!IsConstants(map)) object.Share(map.name, map.fd.get());
    }
  }
  object.SetConstant("has_rdonly_cast", types.has_rdonly_cast);
  object.SetConstant("use_task_storage", use_task_storage_);
  for (const Family family : parts) {
    object.SetConstant(ObjectOf(family).constant, true);
  }
  return std::move(object).Load();
}

void Programs::Keep(LoadedObject loaded) {
  for (const NamedFd& program : loaded.programs) {
    refused_.Remove(program.name);
  }
  objects_.push_back(std::move(loaded));
}

}  // namespace fodc::kernel
