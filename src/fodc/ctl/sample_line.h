// SPDX-License-Identifier: Apache-2.0
// A sample's line of a page that a proxy wrote, taken apart.
#pragma once

#include <optional>
#include <string_view>

namespace fodc::ctl {

// Views into the line.
struct SampleLine {
  std::string_view name;
  std::string_view labels;  // between the braces
  std::string_view rest;    // value and time, with the blanks around them
};

// Nothing for a line that is no sample's.
std::optional<SampleLine> SplitSampleLine(std::string_view line);

}  // namespace fodc::ctl
