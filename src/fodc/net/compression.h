// SPDX-License-Identifier: Apache-2.0
// gzip and zstd, piece by piece, in constant memory. gzip is ISA-L's.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/net/content_coding.h"

namespace fodc::net {

// Makes one stream of pieces. Not thread-safe.
class Compressor {
 public:
  virtual ~Compressor() = default;
  // Appends to `*out` what `piece` gives; some of it may stay inside until a
  // later call. `last` ends the stream: nothing may follow. With `flush` all
  // given so far can be decoded by the receiver.
  virtual void Add(std::string_view piece, bool last, std::string* out,
                   bool flush = false) = 0;
};

// Null for kIdentity.
std::unique_ptr<Compressor> MakeCompressor(ContentCoding coding);

// Takes one stream apart: gzip (several members one after the other too) or
// zstd. Not thread-safe. Memory: the format's window (gzip 32 KiB; zstd frames
// of more than 8 MiB are refused).
class Decompressor {
 public:
  virtual ~Decompressor() = default;
  // Appends to `*out` what `piece` gives, while `*out` stays within
  // `max_out_bytes`. Errors: kDataLoss for bytes that are not of the coding
  // or fail its checksum; kResourceExhausted naming the limit. Not usable
  // after an error.
  virtual Status Add(std::string_view piece, std::string* out,
                     std::size_t max_out_bytes) = 0;
  // The input has ended. Errors: kDataLoss if the stream has not.
  virtual Status End() = 0;
};

// Null for kIdentity.
std::unique_ptr<Decompressor> MakeDecompressor(ContentCoding coding);

}  // namespace fodc::net
