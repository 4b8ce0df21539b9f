// SPDX-License-Identifier: Apache-2.0
// The flags of the guardian, and their checking.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "fodc/base/status.h"
#include "fodc/guardian/course.h"
#include "fodc/program/flags.h"

namespace fodc::agent {

// As given, defaults included. Names follow the flags, less "guardian-".
struct GuardianFlags {
  using Duration = std::chrono::nanoseconds;

  bool enabled = false;
  bool dry_run = false;
  std::string capture = "75%";
  std::string term = "90%";
  std::string kill = "off";
  Duration grace = std::chrono::seconds(30);
  Duration capture_cooldown = std::chrono::minutes(5);
  Duration poll_interval = std::chrono::seconds(1);
  std::string dir;
  bool pause_at_wall = false;
  std::uint64_t pause_raise = 64u << 20;
  Duration pause_deadline = std::chrono::seconds(5);
};

void AddGuardianFlags(program::Flags* flags, GuardianFlags* values);

// Whether it is switched on or not: a wrong value is a wrong value.
// Errors: kInvalidArgument naming flags, values and limits.
Result<guardian::Rules> CheckGuardian(const GuardianFlags& flags);

}  // namespace fodc::agent
