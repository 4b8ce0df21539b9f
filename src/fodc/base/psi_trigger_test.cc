// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/psi_trigger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace fodc {
namespace {

using ::testing::HasSubstr;

TEST(PsiTriggerTest, AWindowIsRoundedUpToTwoSecondsAndTheStallWithIt) {
  const PsiTriggerSpec half{.stall_us = 50'000, .window_us = 500'000};
  EXPECT_EQ(Unprivileged(half),
            (PsiTriggerSpec{.stall_us = 200'000, .window_us = 2'000'000}));
  const PsiTriggerSpec three{
      .full = true, .stall_us = 300'000, .window_us = 3'000'000};
  EXPECT_EQ(Unprivileged(three),
            (PsiTriggerSpec{
                .full = true, .stall_us = 400'000, .window_us = 4'000'000}));
  EXPECT_EQ(Unprivileged(PsiTriggerSpec()), PsiTriggerSpec());
}

TEST(PsiTriggerTest, WritesWhatTheKernelReads) {
  const TempDirectory tree;
  ASSERT_THAT(WriteFileAtomically(tree.File("memory.pressure"), ""), IsOk());
  const auto t = OpenPsiTrigger(tree.File("memory.pressure"), {});
  ASSERT_THAT(t, IsOk());
  EXPECT_EQ(ReadFile(tree.File("memory.pressure")).value(),
            std::string("some 150000 2000000\0", 20));
}

TEST(PsiTriggerTest, AFileThatIsNotThereIsAnError) {
  EXPECT_THAT(OpenPsiTrigger("/nowhere/memory.pressure", {}),
              StatusIs(Code::kNotFound, HasSubstr("/nowhere")));
}

// Which window is in force depends on CAP_SYS_RESOURCE; that one is does not.
TEST(PsiTriggerTest, ThisKernelTakesAnyWindowInTheEnd) {
  if (::access("/proc/pressure/memory", W_OK) != 0) {
    std::printf("SKIPPED: no /proc/pressure/memory to write to\n");
    GTEST_SKIP();
  }
  const auto t = OpenPsiTrigger("/proc/pressure/memory",
                                {.stall_us = 50'000, .window_us = 500'000});
  ASSERT_THAT(t, IsOk());
  EXPECT_EQ(t->spec.window_us % 500'000, 0);
}

}  // namespace
}  // namespace fodc
