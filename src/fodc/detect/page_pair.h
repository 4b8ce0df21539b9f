// SPDX-License-Identifier: Apache-2.0
// What a target's own page tells of its memory: for targets whose cgroup the
// agent cannot see.
#pragma once

#include <optional>
#include <string_view>

#include "fodc/detect/memory_row.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::detect {

// As Go's agent reads them.
inline constexpr std::string_view kPageMemory = "process_resident_memory_bytes";
inline constexpr std::string_view kPageLimit =
    "banyandb_memory_protector_cgroup_limit_bytes";

// Both of one page, so that the memory of one process is never compared with
// the limit of another. The first series of each name that has a value in
// range. Nothing unless both are there; a limit of 0 or less is none, and 0.
std::optional<PagePair> FindPagePair(const recorder::SourceFrame& page);

}  // namespace fodc::detect
