// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>

namespace fodc::guard {

// Null if it is not set. As for any getenv: the host does not set variables
// meanwhile.
inline const char* ReadVariable(const char* name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): see above
  return std::getenv(name);
}

}  // namespace fodc::guard
