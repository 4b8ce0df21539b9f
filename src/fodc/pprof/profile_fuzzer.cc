// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fodc/pprof/profile.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  fodc::pprof::ProfileLimits limits;
  limits.bytes = 1 << 20;
  const auto p = fodc::pprof::ReadProfile(
      {reinterpret_cast<const char*>(data), size}, limits);
  if (!p.ok()) return 0;
  // Whatever is let in refers to what is there.
  for (const auto& sample : p->samples) {
    if (sample.values.size() != p->sample_types.size()) __builtin_trap();
    for (const std::size_t at : sample.locations) {
      if (at >= p->locations.size()) __builtin_trap();
    }
  }
  for (const auto& location : p->locations) {
    if (location.mapping && *location.mapping >= p->mappings.size()) {
      __builtin_trap();
    }
    for (const auto& line : location.lines) {
      if (line.function >= p->functions.size()) __builtin_trap();
    }
  }
  return 0;
}
