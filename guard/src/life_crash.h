// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace fodc::guard {

// Ends the life of this process, if there is one and nothing else has, by
// ExitCause::kCrash. Async-signal-safe.
void EndLifeByCrash() noexcept;

}  // namespace fodc::guard
