// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/family_index.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "fodc/exposition/series_hash.h"

namespace fodc::exposition {
namespace {

// Keyed: a page may hold any names.
std::uint64_t HashName(std::string_view name) {
  std::uint64_t hash = series_hash::kProcessKey + name.size();
  for (std::size_t at = 0; at < name.size(); at += sizeof hash) {
    std::uint64_t word = 0;
    std::memcpy(&word, name.data() + at,
                std::min(sizeof word, name.size() - at));
    hash = series_hash::Fold(word ^ hash,
                             series_hash::kProcessKey ^ series_hash::kLabel);
  }
  return hash;
}

}  // namespace

bool IsComponentSuffix(Format format, MetricType type,
                       std::string_view suffix) {
  const bool open = format == Format::kOpenMetrics;
  switch (type) {
    case MetricType::kCounter:
      return open && (suffix == "_total" || suffix == "_created");
    case MetricType::kHistogram:
      return suffix == "_bucket" || suffix == "_sum" || suffix == "_count" ||
             (open && suffix == "_created");
    case MetricType::kSummary:
      return suffix == "_sum" || suffix == "_count" ||
             (open && suffix == "_created");
    case MetricType::kGaugeHistogram:
      return suffix == "_bucket" || suffix == "_gsum" || suffix == "_gcount";
    case MetricType::kInfo:
      return open && suffix == "_info";
    default:
      return false;
  }
}

std::string_view ComponentSuffix(std::string_view name) {
  const std::size_t at = name.rfind('_');
  if (at == std::string_view::npos || at == 0) return {};
  const std::string_view suffix = name.substr(at);
  for (const std::string_view known :
       {"_bucket", "_count", "_sum", "_total", "_created", "_info", "_gsum",
        "_gcount"}) {
    if (suffix == known) return suffix;
  }
  return {};
}

void FamilyIndex::Build(const PageText& page, Format format,
                        const PageTable& table) {
  format_ = format;
  families_.clear();
  std::fill(slots_.begin(), slots_.end(), 0);
  for (std::size_t i = 0; i < table.row_count; ++i) {
    const Row& row = table.rows[i];
    if (row.kind != LineKind::kHelp && row.kind != LineKind::kType &&
        row.kind != LineKind::kUnit) {
      continue;
    }
    const std::size_t end = table.rows[i + 1].start - 1;
    const MetadataLine line =
        ParseMetadata({page.bytes + row.start, end - row.start}, row.kind);
    Family* family = FindOrAdd(line.name);
    if (row.kind == LineKind::kHelp && !family->has_help) {
      family->help = line.text;
      family->has_help = true;
    } else if (row.kind == LineKind::kType && !family->has_type) {
      family->type = line.type;
      family->has_type = true;
    } else if (row.kind == LineKind::kUnit && !family->has_unit) {
      family->unit = line.text;
      family->has_unit = true;
    }
  }
}

Family FamilyIndex::Resolve(std::string_view series_name) const {
  Family plain;
  plain.name = series_name;
  if (families_.empty()) return plain;
  const Family* exact = Find(series_name);
  if (exact != nullptr && exact->has_type) return *exact;
  const std::string_view suffix = ComponentSuffix(series_name);
  if (!suffix.empty()) {
    const Family* family =
        Find(series_name.substr(0, series_name.size() - suffix.size()));
    if (family != nullptr && IsComponentSuffix(format_, family->type, suffix)) {
      return *family;
    }
  }
  return exact != nullptr ? *exact : plain;
}

std::size_t FamilyIndex::memory_bytes() const {
  return families_.capacity() * sizeof(Family) +
         slots_.capacity() * sizeof(std::uint32_t);
}

const Family* FamilyIndex::Find(std::string_view name) const {
  if (slots_.empty()) return nullptr;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = HashName(name) & mask; slots_[at] != 0;
       at = (at + 1) & mask) {
    const Family& family = families_[slots_[at] - 1];
    if (family.name == name) return &family;
  }
  return nullptr;
}

Family* FamilyIndex::FindOrAdd(std::string_view name) {
  if ((families_.size() + 1) * 2 > slots_.size()) {
    slots_.assign(
        std::bit_ceil(std::max<std::size_t>(64, (families_.size() + 1) * 4)),
        0);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = 0; i < families_.size(); ++i) {
      std::size_t at = HashName(families_[i].name) & mask;
      while (slots_[at] != 0) at = (at + 1) & mask;
      slots_[at] = static_cast<std::uint32_t>(i + 1);
    }
  }
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = HashName(name) & mask;
  while (slots_[at] != 0) {
    Family& family = families_[slots_[at] - 1];
    if (family.name == name) return &family;
    at = (at + 1) & mask;
  }
  slots_[at] = static_cast<std::uint32_t>(families_.size() + 1);
  families_.emplace_back();
  families_.back().name = name;
  return &families_.back();
}

}  // namespace fodc::exposition
