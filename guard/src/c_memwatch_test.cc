// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>

#include "fodc/base/file.h"

extern "C" int fodc_guard_c_memwatch_test(const char* directory);

namespace fodc::guard {
namespace {

TEST(CMemwatchTest, AHostInC99UsesIt) {
  const TempDirectory dir;
  (void)::setenv("T3_MEMORY_SHUTDOWN_THRESHOLD_MB", "7", 1);
  (void)::setenv("T3_MEMORY_SHUTDOWN_POLL_INTERVAL", "250ms", 1);
  EXPECT_EQ(fodc_guard_c_memwatch_test(dir.File("life").c_str()), 0);
  (void)::unsetenv("T3_MEMORY_SHUTDOWN_THRESHOLD_MB");
  (void)::unsetenv("T3_MEMORY_SHUTDOWN_POLL_INTERVAL");
}

}  // namespace
}  // namespace fodc::guard
