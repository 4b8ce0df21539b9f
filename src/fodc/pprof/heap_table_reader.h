// SPDX-License-Identifier: Apache-2.0
// The other side of the table of heap samples: what a process that lives, or
// was killed, had in use and where it was allocated.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "fodc/pprof/gzip.h"
#include "fodc/pprof/heap_profile.h"
#include "fodc/pprof/mapping.h"

namespace fodc::pprof {

struct HeapTableSample {
  std::vector<std::uint64_t> stack;  // return addresses; empty: not known
  HeapCounts counts;
};

struct HeapTableSnapshot {
  std::uint64_t pid = 0;          // in the owner's namespace
  std::uint64_t start_ticks = 0;  // proc(5), stat
  std::uint64_t sample_interval_bytes = 0;
  std::vector<Mapping> mappings;  // in order of address, none over another
  std::vector<HeapTableSample> samples;

  std::uint64_t sampled = 0;
  std::uint64_t freed = 0;
  std::uint64_t dropped_samples = 0;
  std::uint64_t dropped_stacks = 0;
  std::uint64_t dropped_mappings = 0;
  // Slots that changed too fast to be read. 0 once the owner is gone.
  std::uint64_t unread_slots = 0;
};

// What the table holds now, each slot whole. `memory` is that of a table, which
// its owner may be writing, and begins at a multiple of 64.
// Errors: kDataLoss if it is no table, of another version, or does not fit
// `memory`. Nothing that stands in it is believed without a bound.
Result<HeapTableSnapshot> ReadHeapTable(std::span<const std::byte> memory);

// Holds a table in memory. It stays readable when its owner is gone.
class HeapTableView {
 public:
  // Maps it. `touches` all of it by default: pages are charged to whoever does
  // that first, which should not be the process that is short of them. `fd` is
  // not needed after.
  // Errors: kDataLoss if it is not sealed against being cut (reading might then
  // end with SIGBUS); as mmap(2).
  static Result<HeapTableView> Map(int fd, bool touches = true);
  HeapTableView(HeapTableView&& other) noexcept;
  HeapTableView& operator=(HeapTableView&& other) noexcept;
  ~HeapTableView();

  Result<HeapTableSnapshot> Read() const { return ReadHeapTable(memory_); }
  // Its pages are no longer counted as this process's; they are there again
  // with the next Read.
  void LetGoOfPages() const;

 private:
  explicit HeapTableView(std::span<const std::byte> memory) : memory_(memory) {}

  std::span<const std::byte> memory_;
};

// The table that the process holds, by its descriptors.
// Errors: kNotFound if it holds none; kPermissionDenied without the right to
// trace it.
Result<UniqueFd> FindHeapTable(std::string_view proc_root, pid_t pid);

// As a gzipped profile.proto, with a comment for each kind of loss.
Status WriteHeapProfile(const HeapTableSnapshot& table, UnixTime time,
                        Sink sink);

}  // namespace fodc::pprof
