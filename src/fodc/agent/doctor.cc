// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/doctor.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string_view>
#include <utility>

#include "fodc/agent/capabilities.h"
#include "fodc/agent/doctor_capture.h"
#include "fodc/agent/doctor_guardian.h"
#include "fodc/agent/doctor_targets.h"
#include "fodc/agent/features.h"
#include "fodc/agent/flags.h"
#include "fodc/base/cgroup.h"
#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/kernel/footprint.h"
#include "fodc/kernel/scope.h"
#include "fodc/kernel/telemetry.h"
#include "fodc/program/version.h"

namespace fodc::agent {
namespace {

using kernel::KernelAnswer;

// As doctor's exit codes are taken.
constexpr int kWrongFlag = 3;

bool IsTracepoint(const KernelAnswer& a) {
  return a.what.starts_with("tracepoint ") || a.what == "OOM victims";
}

KernelAnswer SwitchedOn(const Options& options, const Checked& checked) {
  const bool is_on = WantsKernelTelemetry(options, checked);
  KernelAnswer a{
      .what = "kernel telemetry",
      .ok = is_on,
      .detail = StrCat(
          is_on ? "" : "switched off: ", "--ktm-enabled=", options.ktm_enabled,
          " --ktm-interval=", FormatGoDuration(options.ktm_interval)),
      .advice = {}};
  if (!is_on) {
    a.advice =
        StrCat("start the agent with ", checked.ktm == KtmMode::kOff
                                            ? "--ktm-enabled"
                                            : "a --ktm-interval above 0");
  }
  return a;
}

KernelAnswer UnifiedMount(const Surroundings& around) {
  KernelAnswer a{.what = "cgroup v2", .ok = false, .detail = {}, .advice = {}};
  const auto text = ReadFile(around.proc_root + "/self/mountinfo");
  if (!text.ok()) {
    a.detail = text.status().message();
    a.advice = "mount /proc";
    return a;
  }
  for (const CgroupMount& mount : ParseCgroupMounts(*text)) {
    if (!mount.is_v2) continue;
    a.ok = true;
    a.detail = StrCat("mounted at ", mount.mount);
    return a;
  }
  a.detail = "not mounted: targets are told apart by process (ktm_status 1)";
  a.advice = "mount -t cgroup2 none /sys/fs/cgroup/unified";
  return a;
}

KernelAnswer NamedGroup(const Options& options, const Surroundings& around) {
  const kernel::Scope scope =
      kernel::FindScope({}, {},
                        {.proc_root = around.proc_root,
                         .sys_root = around.sys_root,
                         .forced_path = options.ktm_cgroup_path});
  const bool there = !scope.container_path.empty();
  return {
      .what = "the group of --ktm-cgroup-path",
      .ok = there,
      .detail = there ? scope.container_path
                      : StrCat("no cgroup (v2) is at ", options.ktm_cgroup_path,
                               ": the first target is not counted"),
      .advice = there ? ""
                      : "mend the path: absolute, or under the root of the "
                        "cgroup2 mount"};
}

KernelAnswer Cost(const Options& options) {
  const bool samples = options.ktm_sample_above > 0;
  return {.what = "cost while there is a target",
          .ok = true,
          .detail = StrCat(
              "kernel memory of ", kernel::FootprintOf(0, 0).record_bytes,
              " bytes for each CPU and target beside the calls in flight; ",
              samples ? StrCat("above ", options.ktm_sample_above,
                               " reads and writes a second one in ",
                               options.ktm_sample_every, " is timed")
                      : std::string("every read and write is timed "
                                    "(--ktm-sample-above bounds that)")),
          .advice = {}};
}

KernelAnswer PressureStalls(const Surroundings& around) {
  const bool there = ReadFile(around.proc_root + "/pressure/memory").ok();
  return {.what = "pressure stall information",
          .ok = there,
          .detail = there ? "/proc/pressure"
                          : "absent: verdicts do without what tasks wait for",
          .advice = there ? "" : "boot with psi=1 (CONFIG_PSI)"};
}

KernelAnswer Lockdown(const Surroundings& around) {
  const auto text = ReadFile(around.sys_root + "/sys/kernel/security/lockdown");
  const bool is_strict =
      text.ok() && text->find("[confidentiality]") != std::string::npos;
  return {.what = "lockdown",
          .ok = !is_strict,
          .detail = !text.ok() ? "not known (securityfs is not mounted)"
                               : std::string(Trim(*text)),
          .advice = is_strict ? "confidentiality forbids tracing programs to "
                                "read the kernel; boot with lockdown=integrity"
                              : ""};
}

KernelAnswer MemoryAnswer(const Surroundings& around) {
  KernelAnswer a{.what = "the agent's memory limit",
                 .ok = true,
                 .detail = "none",
                 .advice = {}};
  const auto place = FindCgroup(around.proc_root, ::getpid(), around.sys_root);
  if (!place.ok()) return a;
  const auto memory = CgroupReader(*place).ReadMemory();
  if (!memory.ok()) return a;
  const auto limit = MemoryLimit(*memory);
  if (!limit) return a;
  constexpr std::uint64_t kNeeded = std::uint64_t{64} << 20;
  a.detail = StrCat(*limit, " bytes");
  a.ok = *limit >= kNeeded;
  if (!a.ok) a.advice = StrCat("allow at least ", kNeeded, " bytes");
  return a;
}

// Of the other features: what kernel telemetry needs is the kernel's answer.
void AddCapabilities(CapabilityFeatures features, const Surroundings& around,
                     Diagnosis* diagnosis) {
  features.kernel_telemetry = false;
  const auto held = HeldCapabilities(around.proc_root);
  for (const CapabilityNeed& need : CapabilityNeeds(features)) {
    const CapabilitySet missing = held.ok() ? Lacks(*held, need) : need.needed;
    const bool ok = missing == 0;
    diagnosis->answers.push_back(
        {.what = StrCat("capabilities for ", need.feature),
         .ok = ok,
         .detail =
             ok ? "held"
                : StrCat(CapabilityText(missing), " missing: ", need.without),
         .advice = ok ? "" : StrCat("grant ", CapabilityText(missing))});
  }
}

KernelAnswer FamilyAnswer(kernel::Family family,
                          const kernel::FamilyState& state) {
  const bool ok = state.on && state.reason.empty();
  return {.what = StrCat("programs of family ", kernel::FamilyName(family)),
          .ok = ok,
          .detail = ok ? "loaded and attached, for a try"
                       : StrCat(state.on ? "some are refused: " : "refused: ",
                                state.reason, " (", state.detail, ")"),
          .advice = ok ? ""
                       : "what to do about each reason: "
                         "docs/operation/kernel-telemetry.md"};
}

std::string_view HealthName(Health health) {
  switch (health) {
    case Health::kFull:
      return "full";
    case Health::kPartly:
      return "partly";
    case Health::kNot:
      return "not";
  }
  return "not";
}

}  // namespace

TriedFamilies TryFamilies() {
  const auto telemetry = kernel::Telemetry::Create({}, SystemClock());
  const kernel::TargetFilter self{.name = "doctor", .processes = {::getpid()}};
  telemetry->SetTargets({&self, 1});
  std::vector<kernel::KernelEvent> events;
  (void)telemetry->Collect(&events);
  return telemetry->overview().families;
}

Diagnosis Examine(const Options& options, const Checked& checked,
                  const kernel::KernelView& kernel, const Surroundings& around,
                  const std::optional<TriedFamilies>& tried) {
  Diagnosis d;
  d.answers.push_back(SwitchedOn(options, checked));
  std::vector<KernelAnswer> asked = kernel::ExamineKernel(kernel);
  const auto unmet = [&asked](bool tracepoints) {
    return std::any_of(asked.begin(), asked.end(), [&](const KernelAnswer& a) {
      return !a.ok && IsTracepoint(a) == tracepoints;
    });
  };
  // Without permission or types there is nothing; without a tracepoint its
  // family is missing.
  const KernelAnswer mount = UnifiedMount(around);
  const KernelAnswer lockdown = Lockdown(around);
  if (!d.answers[0].ok || unmet(/*tracepoints=*/false) || !lockdown.ok) {
    d.health = Health::kNot;
  } else if (unmet(/*tracepoints=*/true) || !mount.ok) {
    d.health = Health::kPartly;
  }
  std::move(asked.begin(), asked.end(), std::back_inserter(d.answers));
  if (tried) {
    // What was tried says more than what was asked.
    std::size_t on = 0;
    std::size_t whole = 0;
    for (std::size_t i = 0; i < kernel::kFamilies; ++i) {
      d.answers.push_back(
          FamilyAnswer(static_cast<kernel::Family>(i), (*tried)[i]));
      on += (*tried)[i].on ? 1 : 0;
      whole += d.answers.back().ok ? 1 : 0;
    }
    if (on == 0) {
      d.health = Health::kNot;
    } else if (whole < kernel::kFamilies && d.health == Health::kFull) {
      d.health = Health::kPartly;
    }
  }
  d.answers.push_back(Cost(options));
  d.answers.push_back(mount);
  if (!options.ktm_cgroup_path.empty()) {
    d.answers.push_back(NamedGroup(options, around));
    if (!d.answers.back().ok && d.health == Health::kFull)
      d.health = Health::kPartly;
  }
  d.answers.push_back(lockdown);
  for (KernelAnswer& a : TargetAnswers(options, checked, around))
    d.answers.push_back(std::move(a));
  for (KernelAnswer& a : GuardianAnswers(options, checked, around))
    d.answers.push_back(std::move(a));
  for (KernelAnswer& a : CaptureAnswers(options, checked, around))
    d.answers.push_back(std::move(a));
  AddCapabilities(FeaturesOf(options, checked), around, &d);
  d.answers.push_back(PressureStalls(around));
  d.answers.push_back(MemoryAnswer(around));
  return d;
}

std::string DiagnosisText(const Diagnosis& diagnosis) {
  std::string out;
  for (const KernelAnswer& a : diagnosis.answers) {
    out +=
        StrCat(a.ok ? "ok       " : "MISSING  ", a.what, ": ", a.detail, "\n");
    if (!a.advice.empty()) out += StrCat("         -> ", a.advice, "\n");
  }
  switch (diagnosis.health) {
    case Health::kFull:
      return out +
             "kernel telemetry can run with all its programs; by what it "
             "counts is said of each target\n";
    case Health::kPartly:
      return out + "kernel telemetry can run without what is missing above\n";
    case Health::kNot:
      return out + "kernel telemetry cannot run\n";
  }
  return out;
}

std::string DiagnosisJson(const Diagnosis& diagnosis) {
  std::string out = StrCat("{\"kernel_telemetry\":\"",
                           HealthName(diagnosis.health), "\",\"answers\":[");
  bool first = true;
  for (const KernelAnswer& a : diagnosis.answers) {
    out += first ? "{\"what\":" : ",{\"what\":";
    first = false;
    AppendJsonString(&out, a.what);
    out += StrCat(",\"ok\":", a.ok ? "true" : "false", ",\"detail\":");
    AppendJsonString(&out, a.detail);
    out += ",\"advice\":";
    AppendJsonString(&out, a.advice);
    out += '}';
  }
  return out + "]}\n";
}

int RunDoctor(int argc, char** argv) {
  Options options;
  bool is_json = false;
  program::Flags flags("fodc-agent doctor",
                       "Says what this machine allows the agent, and what to "
                       "do about what it does not. Ends with 0 if kernel "
                       "telemetry can run whole, 1 if in part, 2 if not, 3 "
                       "for a wrong flag. Takes the agent's flags, too.",
                       program::Version());
  flags.Bool("json", &is_json, "print one JSON object");
  AddFlags(&flags, &options);
  const program::ParseOutcome outcome = flags.Parse(argc, argv);
  (void)std::fputs(outcome.out.c_str(), stdout);
  (void)std::fputs(outcome.error.c_str(), stderr);
  if (!outcome.run) return outcome.exit_code == 0 ? 0 : kWrongFlag;
  Resolve(flags, &options);
  const auto checked = Check(options);
  if (!checked.ok()) {
    (void)std::fputs(flags.UsageError(checked.status().message()).c_str(),
                     stderr);
    return kWrongFlag;
  }
  const kernel::KernelView& kernel = kernel::SystemKernel();
  std::optional<TriedFamilies> tried;
  SetLogLevel(LogLevel::kError);  // the answers say the rest
  if (WantsKernelTelemetry(options, *checked) && kernel.MayLoad().ok())
    tried = TryFamilies();
  const Diagnosis diagnosis =
      Examine(options, *checked, kernel, Surroundings(), tried);
  const std::string text =
      is_json ? DiagnosisJson(diagnosis) : DiagnosisText(diagnosis);
  (void)std::fputs(text.c_str(), stdout);
  return static_cast<int>(diagnosis.health);
}

}  // namespace fodc::agent
