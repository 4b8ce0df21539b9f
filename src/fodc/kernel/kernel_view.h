// SPDX-License-Identifier: Apache-2.0
// What this kernel is asked before anything is loaded, so that tests can give
// other answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::kernel {

// The real kernel. Not thread-safe. Tests derive from it.
class KernelView {
 public:
  virtual ~KernelView() = default;

  // Its type information, without which nothing can be loaded.
  // Errors: kUnimplemented if there is none (CONFIG_DEBUG_INFO_BTF).
  virtual Status HasTypes() const;
  // Errors: kPermissionDenied naming the capability that is missing, of
  // CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN on kernels before 5.8.
  virtual Status MayLoad() const;
  // Whether there is a tracepoint of this name that typed programs can use.
  virtual bool HasTracepoint(std::string_view name) const;
  // Where tracefs is mounted: empty if it is not.
  virtual std::string Tracefs() const;
  // Thread ids are smaller: 0 if that is not known, as in a process namespace
  // that is not the first one.
  virtual std::uint32_t PidMax() const;
  virtual std::uint32_t PossibleCpus() const;
};

const KernelView& SystemKernel();

// One line of `fodc-agent doctor`.
struct KernelAnswer {
  std::string what;  // "type information", "tracepoint oom:mark_victim"
  bool ok = false;
  std::string detail;  // what the kernel said
  std::string advice;  // what to do if it is not ok; may be empty
};
// All that kernel telemetry asks for, in an order for people.
std::vector<KernelAnswer> ExamineKernel(const KernelView& kernel);

}  // namespace fodc::kernel
