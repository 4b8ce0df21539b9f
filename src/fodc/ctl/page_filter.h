// SPDX-License-Identifier: Apache-2.0
// A text page that comes in pieces, with only the series that are asked for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/ctl/output.h"
#include "fodc/exposition/metric.h"
#include "fodc/exposition/selector.h"

namespace fodc::ctl {

// HELP and TYPE lines are written before the first line of theirs that is
// taken. Reads what a proxy of ours writes: labels without blanks around them.
class PageFilter {
 public:
  // Both must outlive it.
  PageFilter(const exposition::SelectorSet* selectors, Output* out)
      : selectors_(selectors), out_(out) {}
  // Errors: those of the output.
  Status Feed(std::string_view piece);
  // The last line, if the page ended without a line feed.
  Status End();

 private:
  Status Line(std::string_view line);
  bool Takes(std::string_view line);

  const exposition::SelectorSet* selectors_;
  Output* out_;
  std::string rest_;
  std::string head_;  // comment lines that wait
  bool in_head_ = false;
  std::vector<exposition::Label> labels_;
  std::vector<std::string> unescaped_;
};

}  // namespace fodc::ctl
