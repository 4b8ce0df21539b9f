// SPDX-License-Identifier: Apache-2.0
// Log entries in bytes, one after the other, as files and the spill hold them.
// The bytes are specified in docs/formats/recording.md, "Entries".
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/recorder/log_entry.h"

struct ZSTD_CCtx_s;

namespace fodc::recorder {

void AppendEntry(std::string* out, const LogEntry& entry);

// Hands each entry to `sink`. Untrusted bytes.
// Errors: kDataLoss with the offset; else what the sink returns, at once.
Status ReadEntries(std::string_view bytes,
                   const std::function<Status(const LogEntry&)>& sink);

// A batch of entries, compressed where that pays. Not empty.
std::string PackEntries(std::string_view entries);
// Errors: kDataLoss; kResourceExhausted beyond `max_bytes`.
Result<std::string> UnpackEntries(std::string_view packed,
                                  std::size_t max_bytes = 256u << 20);

// Makes a batch of entries and packs them as they come, so that it never holds
// much more than the batch packed. Not thread-safe.
class EntryPacker {
 public:
  EntryPacker();

  void Add(const LogEntry& entry);
  // Of the entries, unpacked.
  std::size_t bytes() const { return bytes_; }
  // The batch; empty if nothing was added. The packer begins anew.
  std::string Take();

 private:
  std::unique_ptr<ZSTD_CCtx_s, std::size_t (*)(ZSTD_CCtx_s*)> context_;
  std::string plain_;  // of the next frame
  std::string packed_;
  std::size_t bytes_ = 0;
};

}  // namespace fodc::recorder
