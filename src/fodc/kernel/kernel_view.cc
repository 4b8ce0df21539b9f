// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/kernel_view.h"

#include <bpf/btf.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/scan_text.h"
#include "fodc/base/strings.h"
#include "fodc/kernel/bpf_log.h"
#include "fodc/kernel/footprint.h"
#include "fodc/kernel/program_table.h"
#include "fodc/kernel/telemetry.h"

namespace fodc::kernel {
namespace {

// include/uapi/linux/capability.h
constexpr unsigned kCapSysAdmin = 21;
constexpr unsigned kCapPerfmon = 38;
constexpr unsigned kCapBpf = 39;
// include/linux/proc_ns.h: the process namespace that the kernel starts with.
constexpr std::uint64_t kFirstPidNamespace = 0xEFFFFFFC;

struct FreeBtf {
  void operator()(btf* types) const { btf__free(types); }
};

// In the order of the families.
std::vector<std::string_view> WantedTracepoints() {
  std::vector<std::string_view> names;
  const auto add = [&](const ObjectSpec& object) {
    for (const ProgramSpec& p : object.programs) {
      if (!p.tracepoint.empty() &&
          std::find(names.begin(), names.end(), p.tracepoint) == names.end()) {
        names.push_back(p.tracepoint);
      }
    }
  };
  add(GateObject());
  for (std::size_t i = 0; i < kFamilies; ++i) {
    add(ObjectOf(static_cast<Family>(i)));
  }
  return names;
}

// Whether the first argument of the tracepoint (after its context) is a
// pointer.
bool FirstArgumentIsPointer(const btf* types, const std::string& tracepoint) {
  const int id = btf__find_by_name_kind(
      types, StrCat("btf_trace_", tracepoint).c_str(), BTF_KIND_TYPEDEF);
  if (id < 0) return false;
  const btf_type* pointer = btf__type_by_id(
      types, btf__type_by_id(types, static_cast<std::uint32_t>(id))->type);
  if (pointer == nullptr || !btf_is_ptr(pointer)) return false;
  const btf_type* function = btf__type_by_id(types, pointer->type);
  if (function == nullptr || !btf_is_func_proto(function) ||
      btf_vlen(function) < 2) {
    return false;
  }
  const btf_type* argument =
      btf__type_by_id(types, btf_params(function)[1].type);
  return argument != nullptr && btf_is_ptr(argument);
}

KernelAnswer NamespaceAnswer(ProcessNamespace space) {
  KernelAnswer a{
      .what = "process namespace", .ok = true, .detail = {}, .advice = {}};
  switch (space) {
    case ProcessNamespace::kFirst:
      a.detail = "the first one";
      break;
    case ProcessNamespace::kOther:
      a.detail =
          "not the first one: the kernel is asked for its own numbers of "
          "processes";
      break;
    case ProcessNamespace::kNotOurs:
      a.ok = false;
      a.detail = "/proc shows another one than the agent's";
      a.advice = "mount the /proc of the agent's own process namespace";
      break;
  }
  return a;
}

}  // namespace

bool KernelTypes::HasTracepoint(std::string_view name) const {
  return std::find(tracepoints.begin(), tracepoints.end(), name) !=
         tracepoints.end();
}

Result<KernelTypes> KernelView::Types() const {
  const BpfLog log;
  const std::unique_ptr<btf, FreeBtf> types(btf__load_vmlinux_btf());
  if (!types) {
    return NoTypes(errno);
  }
  KernelTypes found;
  for (const std::string_view name : WantedTracepoints()) {
    if (btf__find_by_name_kind(types.get(), StrCat("btf_trace_", name).c_str(),
                               BTF_KIND_TYPEDEF) > 0) {
      found.tracepoints.emplace_back(name);
    }
  }
  found.has_rdonly_cast =
      btf__find_by_name_kind(types.get(), "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
  found.victim_is_task = FirstArgumentIsPointer(types.get(), "mark_victim");
  return found;
}

Status NoTypes(int error) {
  // None of the files is there in which libbpf looks.
  if (error == ESRCH || error == ENOENT) {
    return Unimplemented(
        "no type information: /sys/kernel/btf/vmlinux is not there");
  }
  return Unimplemented(
      ErrnoStatus(error, "no type information: /sys/kernel/btf/vmlinux")
          .message());
}

Status CheckCapabilities(std::string_view status_text) {
  FODC_ASSIGN_OR_RETURN(const std::uint64_t set,
                        ParseEffectiveCapabilities(status_text));
  const auto has = [set](unsigned bit) { return (set >> bit & 1) != 0; };
  if (has(kCapSysAdmin)) return OkStatus();
  std::string missing;
  if (!has(kCapBpf)) missing = "CAP_BPF";
  if (!has(kCapPerfmon)) {
    missing += missing.empty() ? "CAP_PERFMON" : " and CAP_PERFMON";
  }
  if (missing.empty()) return OkStatus();
  return PermissionDenied(missing + " missing");
}

Status KernelView::MayLoad() const {
  FODC_ASSIGN_OR_RETURN(const std::string text, ReadFile("/proc/self/status"));
  return CheckCapabilities(text);
}

std::size_t CountNamespaces(std::string_view status_text) {
  std::string_view line;
  while (NextLine(&status_text, &line)) {
    if (!ConsumePrefix(&line, "NSpid:")) continue;
    std::size_t count = 0;
    while (!NextField(&line).empty()) ++count;
    return count;
  }
  return 0;
}

ProcessNamespace KernelView::Namespace() const {
  const auto text = ReadFile("/proc/self/status");
  const auto space = ReadPidNamespace("/proc");
  if (!text.ok() || !space.ok() || CountNamespaces(*text) != 1) {
    return ProcessNamespace::kNotOurs;
  }
  return *space == kFirstPidNamespace ? ProcessNamespace::kFirst
                                      : ProcessNamespace::kOther;
}

std::uint32_t KernelView::PidMax() const {
  if (Namespace() != ProcessNamespace::kFirst) return 0;
  const auto text = ReadFile("/proc/sys/kernel/pid_max");
  if (!text.ok()) return 0;
  const auto value = ParseUint(Trim(*text));
  return value && *value <= UINT32_MAX ? static_cast<std::uint32_t>(*value) : 0;
}

Status KernelView::MayLoadProgram(std::string_view) const { return OkStatus(); }

Status KernelView::MayAttachProgram(std::string_view) const {
  return OkStatus();
}

const KernelView& SystemKernel() {
  static const KernelView kernel;
  return kernel;
}

std::vector<KernelAnswer> ExamineKernel(const KernelView& kernel) {
  std::vector<KernelAnswer> answers;
  const Status may = kernel.MayLoad();
  answers.push_back(
      {.what = "permission to load programs",
       .ok = may.ok(),
       .detail = may.ok() ? "CAP_BPF and CAP_PERFMON" : may.message(),
       .advice = may.ok() ? ""
                          : "run with CAP_BPF and CAP_PERFMON "
                            "(or CAP_SYS_ADMIN)"});
  const Result<KernelTypes> types = kernel.Types();
  answers.push_back({.what = "type information of the kernel",
                     .ok = types.ok(),
                     .detail = types.ok() ? "/sys/kernel/btf/vmlinux"
                                          : types.status().message(),
                     .advice = types.ok()
                                   ? ""
                                   : "use a kernel built with "
                                     "CONFIG_DEBUG_INFO_BTF, 5.16 or newer"});
  if (types.ok()) {
    for (const std::string_view name : WantedTracepoints()) {
      const bool there = types->HasTracepoint(name);
      answers.push_back({.what = StrCat("tracepoint ", name),
                         .ok = there,
                         .detail = there ? "present" : "absent",
                         .advice = there ? "" : "needs another kernel"});
    }
    if (types->HasTracepoint("mark_victim") && !types->victim_is_task) {
      answers.push_back({.what = "OOM victims",
                         .ok = false,
                         .detail = "mark_victim tells a bare process id",
                         .advice = "needs Linux 6.8"});
    }
  }
  answers.push_back(NamespaceAnswer(kernel.Namespace()));
  const std::uint32_t pid_max = kernel.PidMax();
  const Footprint footprint =
      FootprintOf(pid_max, TelemetryOptions().in_flight_budget_bytes);
  answers.push_back(
      {.what = "calls in flight",
       .ok = true,
       .detail = footprint.in_flight_bytes
                     ? StrCat("an array by thread id, ",
                              *footprint.in_flight_bytes, " bytes")
                     : "task storage, some dearer for each call: "
                       "kernel.pid_max is large, or not known here",
       .advice = ""});
  return answers;
}

}  // namespace fodc::kernel
