// SPDX-License-Identifier: Apache-2.0
// The edge of the library: what stands on it throws nothing into the host.
#pragma once

#include <exception>
#include <new>
#include <utility>

#include "fodc/base/status.h"
#include "fodc/guard/event.h"

namespace fodc::guard {

// Calls `body`, which returns a Status or a Result; an exception becomes one.
// The message for want of memory is empty: a text would need some.
template <typename Body>
auto AtEdge(Body&& body) noexcept -> decltype(body()) {
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    return Status(Code::kResourceExhausted, {});
  } catch (...) {
    return Status(Code::kInternal, {});
  }
}

// Calls `body`. What it throws is dropped: nobody is left to tell.
template <typename Body>
void Quietly(Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
  } catch (...) {
  }
}

// Tells the host; what its sink throws is dropped.
inline void Tell(const EventSink& sink, const Event& event) noexcept {
  if (sink) Quietly([&] { sink(event); });
}

}  // namespace fodc::guard
