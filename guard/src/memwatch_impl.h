// SPDX-License-Identifier: Apache-2.0
// A watchdog on sources and waits that are given: for tests.
#pragma once

#include <memory>

#include "fodc/guard/memwatch.h"
#include "memory_sampler.h"
#include "watch_waiter.h"

namespace fodc::guard {

// As Memwatch::Create; what is null is the real thing.
Result<std::unique_ptr<Memwatch>> MakeMemwatch(
    MemwatchOptions options, std::unique_ptr<MemorySampler> sampler,
    std::unique_ptr<WatchWaiter> waiter);

}  // namespace fodc::guard
