// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "record_buffer.h"

namespace fodc::guard {

// "std::runtime_error: what it says" of the exception that is handled now, the
// type alone if it says nothing. Nothing if none is handled. Allocates only
// for the plain name of the type, and does without.
void AppendCurrentException(RecordBuffer* out) noexcept;

}  // namespace fodc::guard
