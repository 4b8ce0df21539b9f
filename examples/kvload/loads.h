// SPDX-License-Identifier: Apache-2.0
// The loads. Each runs for a bounded time, with a thread for each connection,
// and prints a JSON line for each kind of request.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "fodc/base/status.h"

namespace kvload {

struct LoadOptions {
  std::int64_t port = 7070;
  std::string from = "127.0.0.1";  // the address that it comes from
  std::int64_t connections = 4;
  std::chrono::nanoseconds duration = std::chrono::seconds(10);
  std::int64_t count = 0;  // requests at most; 0: as many as time allows
  double rate = 0;         // requests a second in all; 0: as fast as answered
  std::chrono::nanoseconds timeout = std::chrono::seconds(10);  // of a call
  std::string ledger;  // path; empty: none

  // Of writes.
  std::uint64_t value_bytes = 128;
  std::int64_t keys = 1000;  // of each connection
  std::int64_t delete_percent = 5;
  std::int64_t append_percent = 10;

  // Of the hot reader.
  std::string stream = "hot";
  bool whole = false;        // each read from the beginning
  std::int64_t entries = 0;  // appended before the reads begin

  // Of the spike.
  std::uint64_t hold_bytes = std::uint64_t{1} << 30;
  std::uint64_t hold_rate = 400u << 20;  // bytes a second
};

// Puts, deletes and appends, in the ledger. `ramp`: the rate grows from 0 to
// `rate` over the duration.
fodc::Status RunWrites(const LoadOptions& options, bool ramp);
// Reads of one stream in a tight loop: what is new since the last entry seen,
// or the whole.
fodc::Status RunHotReader(const LoadOptions& options);
// Scans of all keys, page by page.
fodc::Status RunScan(const LoadOptions& options);
// Memory held in the node: each connection sends a put of `value_bytes` but for
// its last byte, until all together sent `hold_bytes`; holds that for the
// duration, then finishes all puts at once.
fodc::Status RunSpike(const LoadOptions& options);

}  // namespace kvload
