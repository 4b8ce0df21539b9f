// SPDX-License-Identifier: Apache-2.0
// The flags of the first response, and their checking.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/capture/capture_runner.h"
#include "fodc/collect/endpoint.h"
#include "fodc/detect/pressure_trigger.h"
#include "fodc/evidence/retention.h"
#include "fodc/program/flags.h"
#include "fodc/target/target.h"

namespace fodc::agent {

// As given, defaults included. Names follow the flags, less
// "pressure-profiler-".
struct CaptureFlags {
  using Duration = std::chrono::nanoseconds;

  bool enabled = true;
  std::int64_t trigger_percent = 75;
  std::string pprof_port = "6060";
  Duration cooldown = std::chrono::minutes(5);
  std::string dir = "/tmp/pressure-profiles";
  std::int64_t max_artifacts = 16;
  std::int64_t max_disk_bytes = 536'870'912;
  Duration max_age{};
  std::vector<std::string> types;
  std::vector<std::string> urls;
  std::vector<std::string> config_files;  // --target-config-files
  std::vector<std::string> log_files;     // --target-log-files
};

void AddCaptureFlags(program::Flags* flags, CaptureFlags* values);

// What the rooms take.
struct CheckedCapture {
  detect::PressureOptions pressure;
  std::vector<const capture::ProfileType*> profiles;
  std::vector<capture::CaptureTarget> targets;  // by row
  evidence::RetentionLimits retention;
};

// `rows`: the targets. What is given without a name belongs to the first.
// Errors: kInvalidArgument naming flag, value and limit.
Result<CheckedCapture> CheckCapture(
    const CaptureFlags& flags, const std::vector<target::TargetSpec>& rows);

}  // namespace fodc::agent
