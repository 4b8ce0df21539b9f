// SPDX-License-Identifier: Apache-2.0
// The log of fodc/wal/wal.h for hosts: tells of a repair as an event, counts
// it, throws nothing. The bytes and the rules are in docs/formats/wal.md.
//
// A start: Create, Read once (a torn tail is repaired, and last_sequence() is
// what a replica asks its peers to go on from), then Append and Sync before
// anything is acknowledged.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/guard/event.h"
#include "fodc/guard/metrics.h"
#include "fodc/wal/wal.h"

namespace fodc::guard {

struct WalOptions {
  std::string directory = {};
  // on_repair, if set, is called as well.
  wal::Options log = {};
  // "WAL tail truncated, repairing" with phase, dir, error, segment,
  // kept_bytes, dropped_bytes, copy, last_index; once per start at most.
  EventSink on_event = {};
  // Must outlive the object. None: nothing is counted.
  Metrics* metrics = nullptr;
  // Must outlive the object. None: the machine's.
  const Clock* clock = nullptr;
};

// Not thread-safe, as wal::Log. After a fork only the parent may use it.
class Wal {
 public:
  // Errors: as wal::Log::Open; kInvalidArgument for an empty directory name.
  static Result<std::unique_ptr<Wal>> Create(
      const WalOptions& options) noexcept;
  ~Wal();
  Wal(const Wal&) = delete;
  Wal& operator=(const Wal&) = delete;

  // As wal::Log::Read. The good records were given to the sink even if a
  // repair fails.
  Result<wal::ReadSummary> Read(const wal::RecordSink& sink,
                                const wal::ReadOptions& options = {}) noexcept;
  // As wal::Log.
  Status Append(std::span<const wal::NewRecord> batch) noexcept;
  Status Append(std::uint16_t kind, std::string_view payload) noexcept;
  Status Sync() noexcept;
  Status Roll() noexcept;
  Result<std::size_t> DropBefore(std::uint64_t sequence) noexcept;

  // Of the last good record, read or appended; one less than the first if there
  // is none. After Read, catching up from peers begins behind it.
  std::uint64_t last_sequence() const noexcept;
  std::uint64_t next_sequence() const noexcept;
  std::uint64_t size_bytes() const noexcept;  // all segments
  const wal::Counters& counters() const noexcept;

 private:
  struct Impl;
  explicit Wal(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::guard
