// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "environment_testing.h"
#include "fodc/base/file.h"

extern "C" int fodc_guard_c_memwatch_test(const char* directory);

namespace fodc::guard {
namespace {

TEST(CMemwatchTest, AHostInC99UsesIt) {
  const TempDirectory dir;
  const ScopedVariable threshold("T3_MEMORY_SHUTDOWN_THRESHOLD_MB", "7");
  const ScopedVariable interval("T3_MEMORY_SHUTDOWN_POLL_INTERVAL", "250ms");
  EXPECT_EQ(fodc_guard_c_memwatch_test(dir.File("life").c_str()), 0);
}

}  // namespace
}  // namespace fodc::guard
