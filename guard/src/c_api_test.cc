// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "fodc/base/file.h"

extern "C" int fodc_guard_c_api_test(const char* directory);

namespace fodc::guard {
namespace {

TEST(CApiTest, AHostInC99UsesIt) {
  const TempDirectory dir;
  EXPECT_EQ(fodc_guard_c_api_test(dir.File("log").c_str()), 0);
}

}  // namespace
}  // namespace fodc::guard
