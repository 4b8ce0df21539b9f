// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/page_stats.h"

namespace fodc::exposition {

std::string_view LineProblemName(LineProblem problem) {
  switch (problem) {
    case LineProblem::kBadName:
      return "bad_name";
    case LineProblem::kBadLabels:
      return "bad_labels";
    case LineProblem::kDuplicateLabel:
      return "duplicate_label";
    case LineProblem::kTooManyLabels:
      return "too_many_labels";
    case LineProblem::kBadValue:
      return "bad_value";
    case LineProblem::kBadTimestamp:
      return "bad_timestamp";
    case LineProblem::kBadExemplar:
      return "bad_exemplar";
    case LineProblem::kBadUtf8:
      return "bad_utf8";
    case LineProblem::kBadMetadata:
      return "bad_metadata";
    case LineProblem::kLineTooLong:
      return "line_too_long";
    case LineProblem::kAfterEof:
      return "after_eof";
    case LineProblem::kTruncated:
      return "truncated";
    case LineProblem::kDuplicateSeries:
      return "duplicate_series";
    case LineProblem::kTooManyLines:
      return "too_many_lines";
  }
  return "unknown";
}

}  // namespace fodc::exposition
