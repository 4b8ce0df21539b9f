// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/status.h"

#include <cerrno>
#include <memory>
#include <string>

#include "fodc/base/status_matchers.h"

namespace fodc {
namespace {

using ::testing::Eq;
using ::testing::HasSubstr;

TEST(StatusTest, ContextIsPutInFront) {
  const Status s = NotFound("no such file").WithContext("/proc/1/x");
  EXPECT_THAT(s, StatusIs(Code::kNotFound, Eq("/proc/1/x: no such file")));
  EXPECT_EQ(s.ToString(), "NOT_FOUND: /proc/1/x: no such file");
}

TEST(StatusTest, ContextLeavesSuccessAlone) {
  EXPECT_EQ(OkStatus().WithContext("x"), OkStatus());
}

TEST(ErrnoStatusTest, TellsCodeAndText) {
  EXPECT_THAT(ErrnoStatus(ENOSPC, "write x"),
              StatusIs(Code::kResourceExhausted, HasSubstr("write x: No spa")));
  EXPECT_THAT(ErrnoStatus(ENOENT, "open x"),
              StatusIs(Code::kNotFound, HasSubstr("open x")));
}

Result<int> Half(int n) {
  if (n % 2 != 0) return InvalidArgument("odd");
  return n / 2;
}

Result<int> Quarter(int n) {
  FODC_ASSIGN_OR_RETURN(const int half, Half(n));
  return Half(half);
}

Status CheckEven(int n) {
  FODC_RETURN_IF_ERROR(Half(n).status());
  return OkStatus();
}

TEST(ResultTest, MacrosPropagateTheFirstFailure) {
  EXPECT_THAT(Quarter(8), IsOkAndHolds(2));
  EXPECT_THAT(Quarter(6), StatusIs(Code::kInvalidArgument, Eq("odd")));
  EXPECT_THAT(CheckEven(3), StatusIs(Code::kInvalidArgument, Eq("odd")));
  EXPECT_THAT(CheckEven(4), IsOk());
}

TEST(ResultTest, HoldsMoveOnlyValues) {
  Result<std::unique_ptr<int>> r = std::make_unique<int>(7);
  ASSERT_TRUE(r.ok());
  const std::unique_ptr<int> p = *std::move(r);
  EXPECT_EQ(*p, 7);
}

TEST(ResultDeathTest, ReadingAnAbsentValueAborts) {
  Result<int> r = NotFound("x");
  EXPECT_DEATH((void)*r, "status.h:[0-9]+: check failed: no value: NOT_FOUND");
}

}  // namespace
}  // namespace fodc
