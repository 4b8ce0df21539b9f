// SPDX-License-Identifier: Apache-2.0
// Events for hosts in C.
#pragma once

#include "fodc/guard/c/event.h"
#include "fodc/guard/event.h"

namespace fodc::guard {

// None if there is no function.
EventSink ToSink(fodc_guard_event_fn function, void* user);

}  // namespace fodc::guard
