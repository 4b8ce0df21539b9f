// SPDX-License-Identifier: Apache-2.0
#include "fodc/pprof/profile.h"

#include <algorithm>

#include "fodc/base/strings.h"
#include "fodc/pprof/profile_fields.h"

namespace fodc::pprof {

Status IdIndex::BuildSparse(std::string_view kind) {
  const auto twice = [kind](std::uint64_t id) {
    if (id == 0) return DataLoss(StrCat("a ", kind, " with the id 0"));
    return DataLoss(StrCat(kind, " ", id, " is given twice"));
  };
  if (!dense_.empty()) {
    return sparse_.empty() ? OkStatus() : twice(sparse_.front().id);
  }
  std::sort(sparse_.begin(), sparse_.end(),
            [](const Entry& a, const Entry& b) { return a.id < b.id; });
  if (!sparse_.empty() && sparse_.front().id == 0) return twice(0);
  const auto same = std::adjacent_find(
      sparse_.begin(), sparse_.end(),
      [](const Entry& a, const Entry& b) { return a.id == b.id; });
  return same == sparse_.end() ? OkStatus() : twice(same->id);
}

std::optional<std::uint32_t> IdIndex::Find(std::uint64_t id) const {
  if (id < dense_.size()) {
    if (dense_[id] == Profile::kNone) return {};
    return dense_[id];
  }
  const auto it = std::lower_bound(
      sparse_.begin(), sparse_.end(), id,
      [](const Entry& e, std::uint64_t v) { return e.id < v; });
  if (it == sparse_.end() || it->id != id) return {};
  return it->place;
}

std::optional<std::size_t> Profile::FindSampleType(
    std::string_view type) const {
  for (std::size_t i = 0; i < sample_types_.size(); ++i) {
    if (Text(sample_types_[i].type) == type) return i;
  }
  return {};
}

// What follows relies on the checks of the reader: every field is whole, every
// id refers to something.
SampleReader::Sample SampleReader::Read(std::size_t sample) {
  locations_.clear();
  values_.clear();
  std::string_view rest = profile_.At(profile_.samples_[sample]);
  bool ok = true;
  while (const auto field = TakeField(&rest, &ok)) {
    if (field->number == kSampleLocationId) {
      ForNumbers(*field, [this](std::uint64_t id) {
        locations_.push_back(*profile_.location_ids_.Find(id));
      });
    } else if (field->number == kSampleValue) {
      ForNumbers(*field, [this](std::uint64_t value) {
        values_.push_back(static_cast<std::int64_t>(value));
      });
    }
  }
  return {locations_, values_};
}

std::span<const SampleReader::Label> SampleReader::ReadLabels(
    std::size_t sample) {
  labels_.clear();
  std::string_view rest = profile_.At(profile_.samples_[sample]);
  bool ok = true;
  while (const auto field = TakeField(&rest, &ok)) {
    if (field->number != kSampleLabel) continue;
    Label& label = labels_.emplace_back();
    std::string_view parts = field->bytes;
    while (const auto part = TakeField(&parts, &ok)) {
      const auto text = static_cast<std::uint32_t>(part->value);
      if (part->number == kLabelKey) label.key = text;
      if (part->number == kLabelText) label.text = text;
      if (part->number == kLabelUnit) label.unit = text;
      if (part->number == kLabelNumber) {
        label.number = static_cast<std::int64_t>(part->value);
      }
    }
  }
  return labels_;
}

}  // namespace fodc::pprof
