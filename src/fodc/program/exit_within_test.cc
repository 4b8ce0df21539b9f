// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/exit_within.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

namespace fodc::program {
namespace {

using std::chrono::milliseconds;

TEST(ExitWithinDeathTest, EndsAProcessThatWouldWait) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        ExitWithin(milliseconds(50), 7);
        for (;;) ::pause();
      },
      testing::ExitedWithCode(7), "what hangs at the end is left");
}

}  // namespace
}  // namespace fodc::program
