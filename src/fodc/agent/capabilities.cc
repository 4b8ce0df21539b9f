// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

constexpr std::pair<Capability, std::string_view> kNames[] = {
    {Capability::kDacOverride, "CAP_DAC_OVERRIDE"},
    {Capability::kDacReadSearch, "CAP_DAC_READ_SEARCH"},
    {Capability::kKill, "CAP_KILL"},
    {Capability::kNetBindService, "CAP_NET_BIND_SERVICE"},
    {Capability::kSysPtrace, "CAP_SYS_PTRACE"},
    {Capability::kSysAdmin, "CAP_SYS_ADMIN"},
    {Capability::kPerfmon, "CAP_PERFMON"},
    {Capability::kBpf, "CAP_BPF"}};

}  // namespace

std::string CapabilityText(CapabilitySet set) {
  std::string text;
  for (const auto& [capability, name] : kNames) {
    if ((set & Bit(capability)) == 0) continue;
    text += StrCat(text.empty() ? "" : " and ", name);
    set &= ~Bit(capability);
  }
  return text;
}

std::vector<CapabilityNeed> CapabilityNeeds(
    const CapabilityFeatures& features) {
  std::vector<CapabilityNeed> needs;
  if (features.kernel_telemetry) {
    needs.push_back(
        {.feature = "kernel telemetry",
         .needed = Bit(Capability::kBpf) | Bit(Capability::kPerfmon),
         .instead = Bit(Capability::kSysAdmin),
         .without = "ktm_status is 0 and there are no verdicts"});
  }
  if (features.targets) {
    // Links in /proc/<pid>/fd are behind a directory that only its user reads.
    needs.push_back(
        {.feature = "targets of other users",
         .needed =
             Bit(Capability::kSysPtrace) | Bit(Capability::kDacReadSearch),
         .without =
             "only processes of the agent's own user are found by port"});
  }
  if (features.guardian) {
    needs.push_back(
        {.feature = "the guardian of other users' targets",
         .needed = Bit(Capability::kKill),
         .without = "only targets of the agent's own user are guarded"});
  }
  if (features.low_ports) {
    needs.push_back({.feature = "ports below 1024",
                     .needed = Bit(Capability::kNetBindService),
                     .without = "the agent may not be able to listen"});
  }
  if (features.foreign_files) {
    needs.push_back({.feature = "--recorder-dir of another user",
                     .needed = Bit(Capability::kDacOverride),
                     .without = "the recording may live in memory only"});
  }
  return needs;
}

CapabilitySet Lacks(CapabilitySet held, const CapabilityNeed& need) {
  const CapabilitySet missing = need.needed & ~held;
  const bool stands_in = need.instead != 0 && (need.instead & ~held) == 0;
  return stands_in ? 0 : missing;
}

CapabilitySet ToKeep(CapabilitySet held,
                     const std::vector<CapabilityNeed>& needs) {
  CapabilitySet keep = 0;
  for (const CapabilityNeed& need : needs) {
    keep |= held & need.needed;
    if ((need.needed & ~held) != 0) keep |= held & need.instead;
  }
  return keep;
}

Result<CapabilitySet> HeldCapabilities(const std::string& proc_root) {
  FODC_ASSIGN_OR_RETURN(const std::string text,
                        ReadFile(proc_root + "/self/status"));
  return ParseEffectiveCapabilities(text);
}

Status KeepOnly(CapabilitySet keep) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int i = 0; i < 2; ++i) {
    const auto part = static_cast<std::uint32_t>(keep >> (32 * i));
    data[i] = {.effective = part, .permitted = part, .inheritable = 0};
  }
  if (::syscall(SYS_capset, &header, data) != 0)
    return ErrnoStatus(errno, "capset");
  // Else root would have them all back by executing something.
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return ErrnoStatus(errno, "no_new_privs");
  // What is not permitted leaves the ambient set by itself; the rest would pass
  // to programs that are executed, of which there are none.
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return OkStatus();
}

DroppedCapabilities DropCapabilities(const CapabilityFeatures& features) {
  DroppedCapabilities out;
  const auto held = HeldCapabilities();
  if (!held.ok()) {
    out.status = held.status();
    return out;
  }
  const std::vector<CapabilityNeed> needs = CapabilityNeeds(features);
  for (const CapabilityNeed& need : needs) {
    const CapabilitySet missing = Lacks(*held, need);
    if (missing != 0) out.gaps.push_back({need.feature, missing, need.without});
  }
  const CapabilitySet keep = ToKeep(*held, needs);
  if (keep == *held) return out;
  out.status = KeepOnly(keep);
  if (out.status.ok()) out.kept = keep;
  return out;
}

void LogDropped(const DroppedCapabilities& dropped) {
  for (const DroppedCapabilities::Gap& gap : dropped.gaps) {
    LogInfo("a feature lacks capabilities",
            {{"feature", gap.feature},
             {"missing", CapabilityText(gap.missing)},
             {"without", gap.without}});
  }
  if (!dropped.status.ok()) {
    LogWarn("capabilities stay as they are", {{"error", dropped.status}});
  } else if (dropped.kept) {
    LogInfo("capabilities that no feature needs are dropped",
            {{"kept", CapabilityText(*dropped.kept)}});
  }
}

}  // namespace fodc::agent
