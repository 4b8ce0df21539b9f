// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/page_filter.h"

#include "fodc/ctl/sample_line.h"
#include "fodc/exposition/identity.h"

namespace fodc::ctl {

Status PageFilter::Feed(std::string_view piece) {
  for (std::size_t end = 0;
       (end = piece.find('\n')) != std::string_view::npos;) {
    rest_.append(piece.substr(0, end + 1));
    piece.remove_prefix(end + 1);
    FODC_RETURN_IF_ERROR(Line(rest_));
    rest_.clear();
  }
  rest_.append(piece);
  return OkStatus();
}

Status PageFilter::End() { return rest_.empty() ? OkStatus() : Line(rest_); }

Status PageFilter::Line(std::string_view line) {
  if (line.starts_with("# EOF")) return out_->Append(line);
  if (line.starts_with('#')) {
    // A new family: the head of one that had nothing to show is dropped.
    if (!in_head_) head_.clear();
    in_head_ = true;
    head_.append(line);
    return OkStatus();
  }
  in_head_ = false;
  if (!Takes(line)) return OkStatus();
  FODC_RETURN_IF_ERROR(out_->Append(head_));
  head_.clear();
  return out_->Append(line);
}

bool PageFilter::Takes(std::string_view line) {
  const auto sample = SplitSampleLine(line);
  if (!sample || !selectors_->MayMatchName(sample->name)) return false;
  exposition::ParseCanonicalLabels(sample->labels, &labels_, &unescaped_);
  return selectors_->Matches(sample->name, labels_);
}

}  // namespace fodc::ctl
