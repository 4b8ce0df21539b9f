// SPDX-License-Identifier: Apache-2.0
// Counters of the kernel's maps, made into readings that begin at zero with
// each life of a target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/kernel/reading.h"

namespace fodc::kernel {

using Words = std::vector<std::uint64_t>;

// The record `slot` of a map of per-CPU records, all CPUs together.
// Errors: as bpf(2).
Result<Words> SumRecords(int map, std::uint32_t slot, std::size_t words);
// The record of a map that all CPUs share.
Result<Words> ReadRecord(int map, std::uint32_t slot, std::size_t words);
void ClearRecord(int map, std::uint32_t slot, std::size_t words);

// What one record shows: the kernel's own count never falls, and is not set
// back, so a life begins with what was there already.
class Accumulator {
 public:
  // From here on the record begins at zero.
  void Begin(Words raw) { base_ = std::move(raw); }
  // Less what was there at Begin.
  Words Since(const Words& raw) const;

 private:
  Words base_;
};

// Whether a program of the name counts.
using Serves = std::function<bool(std::string_view)>;

// The record of a family, as bpf/records.h has it, into the reading.
ReadReading ToRead(std::span<const std::uint64_t> words);
WriteReading ToWrite(std::span<const std::uint64_t> words);
CacheReading ToCache(std::span<const std::uint64_t> words,
                     const Serves& serves);
PolicyReading ToPolicy(std::span<const std::uint64_t> words);
MemoryReading ToMemory(std::span<const std::uint64_t> words,
                       const Serves& serves);
FaultReading ToFaults(std::span<const std::uint64_t> words);
BlockReading ToBlock(std::span<const std::uint64_t> words);
SchedReading ToSched(std::span<const std::uint64_t> words);
DeathReading ToDeath(std::span<const std::uint64_t> words,
                     const Serves& serves);

}  // namespace fodc::kernel
