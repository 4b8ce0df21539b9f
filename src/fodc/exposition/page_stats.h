// SPDX-License-Identifier: Apache-2.0
// What was wrong with the lines of a page, and how much was right.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fodc::exposition {

// Why a line gave no sample.
enum class LineProblem : std::uint8_t {
  kBadName,          // no legal metric name where one must be
  kBadLabels,        // braces, commas, quotes or label names; __name__
  kDuplicateLabel,   // one label name twice
  kTooManyLabels,    // more than kMaxLabelsPerLine
  kBadValue,         // missing, not a number or beyond a double's range
  kBadTimestamp,     // no timestamp where something follows the value
  kBadExemplar,      // OpenMetrics
  kBadUtf8,          // in a name, a label value or a HELP text
  kBadMetadata,      // HELP, TYPE or UNIT without a name or a known type
  kLineTooLong,      // more than kMaxLineBytes
  kAfterEof,         // OpenMetrics: text behind "# EOF"
  kTruncated,        // bad, and the page ends without a line feed
  kDuplicateSeries,  // the first one counts
  kTooManyLines,     // beyond PageReader::Options::max_lines
};
inline constexpr std::size_t kLineProblems = 14;

// In snake_case, as metrics name it: "bad_name", ...
std::string_view LineProblemName(LineProblem problem);

struct PageStats {
  std::size_t bytes = 0;
  std::uint32_t samples = 0;     // accepted: one value each
  std::uint32_t timestamps = 0;  // accepted samples with their own time
  std::uint32_t exemplars = 0;   // accepted samples with an exemplar
  // Lines lost, by LineProblem.
  std::array<std::uint32_t, kLineProblems> problems{};
  // An OpenMetrics page without "# EOF". (Text that ends inside a number of
  // its last line cannot be told from a whole page.)
  bool is_truncated = false;

  std::uint32_t problem(LineProblem p) const {
    return problems[static_cast<std::size_t>(p)];
  }
  std::uint32_t lost_lines() const {
    std::uint32_t n = 0;
    for (const std::uint32_t count : problems) n += count;
    return n;
  }
  friend bool operator==(const PageStats&, const PageStats&) = default;
};

// One lost line, for a log.
struct ProblemLine {
  static constexpr std::size_t kExcerptBytes = 60;
  std::uint64_t line = 0;  // from 1
  LineProblem problem = LineProblem::kBadName;
  std::uint8_t excerpt_size = 0;
  std::array<char, kExcerptBytes> excerpt_bytes{};

  // The front of the line; bytes that are no printable ASCII are '?'.
  std::string_view excerpt() const {
    return {excerpt_bytes.data(), excerpt_size};
  }
};

}  // namespace fodc::exposition
