// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "fodc/pprof/heap_table_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  // A copy of exactly this size, aligned as a mapping is.
  const std::unique_ptr<void, decltype(&std::free)> memory(
      std::aligned_alloc(64, (size + 63) / 64 * 64 + 64), &std::free);
  std::memcpy(memory.get(), data, size);
  const auto t = fodc::pprof::ReadHeapTable(
      {static_cast<const std::byte*>(memory.get()), size});
  if (!t.ok()) return 0;
  const auto is_before = [](const auto& a, const auto& b) {
    return a.limit <= b.start;
  };
  if (!std::is_sorted(t->mappings.begin(), t->mappings.end(), is_before)) {
    __builtin_trap();
  }
  fodc::pprof::WriteHeapProfile(*t, {}, [](std::string_view) {
    return fodc::OkStatus();
  }).IgnoreError();
  return 0;
}
