// SPDX-License-Identifier: Apache-2.0
#include "modules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <cstdint>

namespace fodc::guard {
namespace {

using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::SizeIs;

void OfThisProgram() {}

TEST(ModuleTableTest, KnowsTheProgramItsLibrariesAndTheirBuildIds) {
  const ModuleTable table = ModuleTable::Read();
  ASSERT_NE(table.program(), nullptr);
  EXPECT_THAT(table.program()->path, HasSubstr("guard_test"));
  EXPECT_EQ(table.Find(reinterpret_cast<std::uintptr_t>(&OfThisProgram)),
            table.program());
  const Module* libc =
      table.Find(reinterpret_cast<std::uintptr_t>(&::pthread_exit));
  ASSERT_NE(libc, nullptr);
  EXPECT_EQ(table.Find(0), nullptr);
  EXPECT_THAT(table.modules(), SizeIs(Gt(2u)));
}

}  // namespace
}  // namespace fodc::guard
