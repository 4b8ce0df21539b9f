// SPDX-License-Identifier: Apache-2.0
// The edge to C: a Status becomes a code and a text of the calling thread.
#pragma once

#include <utility>

#include "edge.h"
#include "fodc/base/status.h"

namespace fodc::guard {

// Keeps the message of a failure for fodc_guard_last_error(). Returns the
// code's number. Allocates nothing.
int ToCode(const Status& status) noexcept;

// Calls `body`, which returns a Status; what it throws becomes one. Returns the
// number of its code.
template <typename Body>
int AtCEdge(Body&& body) noexcept {
  return ToCode(AtEdge(std::forward<Body>(body)));
}

}  // namespace fodc::guard
