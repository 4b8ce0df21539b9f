// SPDX-License-Identifier: Apache-2.0
// A histogram of nanoseconds, counted in the kernel: log-linear, four slots to
// the octave. From kLowestNs to kHighestNs a slot is at most a quarter of its
// lower bound wide; below and above there is one slot each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace fodc::kernel {

struct LatencyHistogram {
  static constexpr std::uint64_t kLowestNs = 256;
  static constexpr std::uint64_t kHighestNs = std::uint64_t{1} << 36;  // 68.7 s
  static constexpr std::size_t kSlotsPerOctave = 4;
  // 28 octaves, what is below and what is above.
  static constexpr std::size_t kSlots = 28 * kSlotsPerOctave + 2;

  std::array<std::uint64_t, kSlots> counts{};
  std::uint64_t sum_ns = 0;  // of all values

  // The greatest value that the slot counts, as a Prometheus `le` means it.
  // Nothing for the last slot.
  static std::optional<std::uint64_t> UpperBoundNs(std::size_t slot);
  // Where a value is counted.
  static std::size_t SlotOf(std::uint64_t ns);
  // Whether the slot is the last of its octave: its bound is a power of two.
  static bool EndsOctave(std::size_t slot);

  std::uint64_t Count() const;
  void Add(const LatencyHistogram& other);
};

}  // namespace fodc::kernel
