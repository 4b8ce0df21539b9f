// SPDX-License-Identifier: Apache-2.0
// Whether what an endpoint serves is a profile at all: a proxy's page, a log in
// or a damaged archive is not to be kept as evidence.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/net/compression.h"

namespace fodc::capture {

// Takes a body piece by piece, in constant memory. What is in it must begin as
// a message of profile.proto or as one of the texts that pprof reads. gzip is
// taken apart to its end, so that damage anywhere is seen; what gives more than
// kMostInflated is not looked at behind that. Not thread-safe.
class ProfileCheck {
 public:
  // Damage before it makes a body none; behind it, a profile that is damaged:
  // its beginning may still be read.
  static constexpr std::size_t kHeadBytes = 1 << 20;
  // An archive that unpacks into more costs too much to follow.
  static constexpr std::uint64_t kMostInflated = std::uint64_t{4} << 30;

  explicit ProfileCheck(bool is_text) : is_text_(is_text) {}

  // Errors: kDataLoss saying what it begins with; what came is then none.
  Status Add(std::string_view piece);
  // The body has ended. Errors: as Add; of gzip of less than kHeadBytes that
  // has no end, too.
  Status End();
  // The body will not come to its end. Errors: kDataLoss if what came of it is
  // no beginning of a profile.
  Status Cut() const;
  // What is wrong behind the first kHeadBytes, as far as is known; after End of
  // the whole body. kDataLoss saying where.
  const Status& damage() const { return damage_; }

 private:
  Status Inflate(std::string_view piece);
  Status CheckHead(bool is_all) const;

  const bool is_text_;  // ProfileType::format is "text"
  std::string first_;   // bytes as they came
  std::string head_;    // the first of what is in them
  std::string inflated_;
  std::unique_ptr<net::Decompressor> decompressor_;
  std::uint64_t seen_ = 0;
  std::uint64_t inflated_bytes_ = 0;
  Status damage_;
  bool is_settled_ = false;  // the head is that of a profile
};

}  // namespace fodc::capture
