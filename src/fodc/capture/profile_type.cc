// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/profile_type.h"

#include <algorithm>
#include <array>

#include "fodc/base/strings.h"

namespace fodc::capture {
namespace {

constexpr std::array kTypes = {
    ProfileType{.name = "heap",
                .file = "heap.pprof",
                .format = "pprof",
                .path = "/debug/pprof/heap",
                .gperftools_path = "/pprof/heap",
                .cost = ProfileCost::kLight,
                .is_default = true},
    ProfileType{.name = "goroutine",
                .file = "goroutine.pprof",
                .format = "pprof",
                .path = "/debug/pprof/goroutine?debug=0",
                .gperftools_path = "",
                .cost = ProfileCost::kLight,
                .is_default = true},
    ProfileType{.name = "heap-table",
                .file = "heap-table.pprof",
                .format = "pprof",
                .path = "",
                .gperftools_path = "",
                .cost = ProfileCost::kLight,
                .is_default = false,
                .is_shared = true},
    // As its owner left it, in an aftermath.
    ProfileType{.name = "heap-table-after",
                .file = "heap-table-after.pprof",
                .format = "pprof",
                .path = "",
                .gperftools_path = "",
                .cost = ProfileCost::kLight,
                .is_default = false,
                .is_shared = true},
    ProfileType{.name = "allocator",
                .file = "allocator.txt",
                .format = "text",
                .path = "/debug/pprof/allocator",
                .gperftools_path = "",
                .cost = ProfileCost::kLight,
                .is_default = false},
    ProfileType{.name = "mutex",
                .file = "mutex.pprof",
                .format = "pprof",
                .path = "/debug/pprof/mutex",
                .gperftools_path = "/pprof/contention",
                .cost = ProfileCost::kLight,
                .is_default = false},
    ProfileType{.name = "block",
                .file = "block.pprof",
                .format = "pprof",
                .path = "/debug/pprof/block",
                .gperftools_path = "",
                .cost = ProfileCost::kLight,
                .is_default = false},
    ProfileType{.name = "threads",
                .file = "threads.pprof",
                .format = "pprof",
                .path = "/debug/pprof/threads",
                .gperftools_path = "",
                .cost = ProfileCost::kHeavy,
                .is_default = false},
    // The plain one is as of the last collection that ended.
    ProfileType{.name = "heap-gc",
                .file = "heap-gc.pprof",
                .format = "pprof",
                .path = "/debug/pprof/heap?gc=1",
                .gperftools_path = "",
                .cost = ProfileCost::kHeavy,
                .is_default = false},
    ProfileType{.name = "cpu",
                .file = "cpu.pprof",
                .format = "pprof",
                .path = "/debug/pprof/profile?seconds=",
                .gperftools_path = "/pprof/profile?seconds=",
                .cost = ProfileCost::kLong,
                .is_default = false},
};

}  // namespace

std::string_view ProfileCostName(ProfileCost cost) {
  switch (cost) {
    case ProfileCost::kLight:
      return "light";
    case ProfileCost::kHeavy:
      return "heavy";
    case ProfileCost::kLong:
      return "long";
  }
  return "";
}

std::span<const ProfileType> ProfileTypes() { return kTypes; }

const ProfileType* FindProfileType(std::string_view name) {
  const auto it =
      std::find_if(kTypes.begin(), kTypes.end(),
                   [&](const ProfileType& t) { return t.name == name; });
  return it == kTypes.end() ? nullptr : &*it;
}

Result<std::vector<const ProfileType*>> ChooseProfileTypes(
    std::span<const std::string> names) {
  for (const std::string& name : names) {
    const ProfileType* type = FindProfileType(name);
    if (type != nullptr && !type->is_shared) continue;
    std::string known;
    for (const ProfileType& t : kTypes) {
      if (!t.is_shared) known += StrCat(known.empty() ? "" : ", ", t.name);
    }
    return InvalidArgument(StrCat("no type of profile is \"",
                                  ToValidUtf8(name.substr(0, 64)),
                                  "\"; there are ", known));
  }
  std::vector<const ProfileType*> chosen;
  for (const ProfileType& t : kTypes) {
    if (t.is_default ||
        std::find(names.begin(), names.end(), t.name) != names.end()) {
      chosen.push_back(&t);
    }
  }
  return chosen;
}

}  // namespace fodc::capture
