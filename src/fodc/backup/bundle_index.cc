// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/bundle_index.h"

#include <algorithm>

namespace fodc::backup {

void BundleIndex::Add(std::uint64_t number, std::uint64_t bytes) {
  is_sorted_ =
      is_sorted_ && (bundles_.empty() || bundles_.back().number < number);
  bundles_.push_back({.number = number, .bytes = bytes});
}

void BundleIndex::Sort() {
  if (is_sorted_) return;
  std::ranges::stable_sort(bundles_, {}, &Bundle::number);
  std::size_t kept = 0;
  for (const Bundle& bundle : bundles_) {
    if (kept > 0 && bundles_[kept - 1].number == bundle.number) --kept;
    bundles_[kept++] = bundle;
  }
  bundles_.resize(kept);
  is_sorted_ = true;
}

const std::vector<BundleIndex::Bundle>& BundleIndex::bundles() {
  Sort();
  return bundles_;
}

BundleIndex::Bundle* BundleIndex::Find(const Place& place) {
  Sort();
  const auto it =
      std::ranges::lower_bound(bundles_, place.bundle, {}, &Bundle::number);
  return it != bundles_.end() && it->number == place.bundle ? &*it : nullptr;
}

bool BundleIndex::Has(const Place& place) {
  const Bundle* const first = Find(place);
  if (first == nullptr) return false;
  if (place.bundles == 1) return place.at + place.stored <= first->bytes;
  const auto there = static_cast<std::uint64_t>(&bundles_.back() - first + 1);
  if (place.bundles > there) return false;
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0; i < place.bundles; ++i) {
    if (first[i].number != place.bundle + i) return false;
    bytes += first[i].bytes;
  }
  return bytes == place.stored;
}

void BundleIndex::Count(const Place& place) {
  Bundle* const bundle = Find(place);
  if (bundle != nullptr) bundle->counted += place.stored;
}

bool BundleIndex::IsWasteful(const Place& place) {
  const Bundle* const bundle = Find(place);
  return bundle != nullptr && place.bundles == 1 &&
         bundle->counted < bundle->bytes / 2;
}

void BundleIndex::Use(const Place& place) {
  Bundle* const first = Find(place);
  if (first == nullptr) return;
  const auto there = static_cast<std::uint64_t>(&bundles_.back() - first + 1);
  for (std::uint64_t i = 0; i < std::min(place.bundles, there); ++i) {
    if (first[i].number == place.bundle + i) first[i].is_used = true;
  }
}

std::uint64_t BundleIndex::NextNumber() {
  Sort();
  return bundles_.empty() ? 0 : bundles_.back().number + 1;
}

}  // namespace fodc::backup
