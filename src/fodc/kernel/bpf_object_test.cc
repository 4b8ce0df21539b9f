// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/bpf_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace fodc::kernel {
namespace {

TEST(LoadStatusTest, TellsPermissionMemoryAndTheVerifierApart) {
  EXPECT_EQ(LoadStatus(EPERM, "").code(), Code::kPermissionDenied);
  EXPECT_EQ(LoadStatus(EPERM, "words").code(), Code::kPermissionDenied);
  EXPECT_EQ(LoadStatus(EACCES, "").code(), Code::kPermissionDenied);
  EXPECT_EQ(LoadStatus(EACCES, "R1 invalid mem access").code(),
            Code::kFailedPrecondition);
  EXPECT_EQ(LoadStatus(ENOMEM, "").code(), Code::kResourceExhausted);
  EXPECT_EQ(LoadStatus(EINVAL, "").code(), Code::kFailedPrecondition);
}

TEST(LoadStatusTest, AProgramThatIsTooComplexIsNoLackOfMemory) {
  const Status status = LoadStatus(E2BIG, "BPF program is too large");
  EXPECT_EQ(status.code(), Code::kFailedPrecondition);
  EXPECT_THAT(status.message(), ::testing::HasSubstr("too large"));
}

}  // namespace
}  // namespace fodc::kernel
