// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/subject.h"

#include <utility>

#include "fodc/base/log.h"

namespace fodc::guardian {

std::unique_ptr<KernelSubject> KernelSubject::Open(
    const ProcessName& who, const ProcessOptions& options, const Levels& levels,
    Refusal* refusal, std::string* detail) {
  auto process = Process::Open(who, options, refusal, detail);
  if (!process) return nullptr;
  auto gauge = MemoryGauge::Open({.proc_root = options.proc_root,
                                  .sys_root = options.sys_root,
                                  .pid = who.pid});
  if (!gauge.ok()) {
    *refusal = Refusal::kNoMeasure;
    *detail = gauge.status().message();
    return nullptr;
  }
  // Looked up by its pid: it is still the one that the descriptor holds.
  if (process->HasEnded()) {
    *refusal = Refusal::kNoTarget;
    *detail = "it ended meanwhile";
    return nullptr;
  }
  const auto lines = levels.At(gauge->limit_bytes());
  if (!lines.ok()) {
    *refusal = Refusal::kLevels;
    *detail = lines.status().message();
    return nullptr;
  }
  ThresholdEvents events;
  if (gauge->has_cgroup_limit() && gauge->group()) {
    auto opened =
        ThresholdEvents::Open(*gauge->group(), {lines->capture, lines->term});
    if (opened.ok()) {
      events = *std::move(opened);
    } else if (opened.status().code() != Code::kUnimplemented) {
      LogDebug("no threshold events; the guardian polls",
               {{"error", opened.status()}});
    }
  }
  return std::unique_ptr<KernelSubject>(new KernelSubject(
      *std::move(process), *std::move(gauge), std::move(events)));
}

}  // namespace fodc::guardian
