// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/page_filter.h"

#include "fodc/api/identity.h"

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
  const std::size_t name_end = line.find_first_of("{ ");
  if (name_end == std::string_view::npos) return false;
  const std::string_view name = line.substr(0, name_end);
  if (!selectors_->MayMatchName(name)) return false;
  labels_.clear();
  unescaped_.clear();
  if (line[name_end] == '{') {
    bool quoted = false;
    std::size_t at = name_end + 1;
    for (; at < line.size() && (quoted || line[at] != '}'); ++at) {
      if (quoted && line[at] == '\\') {
        ++at;
      } else if (line[at] == '"') {
        quoted = !quoted;
      }
    }
    if (at >= line.size()) return false;
    api::ParseCanonicalLabels(line.substr(name_end + 1, at - name_end - 1),
                              &labels_, &unescaped_);
  }
  return selectors_->Matches(name, labels_);
}

}  // namespace fodc::ctl
