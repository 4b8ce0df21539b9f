// SPDX-License-Identifier: Apache-2.0
// The text of an allocator, and lines of /proc/<pid>/maps.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fodc/base/strings.h"
#include "fodc/pprof/heap_text.h"
#include "fodc/pprof/mapping.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using fodc::pprof::HeapCounts;
  fodc::pprof::HeapTextReader reader(
      [](std::uint64_t) { return fodc::OkStatus(); },
      [](std::span<const std::uint64_t> stack, const HeapCounts& counts) {
        if (counts.alloc_bytes < counts.inuse_bytes) __builtin_trap();
        if (stack.size() > fodc::pprof::HeapTextReader::kMaxFrames) {
          __builtin_trap();
        }
        return fodc::OkStatus();
      });
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (std::string_view line : fodc::Split(text, '\n')) {
    if (const auto m = fodc::pprof::ParseMapsLine(line);
        m && m->mapping.path_bytes > fodc::pprof::kMaxMappingPathBytes) {
      __builtin_trap();
    }
    if (!reader.Line(line).ok()) return 0;
  }
  reader.Finish().IgnoreError();
  return 0;
}
