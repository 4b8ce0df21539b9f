// SPDX-License-Identifier: Apache-2.0
// How the lines of a page moved.
#pragma once

#include <cstdint>

namespace fodc::exposition {

// A step that turns the lines of the page before into those of this one.
struct LineEdit {
  enum class Kind : std::uint8_t { kKeep, kInsert, kRemove };
  Kind kind = Kind::kKeep;
  std::uint32_t count = 0;
  friend bool operator==(const LineEdit&, const LineEdit&) = default;
};

}  // namespace fodc::exposition
