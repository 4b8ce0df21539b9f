// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "fodc/pprof/mapping.h"

namespace fodc::guard {

// The code in this process, as it was when this was made.
class OwnMappings {
 public:
  OwnMappings()
      : mappings_(kMax), count_(pprof::ReadMappings(kPath, mappings_)) {}

  std::span<const pprof::Mapping> all() const {
    return {mappings_.data(), count_.count};
  }
  std::size_t left_out() const { return count_.left_out; }

 private:
  static constexpr std::size_t kMax = 1024;
  static constexpr const char* kPath = "/proc/self/maps";

  std::vector<pprof::Mapping> mappings_;
  pprof::MappingCount count_;
};

}  // namespace fodc::guard
