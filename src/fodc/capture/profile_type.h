// SPDX-License-Identifier: Apache-2.0
// The kinds of profiles, in one list: what is captured, listed, downloaded and
// told on both wires goes by it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::capture {

// What it asks of a process that may be about to die.
enum class ProfileCost : std::uint8_t {
  kLight,  // milliseconds
  kHeavy,  // a collection, or an interruption of every thread
  kLong,   // runs for as long as it was asked to
};
// "light", "heavy", "long".
std::string_view ProfileCostName(ProfileCost cost);

struct ProfileType {
  std::string_view name;    // "heap"
  std::string_view file;    // in the event's directory
  std::string_view format;  // of meta.json: "pprof" or "text"
  // Behind the base URL, query included: of Go's net/http/pprof and
  // libfodc-guard; and of gperftools and brpc, empty where they have none.
  // What is kLong ends in "seconds=", for the number. Both empty: not asked
  // for, but read from the table that libfodc-guard shares.
  std::string_view path;
  std::string_view gperftools_path;
  ProfileCost cost;
  // Captured unless the operator says otherwise, and known to v1 peers: as Go's
  // agent has it.
  bool is_default;
  // From the table that libfodc-guard shares: it has no path, is captured
  // wherever it is found, and is not for the operator to choose.
  bool is_shared = false;
};

// In the order of capture: by cost, the defaults first.
std::span<const ProfileType> ProfileTypes();
// Null if there is none of that name.
const ProfileType* FindProfileType(std::string_view name);

// The defaults and those of `names`, each once, in the order of capture.
// Errors: kInvalidArgument naming the name and those that there are.
Result<std::vector<const ProfileType*>> ChooseProfileTypes(
    std::span<const std::string> names);

}  // namespace fodc::capture
