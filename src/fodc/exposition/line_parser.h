// SPDX-License-Identifier: Apache-2.0
// One line of a page, byte by byte. The authority on what a line is: the wide
// scanners of page_scan.h take the common lines and ask here for the rest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/exposition/format.h"
#include "fodc/exposition/metric.h"
#include "fodc/exposition/page_stats.h"

namespace fodc::exposition {

inline constexpr std::size_t kMaxLabelsPerLine = 128;
inline constexpr std::size_t kMaxLineBytes = 64u << 10;

enum class LineKind : std::uint8_t {
  kSample,     // accepted: it has a value and an index
  kDuplicate,  // a sample whose series stands further up the page
  kBad,
  kComment,  // also blank lines
  kHelp,
  kType,
  kUnit,
  kEof,  // OpenMetrics only
};

// What stands behind the value.
inline constexpr std::uint8_t kHasTimestamp = 1;
inline constexpr std::uint8_t kHasExemplar = 2;
// A tail of any kind, also mere blanks or a CR: the value does not end the
// line.
inline constexpr std::uint8_t kHasTail = 4;

struct ParsedLine {
  LineKind kind = LineKind::kComment;
  LineProblem problem = LineProblem::kBadName;  // if kBad
  std::uint8_t flags = 0;
  std::uint32_t value_at = 0;  // offset in the line, if kSample
  double value = 0;
  std::uint64_t hash = 0;  // series_hash.h
};

// Parses `line`, without its line feed but with the CR that may be before it.
// 64 readable bytes follow the line. `unterminated`: it is the last one of a
// page without a final line feed.
ParsedLine ParseLine(std::string_view line, Format format, bool unterminated);

// The part of a sample line from the value on. Fills value and flags, or kind
// kBad and problem.
void ParseValueAndTail(std::string_view text, Format format, ParsedLine* out);

// The parts of a HELP, TYPE or UNIT line that ParseLine has found good.
struct MetadataLine {
  std::string_view name;
  std::string_view text;  // as written: escaped help, type word, unit
  MetricType type = MetricType::kUnknown;
};
MetadataLine ParseMetadata(std::string_view line, LineKind kind);

// The parts of a sample line that ParseLine has found good. Label values with
// escapes are unescaped into `arena`, which the views then refer to.
std::string_view ParseName(std::string_view line);
void ParseLabels(std::string_view line, std::vector<Label>* labels,
                 std::string* arena);

// Whether two sample lines name the same series.
bool IsSameSeries(std::string_view a, std::string_view b);

// Unescapes HELP text into *out. `quotes`: \" is an escape too (OpenMetrics).
void UnescapeHelp(std::string_view text, bool quotes, std::string* out);

}  // namespace fodc::exposition
