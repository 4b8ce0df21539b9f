// SPDX-License-Identifier: Apache-2.0
// Load that behaves as real servers do: pages put together from the recorded
// ones, so that samples change and lines come and go as they really did.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::test {

// One server's part of a page.
struct Tile {
  std::string_view recording;  // stem: "etcd", ...
  std::size_t first_frame;     // where it begins; it goes round
  std::string_view prefix;     // of every metric name: keeps tiles apart
};

struct TiledPages {
  std::vector<std::string> pages;  // one a second
  std::size_t series_of_first = 0;
  double changed_ratio = 0;        // samples that differ from the second before
  std::size_t layout_changes = 0;  // pages whose lines are not those before
};

// `seconds` pages of `tiles`, at least; the recordings are 420 s long and go
// round. Errors: as reading the recordings.
Result<TiledPages> MakeTiledPages(const std::vector<Tile>& tiles,
                                  std::size_t seconds);

// About 5,000 series, of which some 15 % change each second.
const std::vector<Tile>& FiveThousandSeries();

}  // namespace fodc::test
