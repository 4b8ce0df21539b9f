// SPDX-License-Identifier: Apache-2.0
// The bundles of a catalog that lie at its destination, and how much of each
// is still wanted: 32 bytes of memory for each, which holds thousands of files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "fodc/backup/manifest.h"

namespace fodc::backup {

// Not thread-safe.
class BundleIndex {
 public:
  // In any order; the last of a number counts.
  void Add(std::uint64_t number, std::uint64_t bytes);

  // Whether all of it is there.
  bool Has(const Place& place);
  // Some file is in it, as a manifest says.
  void Count(const Place& place);
  // Less than half of its bundle is of files that were counted: they go into
  // another one.
  bool IsWasteful(const Place& place);
  // A file that stays is in it.
  void Use(const Place& place);
  // Behind all that are there.
  std::uint64_t NextNumber();

  struct Bundle {
    std::uint64_t number = 0;
    std::uint64_t bytes = 0;
    std::uint64_t counted = 0;
    bool is_used = false;
  };
  // In the order of numbers.
  const std::vector<Bundle>& bundles();

 private:
  // Of the place's first one; null: it is not there.
  Bundle* Find(const Place& place);
  void Sort();

  std::vector<Bundle> bundles_;
  bool is_sorted_ = true;
};

}  // namespace fodc::backup
