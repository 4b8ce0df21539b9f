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

// Takes a body piece by piece, in constant memory. It looks at its beginning:
// gzip is taken apart for so many bytes of it, and what is in it must begin as
// a message of profile.proto or as one of the texts that pprof reads. Not
// thread-safe.
class ProfileCheck {
 public:
  static constexpr std::size_t kCheckedBytes = 1 << 20;

  explicit ProfileCheck(bool is_text) : is_text_(is_text) {}

  // Errors: kDataLoss saying what it begins with; what came is then none.
  Status Add(std::string_view piece);
  // The body has ended. Errors: as Add; of gzip that has no end, too.
  Status End();
  // The body will not come to its end. Errors: kDataLoss if what came of it is
  // no beginning of a profile.
  Status Cut() const;

 private:
  Status Inflate(std::string_view piece);
  Status CheckHead(bool is_all) const;

  const bool is_text_;  // ProfileType::format is "text"
  std::string first_;   // bytes as they came
  std::string head_;    // the first of what is in them
  std::string inflated_;
  std::unique_ptr<net::Decompressor> decompressor_;
  std::size_t seen_ = 0;
  bool is_settled_ = false;  // the head is that of a profile
};

}  // namespace fodc::capture
