// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/exit_within.h"

#include <unistd.h>

#include <system_error>
#include <thread>

#include "fodc/base/log.h"

namespace fodc::program {

void ExitWithin(std::chrono::nanoseconds limit, int exit_code) {
  try {
    std::thread([limit, exit_code] {
      std::this_thread::sleep_for(limit);
      LogWarn("what hangs at the end is left");
      ::_exit(exit_code);
    }).detach();
  } catch (const std::system_error&) {
    // Then it waits for them.
  }
}

}  // namespace fodc::program
