// SPDX-License-Identifier: Apache-2.0
#include "fodc/detect/page_pair.h"

#include <algorithm>
#include <cstdint>

namespace fodc::detect {
namespace {

// Of a foreign page: anything.
std::optional<std::uint64_t> BytesOf(double value) {
  constexpr double kAbsurd = 1e18;  // as of limits in cgroups
  if (!(value <= kAbsurd)) return {};
  return static_cast<std::uint64_t>(std::max(value, 0.0));
}

}  // namespace

std::optional<PagePair> FindPagePair(const recorder::SourceFrame& page) {
  std::optional<std::uint64_t> memory;
  std::optional<std::uint64_t> limit;
  for (std::size_t i = 0; i < page.values.size(); ++i) {
    const recorder::Series& series = *(*page.series)[i];
    if (!memory && series.name() == kPageMemory)
      memory = BytesOf(page.values[i]);
    if (!limit && series.name() == kPageLimit) limit = BytesOf(page.values[i]);
    if (memory && limit) {
      return PagePair{.bytes = *memory, .limit_bytes = *limit};
    }
  }
  return {};
}

}  // namespace fodc::detect
