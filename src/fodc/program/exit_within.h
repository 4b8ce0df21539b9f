// SPDX-License-Identifier: Apache-2.0
// The end of a program that may have threads in a disk that hangs.
#pragma once

#include <chrono>

namespace fodc::program {

// Ends the process with `exit_code` when `limit` is over, unless it has ended
// by then: destructors that wait for such threads are not waited for. For the
// end of main, when all that is to be told and kept is. A thread that the
// kernel does not let go keeps the process in its table all the same.
void ExitWithin(std::chrono::nanoseconds limit, int exit_code);

}  // namespace fodc::program
