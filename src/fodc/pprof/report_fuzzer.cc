// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string>

#include "fodc/pprof/profile.h"
#include "fodc/pprof/raw.h"
#include "fodc/pprof/top.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  fodc::pprof::ProfileLimits limits;
  limits.bytes = 1 << 20;
  const auto p = fodc::pprof::ReadProfile(
      std::string(reinterpret_cast<const char*>(data), size), limits);
  if (!p.ok()) return 0;
  fodc::pprof::TopOptions options;
  options.min_share = 0;
  const auto top = fodc::pprof::Top(*p, options);
  if (!top.ok()) return 0;
  if (top->rows.size() != top->functions) __builtin_trap();
  // What differs from itself is nothing.
  const auto diff = fodc::pprof::Diff(*p, *p, options);
  if (!diff.ok() || !diff->rows.empty()) __builtin_trap();
  std::size_t written = 0;
  const auto raw = fodc::pprof::WriteRaw(*p, [&](std::string_view piece) {
    written += piece.size();
    return written < (64u << 20) ? fodc::OkStatus()
                                 : fodc::ResourceExhausted("enough");
  });
  (void)raw.ok();
  return 0;
}
