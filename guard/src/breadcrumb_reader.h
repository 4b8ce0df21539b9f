// SPDX-License-Identifier: Apache-2.0
// Breadcrumbs for the fatal-signal handler: no lock, no allocation.
#pragma once

#include <span>

#include "fodc/guard/breadcrumb.h"

namespace fodc::guard {

class BreadcrumbReader {
 public:
  // Lives as long as the store; what is added later is not in it.
  static std::span<const Breadcrumb* const> Read(const BreadcrumbStore& store);
  // The chain that the calling thread works on; null if it works on none.
  static const BreadcrumbStore* OfThisThread();
};

}  // namespace fodc::guard
