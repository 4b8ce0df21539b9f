// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/page_scan.h"

namespace fodc::exposition::page_scan {

void AddEdit(std::vector<LineEdit>* edits, LineEdit::Kind kind,
             std::size_t count) {
  if (count == 0) return;
  const auto n = static_cast<std::uint32_t>(count);
  if (!edits->empty() && edits->back().kind == kind) {
    edits->back().count += n;
  } else {
    edits->push_back({kind, n});
  }
}

void AddHash(std::vector<std::uint64_t>* hashes, std::uint64_t hash) {
  hashes->push_back(hash);
}

ParsedLine ParseLineAt(const PageText& page, Format format, std::size_t start,
                       std::size_t end) {
  return ParseLine({page.bytes + start, end - start}, format,
                   page.unterminated && end + 1 == page.size);
}

ParsedLine ParseTailAt(const PageText& page, Format format, std::size_t value,
                       std::size_t end) {
  ParsedLine out;
  out.kind = LineKind::kSample;
  ParseValueAndTail({page.bytes + value, end - value}, format, &out);
  if (out.kind == LineKind::kBad && page.unterminated && end + 1 == page.size) {
    out.problem = LineProblem::kTruncated;
  }
  return out;
}

bool IsSameSeriesAt(const PageText& page, const Row& a, const Row& b,
                    std::size_t b_end) {
  // More than the line of `a`: what names the series ends by itself.
  return IsSameSeries({page.bytes + a.start, b.start - a.start},
                      {page.bytes + b.start, b_end - b.start});
}

bool FinishSteady(SteadyScan* scan) {
  for (const std::uint64_t hash : *scan->removed) scan->set->Erase(hash);
  const auto& inserted = *scan->inserted;
  const std::size_t first =
      scan->spare->sample_count - inserted.size();  // any number will do
  for (const std::uint64_t hash : inserted) {
    if (scan->set->Contains(hash)) return false;  // a duplicate, or nearly
    scan->set->Insert(hash, static_cast<std::uint32_t>(first));
  }
  return true;
}

}  // namespace fodc::exposition::page_scan
