// SPDX-License-Identifier: Apache-2.0
// `fodc-agent doctor`: what this machine allows the agent, line by line, and
// what to do about what it does not.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "fodc/agent/options.h"
#include "fodc/base/status.h"
#include "fodc/kernel/kernel_view.h"
#include "fodc/kernel/reading.h"

namespace fodc::agent {

enum class Health : std::uint8_t { kFull = 0, kPartly = 1, kNot = 2 };

struct Diagnosis {
  std::vector<kernel::KernelAnswer> answers;
  // Whether kernel telemetry can run: whole, in part, or not at all. What only
  // other features want says nothing here, nor do the targets of this moment.
  Health health = Health::kFull;
};

struct Surroundings {
  std::string proc_root = "/proc";
  std::string sys_root;  // put before /sys and cgroup mounts (tests)
};

// What became of each family of programs when it was loaded and attached.
using TriedFamilies = std::array<kernel::FamilyState, kernel::kFamilies>;

// Loads and attaches all programs as for a target, the calling process itself,
// and takes them off again: some hundred milliseconds.
TriedFamilies TryFamilies();

// Loads nothing into the kernel and changes nothing. `tried`: absent if nobody
// tried; then only what the kernel says of itself counts.
Diagnosis Examine(const Options& options, const Checked& checked,
                  const kernel::KernelView& kernel, const Surroundings& around,
                  const std::optional<TriedFamilies>& tried = std::nullopt);

// One line for each answer, what to do below it, and a last line that sums up.
std::string DiagnosisText(const Diagnosis& diagnosis);
// One object: "kernel_telemetry" ("full", "partly", "not") and "answers".
std::string DiagnosisJson(const Diagnosis& diagnosis);

// The command line behind "doctor": --json, and the agent's own flags. Prints;
// returns the exit code: that of Health, or 3 for a wrong flag.
int RunDoctor(int argc, char** argv);

}  // namespace fodc::agent
