// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/config_lines.h"

#include <algorithm>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::program {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{1} << 20;

// What is no flag may be anything, a URL with a password, too: its first word.
std::string_view FirstWord(std::string_view key) {
  return key.substr(0, key.find_first_of(" \t:"));
}

std::vector<ConfigLine> LinesOf(const std::string& file) {
  const auto text = ReadFile(file, kMaxBytes);
  return text.ok() ? ConfigLines(*text) : std::vector<ConfigLine>();
}

}  // namespace

std::vector<ConfigLine> ConfigLines(std::string_view text) {
  std::vector<ConfigLine> lines;
  std::size_t number = 0;
  bool in_list = false;
  for (const std::string_view whole : Split(text, '\n')) {
    ++number;
    const std::string_view line = Trim(whole);
    if (in_list) {
      in_list = line.find(']') == std::string_view::npos;
      continue;
    }
    if (line.empty() || line[0] == '#' || line[0] == ';' || line == "[default]")
      continue;
    const std::size_t equals = line.find('=');
    std::string_view key = Trim(line.substr(0, equals));
    if (key.size() >= 2 && key.front() == '"' && key.back() == '"')
      key = key.substr(1, key.size() - 2);
    const bool has_value = equals != std::string_view::npos;
    lines.push_back({number, std::string(key), has_value});
    if (!has_value) continue;
    const std::string_view value = Trim(line.substr(equals + 1));
    in_list =
        value.starts_with('[') && value.find(']') == std::string_view::npos;
  }
  return lines;
}

std::string WhereSet(const std::string& file, std::string_view flag) {
  std::string where = file;
  for (const ConfigLine& line : LinesOf(file)) {
    if (line.key == flag) where = StrCat(file, ", line ", line.number);
  }
  return where;
}

std::optional<std::string> FirstBadLine(
    const std::string& file,
    const std::function<bool(std::string_view flag)>& is_flag) {
  for (const ConfigLine& line : LinesOf(file)) {
    if (is_flag(line.key)) continue;
    return StrCat(
        file, ", line ", line.number, ": ",
        line.has_value
            ? StrCat("unknown flag ", ToValidUtf8(FirstWord(line.key)))
            : StrCat("\"", ToValidUtf8(FirstWord(line.key)),
                     "\" is not `flag = value`"));
  }
  return std::nullopt;
}

}  // namespace fodc::program
