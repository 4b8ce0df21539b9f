// SPDX-License-Identifier: Apache-2.0
// What came of the requests of one kind: counts and times.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "examples/kvload/client.h"
#include "fodc/base/status.h"

namespace kvload {

// Of one thread; joined at the end.
class Tally {
 public:
  // Times of requests that were answered, rejections left out: who is sent away
  // at once is not served fast.
  void Count(const fodc::Result<Answer>& answer,
             std::chrono::nanoseconds duration);
  void CountBytes(std::uint64_t bytes) { bytes_ += bytes; }
  void Join(const Tally& other);

  std::uint64_t ok() const { return milliseconds_.size(); }
  // {"load":"write","operation":"put","ok":...,"p99_ms":...}
  std::string Json(std::string_view load, std::string_view operation,
                   std::chrono::nanoseconds wall) const;

 private:
  std::uint64_t rejected_ = 0;  // 503
  std::uint64_t refused_ = 0;   // other answers that are no success
  std::uint64_t failed_ = 0;    // no answer
  std::uint64_t bytes_ = 0;     // of bodies, both ways
  std::vector<float> milliseconds_;
};

}  // namespace kvload
