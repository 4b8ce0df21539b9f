// SPDX-License-Identifier: Apache-2.0
// Tables for people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace fodc::ctl {

// Names come from the network: what a terminal would obey becomes `?`.
std::string WithoutControls(std::string_view text);

// How wide a terminal shows it: one column per code point.
std::size_t Width(std::string_view text);

using TableLine = std::vector<std::string>;

// One line of text each, columns padded to the widest cell. `is_number` says of
// each column whether it is flush right; all lines have as many cells. Control
// characters are shown as `?`.
std::vector<std::string> RenderTable(std::vector<TableLine> lines,
                                     const std::vector<bool>& is_number);

// "512 B", "1.5 MiB": at most four digits.
std::string HumanBytes(double bytes);
// "45s", "12m30s", "3h05m", "2d4h".
std::string HumanDuration(std::int64_t ms);
// "1.50" of 1.5 with two digits.
std::string Fixed(double value, int digits);

}  // namespace fodc::ctl
