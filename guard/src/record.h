// SPDX-License-Identifier: Apache-2.0
// The parts of panic.json that a death and a caught exception share
// (docs/formats/panic.md). What appends is async-signal-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/guard/breadcrumb.h"
#include "modules.h"
#include "record_buffer.h"

namespace fodc::guard {

using Metadata = std::vector<std::pair<std::string, std::string>>;

// A record is never larger: readers send it over the network as one message.
inline constexpr std::size_t kMaxRecordBytes = std::size_t{2} << 20;
// Of the text of all stacks.
inline constexpr std::size_t kMaxStackBytes = std::size_t{1} << 20;
inline constexpr std::size_t kMaxBreadcrumbBytes = std::size_t{256} << 10;
inline constexpr std::size_t kMaxMetadataBytes = std::size_t{64} << 10;

// What every record tells of its process: pid, executable, build_id, host,
// kernel, started_at.
Metadata ProcessMetadata(const ModuleTable& modules);

// Sorted by key, later ones of a key win.
Metadata Merge(Metadata first, const Metadata& second);

// Errors: kInvalidArgument beyond kMaxMetadataBytes.
Status CheckMetadata(const Metadata& all);

// Each of `all` as a member of an object.
void AppendMetadata(const Metadata& all, RecordBuffer* out);

// The member "breadcrumbs", if there are any. What does not fit into
// kMaxBreadcrumbBytes is left out.
void AppendBreadcrumbs(std::span<const Breadcrumb* const> all,
                       RecordBuffer* out);

// "  #0 0x55... /usr/bin/node+0x1f2a" and so on from `number`, a line each.
void AppendFrames(std::span<const std::uintptr_t> frames,
                  const ModuleTable& modules, RecordBuffer* out,
                  std::size_t number = 0);

// "modules:", then "  /usr/bin/node build-id 4f..." and so on, a line each.
void AppendModules(const ModuleTable& modules, RecordBuffer* out);

}  // namespace fodc::guard
