// SPDX-License-Identifier: Apache-2.0
// gzip (RFC 1952) in pieces.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::pprof {

// Gets bytes in order. An error ends the writing and is what its caller gets.
using Sink = std::function<Status(std::string_view)>;

// Compresses into a buffer of 16 KiB, which goes to the sink whenever it is
// full. Holds about 100 KiB however much is written. Not thread-safe.
class GzipWriter {
 public:
  // Errors: kResourceExhausted without memory.
  static Result<std::unique_ptr<GzipWriter>> Create(Sink sink);
  ~GzipWriter();
  GzipWriter(const GzipWriter&) = delete;
  GzipWriter& operator=(const GzipWriter&) = delete;

  Status Write(std::string_view bytes);
  // The rest and the trailer. Nothing may be written after.
  Status Finish();

 private:
  struct Impl;
  explicit GzipWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// All members of `bytes`, one after the other.
// Errors: kDataLoss if it is not gzip, is damaged or cut; kResourceExhausted if
// it would be more than `max_bytes`.
Result<std::string> Gunzip(std::string_view bytes, std::size_t max_bytes);

}  // namespace fodc::pprof
