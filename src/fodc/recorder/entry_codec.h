// SPDX-License-Identifier: Apache-2.0
// Log entries in bytes, one after the other, as files and the spill hold them.
// The bytes are specified in docs/formats/recording.md, "Entries".
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/recorder/log_entry.h"

namespace fodc::recorder {

void AppendEntry(std::string* out, const LogEntry& entry);

// Hands each entry to `sink`. Untrusted bytes.
// Errors: kDataLoss with the offset; else what the sink returns, at once.
Status ReadEntries(std::string_view bytes,
                   const std::function<Status(const LogEntry&)>& sink);

// A batch of entries, in pieces that follow each other, compressed where that
// pays. `pieces` is not empty.
std::string PackEntries(std::span<const std::string> pieces);
inline std::string PackEntries(const std::string& entries) {
  return PackEntries(std::span(&entries, 1));
}
// Errors: kDataLoss; kResourceExhausted beyond `max_bytes`.
Result<std::string> UnpackEntries(std::string_view packed,
                                  std::size_t max_bytes = 256u << 20);

}  // namespace fodc::recorder
