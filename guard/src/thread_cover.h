// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"

namespace fodc::guard {

// Gives each other thread that has none an alternate stack, asking by `signal`
// (thread_asker.h). One caller at a time.
// Errors: kResourceExhausted; as opendir of /proc/self/task.
Status CoverOtherThreads(int signal, std::chrono::milliseconds limit,
                         const Clock& clock);

}  // namespace fodc::guard
