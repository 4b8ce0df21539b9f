// SPDX-License-Identifier: Apache-2.0
// What this kernel is asked before anything is loaded, so that tests can give
// other answers. Neither tracefs nor bpffs is needed: typed tracepoints are
// found in the kernel's type information.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::kernel {

// Of the kernel's type information (BTF), what this room asks of it.
struct KernelTypes {
  std::vector<std::string> tracepoints;  // of those in program_table.h
  bool has_rdonly_cast = false;          // Linux 6.2
  bool victim_is_task = false;           // oom:mark_victim tells a task

  bool HasTracepoint(std::string_view name) const;
};

// Whose numbers the processes have that /proc shows.
enum class ProcessNamespace : std::uint8_t {
  kFirst,    // the kernel's own
  kOther,    // those of the agent's namespace, which is another one
  kNotOurs,  // those of a namespace that the agent is not in
};

// The real kernel. Not thread-safe. Tests derive from it.
class KernelView {
 public:
  virtual ~KernelView() = default;

  // Takes some milliseconds, and 10 MB for as long.
  // Errors: kUnimplemented if there is none (CONFIG_DEBUG_INFO_BTF).
  virtual Result<KernelTypes> Types() const;
  // Errors: kPermissionDenied naming what is missing of CAP_BPF and
  // CAP_PERFMON (CAP_SYS_ADMIN has both).
  virtual Status MayLoad() const;
  // All thread ids are smaller. 0 if that is not known, as in a process
  // namespace that is not the first one: ids are the kernel's own there.
  virtual std::uint32_t PidMax() const;
  virtual ProcessNamespace Namespace() const;
  // Asked before a program, or a part of the gate by its family's name, is
  // loaded or attached. Always yes: the kernel itself refuses. Tests say no.
  virtual Status MayLoadProgram(std::string_view name) const;
  virtual Status MayAttachProgram(std::string_view name) const;
};

const KernelView& SystemKernel();

// Why there are no types, of the error with which libbpf did not find them:
// kUnimplemented.
Status NoTypes(int error);

// CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN, in "CapEff:" of
// /proc/<pid>/status. Errors: as MayLoad; kDataLoss if there is no such line.
Status CheckCapabilities(std::string_view status_text);

// How many numbers "NSpid:" of /proc/self/status tells: one for each namespace
// from that of /proc down to our own. 0 if there is no such line.
std::size_t CountNamespaces(std::string_view status_text);

// One line of `fodc-agent doctor`.
struct KernelAnswer {
  std::string what;  // "type information", "tracepoint mark_victim"
  bool ok = false;
  std::string detail;  // what the kernel said, or what it is for
  std::string advice;  // what to do if it is not ok; may be empty
};
// All that kernel telemetry asks for, in an order for people.
std::vector<KernelAnswer> ExamineKernel(const KernelView& kernel);

}  // namespace fodc::kernel
