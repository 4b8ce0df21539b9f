// SPDX-License-Identifier: Apache-2.0
// Profiles that are text, made into messages of profile.proto:
// - heaps as jemalloc and gperftools write them (heap_text.h), with the
//   mappings that follow, and as Go does with debug=1;
// - counted stacks of Go with debug=1 (goroutine, threadcreate).
#pragma once

#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::pprof {

// Whether it begins as one of them.
bool IsTextProfile(std::string_view bytes);

// Addresses are of calls, as in any profile, not of what they return to; names
// are those of the comments of Go. A message is at most ten times as large as
// its text.
// Errors: kDataLoss naming the line that is no such text.
Result<std::string> MessageOfText(std::string_view text);

}  // namespace fodc::pprof
