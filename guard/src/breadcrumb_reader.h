// SPDX-License-Identifier: Apache-2.0
// Breadcrumbs for the fatal-signal handler: no lock, no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "fodc/guard/breadcrumb.h"

namespace fodc::guard {

class BreadcrumbReader {
 public:
  using Places =
      std::array<const Breadcrumb*, BreadcrumbStore::kMaxBreadcrumbs>;

  // The oldest first, in `places`. What they point to lives as long as the
  // store; of a thread's own chain, until that thread adds another.
  static std::span<const Breadcrumb* const> Read(const BreadcrumbStore& store,
                                                 Places* places);
  // The chain that the calling thread works on; null if it works on none.
  static const BreadcrumbStore* OfThisThread();
  // A thread's own, which no other thread reads: it keeps the last ones.
  static std::shared_ptr<BreadcrumbStore> MakeThreadsOwn();
};

}  // namespace fodc::guard
