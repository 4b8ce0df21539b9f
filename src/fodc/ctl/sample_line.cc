// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/sample_line.h"

namespace fodc::ctl {

std::optional<SampleLine> SplitSampleLine(std::string_view line) {
  const std::size_t name_end = line.find_first_of("{ ");
  if (name_end == std::string_view::npos) return std::nullopt;
  SampleLine out;
  out.name = line.substr(0, name_end);
  if (line[name_end] != '{') {
    out.rest = line.substr(name_end);
    return out;
  }
  bool quoted = false;
  std::size_t at = name_end + 1;
  for (; at < line.size() && (quoted || line[at] != '}'); ++at) {
    if (quoted && line[at] == '\\') {
      ++at;
    } else if (line[at] == '"') {
      quoted = !quoted;
    }
  }
  if (at >= line.size()) return std::nullopt;
  out.labels = line.substr(name_end + 1, at - name_end - 1);
  out.rest = line.substr(at + 1);
  return out;
}

}  // namespace fodc::ctl
