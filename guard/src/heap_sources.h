// SPDX-License-Identifier: Apache-2.0
// Where a heap profile of this process can come from.
#pragma once

#include "fodc/base/status.h"
#include "fodc/guard/profile.h"
#include "fodc/pprof/gzip.h"

namespace fodc::guard {

// As FindHeapSource of profile.h, which it is.
Result<HeapSource> ChooseHeapSource(HeapSource wanted);

// Errors: kFailedPrecondition as ChooseHeapSource; those of the sink.
Status WriteHeap(HeapSource wanted, const pprof::Sink& sink);

// What the process's allocator says of itself: jemalloc's statistics,
// gperftools', or malloc_info(3), which takes the lock of each arena while it
// walks its free lists: on a large heap, tenths of a second.
Status WriteAllocatorStatistics(const pprof::Sink& sink);

}  // namespace fodc::guard
