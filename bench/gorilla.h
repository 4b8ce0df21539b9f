// SPDX-License-Identifier: Apache-2.0
// The baseline: values XOR-ed with the one before, after Pelkonen et al.,
// "Gorilla: A Fast, Scalable, In-Memory Time Series Database", VLDB 2015,
// section 4.1.2. Counts bits, writes none.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace fodc::bench {

inline std::size_t GorillaValueBits(std::span<const double> values) {
  std::size_t bits = 64;
  std::uint64_t before = std::bit_cast<std::uint64_t>(values[0]);
  int leading = 65;  // of the window in use; none yet
  int trailing = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    const auto v = std::bit_cast<std::uint64_t>(values[i]);
    const std::uint64_t x = v ^ before;
    before = v;
    ++bits;
    if (x == 0) continue;
    ++bits;
    int lead = std::countl_zero(x);
    const int trail = std::countr_zero(x);
    if (lead > 31) lead = 31;
    if (leading <= lead && trailing <= trail) {
      bits += static_cast<std::size_t>(64 - leading - trailing);
      continue;
    }
    leading = lead;
    trailing = trail;
    bits += 5 + 6 + static_cast<std::size_t>(64 - lead - trail);
  }
  return bits;
}

}  // namespace fodc::bench
