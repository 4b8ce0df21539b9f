// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/programs.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"

namespace fodc::kernel {
namespace {

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

bool Programs::DropReplaced() {
  const bool any = !replaced_.empty();
  replaced_.clear();
  return any;
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

Result<UniqueFd> Programs::AttachOne(const ProgramSpec& p, int program) const {
  FODC_RETURN_IF_ERROR(kernel_.MayAttachProgram(p.name));
  UniqueFd link(p.tracepoint.empty()
                    ? bpf_link_create(program, 0, BPF_TRACE_ITER, nullptr)
                    : bpf_raw_tracepoint_open(nullptr, program));
  if (!link.ok()) return ErrnoStatus(errno, StrCat("attach ", p.name));
  return link;
}

std::string_view Programs::NeedOf(const ProgramSpec& p) const {
  if (p.name != "gate_enter") return p.needs;
  for (std::size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if ((parts_ & FamilyBit(family)) != 0 && NeedsOfGate(family, "gate_exit")) {
      return "gate_exit";
    }
  }
  return {};
}

bool Programs::AttachObject(const ObjectSpec& spec) {
  bool complete = true;
  for (const ProgramSpec& p : spec.programs) {
    // Half a pair is worse than none.
    const std::string_view need = NeedOf(p);
    if (links_.contains(p.name) || ProgramFd(p.name) < 0 ||
        (!need.empty() && ProgramFd(need) < 0)) {
      continue;
    }
    if (p.name == "gate_enter" && !need.empty() && !links_.contains(need)) {
      refused_.Add(p.name, FailedPrecondition(StrCat("no use without ", need)));
      complete = false;
      continue;
    }
    Result<UniqueFd> link = AttachOne(p, ProgramFd(p.name));
    if (link.ok()) {
      refused_.Remove(p.name);
      links_.emplace(p.name, *std::move(link));
    } else {
      refused_.Add(p.name, link.status());
      complete = false;
    }
  }
  for (const ProgramSpec& p : spec.programs) {
    const std::string_view need = NeedOf(p);
    if (!need.empty() && !links_.contains(need)) links_.erase(p.name);
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
  replaced_.clear();
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

bool Programs::Serves(std::string_view program) const {
  for (std::size_t i = 0; i < kFamilies; ++i) {
    for (const ProgramSpec& p : ObjectOf(static_cast<Family>(i)).programs) {
      if (p.name == program && !p.needs.empty() && !IsFit(p.needs))
        return false;
    }
  }
  return IsFit(program);
}

std::size_t Programs::AttachedCount() const { return links_.size(); }

bool Programs::On(Family family) const {
  const ObjectSpec& spec = ObjectOf(family);
  if (IsPart(spec)) {
    return (parts_ & FamilyBit(family)) != 0 &&
           std::all_of(spec.gate_programs.begin(), spec.gate_programs.end(),
                       [this](std::string_view p) { return Attached(p); });
  }
  return std::any_of(spec.programs.begin(), spec.programs.end(),
                     [this](const ProgramSpec& p) { return Attached(p.name); });
}

FamilyState Programs::StateOf(Family family) const {
  FamilyState state;
  state.on = On(family);
  if (!Wanted(family)) {
    state.reason = "disabled";
    return state;
  }
  refused_.Tell(ObjectOf(family), &state);
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

std::uint64_t Programs::Misses() const {
  std::uint64_t misses = misses_before_;
  for (const LoadedObject& object : objects_) {
    for (const NamedFd& program : object.programs) {
      misses += MissedRuns(program.fd.get());
    }
  }
  return misses;
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
