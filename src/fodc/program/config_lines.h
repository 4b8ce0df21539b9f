// SPDX-License-Identifier: Apache-2.0
// Where in a --config file something stands, for messages. For this room.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fodc::program {

// A line that sets something, or ought to.
struct ConfigLine {
  std::size_t number = 0;  // from 1
  std::string key;         // before the `=`
  bool has_value = false;
};

// Blank lines, comments and the insides of lists over several lines are none;
// a section is one, for there are no flags in it.
std::vector<ConfigLine> ConfigLines(std::string_view text);

// "FILE, line N" where the flag is set last; "FILE" if that is not found.
std::string WhereSet(const std::string& file, std::string_view flag);

// What is wrong with the first line that cannot be a flag, as "FILE, line N:
// why"; nothing if every line names one.
std::optional<std::string> FirstBadLine(
    const std::string& file,
    const std::function<bool(std::string_view flag)>& is_flag);

}  // namespace fodc::program
