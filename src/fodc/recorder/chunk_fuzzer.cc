// SPDX-License-Identifier: Apache-2.0
// Chunks and, behind an odd first byte, bare columns: what compression and
// checksums would keep a fuzzer from.
#include <xxhash.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "fodc/recorder/chunk.h"

namespace {

void Columns(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return;
  const std::size_t rows = 1 + data[0];
  const std::size_t columns = data[1];
  std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  bytes.append(fodc::recorder::ColumnDecoder::kSlackBytes, '\0');
  fodc::recorder::ColumnDecoder decoder;
  if (!decoder.Init(std::string_view(bytes).substr(0, size - 2), rows, columns)
           .ok()) {
    return;
  }
  std::vector<double> with_cache(rows);
  std::vector<double> alone(rows);
  fodc::recorder::ColumnDecoder::Cache cache;
  for (std::size_t c = 0; c < columns; ++c) {
    decoder.Decode(c, with_cache.data(), &cache);
    decoder.Decode(c, alone.data());
    if (std::memcmp(with_cache.data(), alone.data(), rows * sizeof(double)) !=
        0) {
      __builtin_trap();
    }
  }
}

void WholeChunk(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size >= 8) {
    const std::uint64_t sum = XXH3_64bits(bytes.data(), size - 8);
    std::memcpy(bytes.data() + size - 8, &sum, sizeof sum);
  }
  const auto chunk = fodc::recorder::Chunk::Parse(bytes);
  if (!chunk.ok()) return;
  for (std::size_t i = 0; i < (*chunk)->sections().size(); ++i) {
    const auto section = (*chunk)->Open(i);
    if (!section.ok()) continue;
    std::vector<double> column((*section)->rows());
    for (fodc::recorder::Slot s = 0; s < (*section)->slots(); ++s) {
      (*section)->Decode(s, column.data(), nullptr);
      fodc::recorder::Section::Range whole;
      for (const auto& r : (*section)->Presence(s, &whole)) {
        if (r.to > column.size() || r.from > r.to) __builtin_trap();
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  if (size == 0) return 0;
  if ((data[0] & 1) != 0) {
    Columns(data + 1, size - 1);
  } else {
    WholeChunk(data + 1, size - 1);
  }
  return 0;
}
