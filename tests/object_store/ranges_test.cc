// SPDX-License-Identifier: Apache-2.0
// Large objects fetched in ranges.
#include <fcntl.h>

#include "fodc/base/unique_fd.h"
#include "fodc/object_store/ranged_get.h"
#include "tests/object_store/server_fixture.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::HasSubstr;

class RangesTest : public ServerTest {
 protected:
  static constexpr std::uint64_t kRangeBytes = 500'000;

  void SetUp() override {
    ServerTest::SetUp();
    ASSERT_THAT(Put("large", Bytes(kLargeBytes)), IsOk());
    Forget();
  }
  Result<ObjectInfo> Fetch(std::uint64_t bytes = kLargeBytes) {
    const UniqueFd fd(::open(dir_.File("f").c_str(),
                             O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    return GetInRanges(*store_, "large", bytes, fd.get(),
                       {.range_bytes = kRangeBytes, .concurrency = 3});
  }
  bool IsThere() const {
    return *ReadFile(dir_.File("f")) == Bytes(kLargeBytes);
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, RangesTest,
                         ::testing::Values(Kind::kS3, Kind::kGcs, Kind::kAzure),
                         KindName);

TEST_P(RangesTest, GiveTheObject) {
  const auto info = Fetch();
  ASSERT_THAT(info, IsOk());
  EXPECT_TRUE(IsThere());
  EXPECT_EQ(info->bytes, kLargeBytes);
  EXPECT_EQ(info->sha256,
            DigestsOf(MemoryBlob(Bytes(kLargeBytes)), {})->sha256);
  EXPECT_EQ(Count("get"), (kLargeBytes + kRangeBytes - 1) / kRangeBytes);
}

// Each where it broke off.
TEST_P(RangesTest, ThatAreCutGoOn) {
  for (const char* fault :
       {R"("action":"short_body","every":2,"count":3)",
        R"("action":"reset_before","every":3,"count":2)",
        R"("action":"status","status":503,"every":2,"count":3)"}) {
    SCOPED_TRACE(fault);
    Fail(StrCat(R"([{"operation":"get",)", fault, "}]"));
    EXPECT_THAT(Fetch(), IsOk());
    EXPECT_TRUE(IsThere());
  }
}

TEST_P(RangesTest, OneThatIsRefusedEndsAll) {
  Fail(R"([{"operation":"get","action":"status","status":403,"first":2}])");
  EXPECT_THAT(Fetch(), StatusIs(Code::kPermissionDenied, HasSubstr("large")));
  EXPECT_LE(Count("get"), 6u);
}

TEST_P(RangesTest, OfAnotherSizeAreNotTaken) {
  EXPECT_THAT(Fetch(kLargeBytes - 1), StatusIs(Code::kDataLoss, _));
  EXPECT_THAT(Fetch(kLargeBytes + 1), StatusIs(Code::kDataLoss, _));
  EXPECT_THAT(Fetch(1000), StatusIs(Code::kDataLoss, _));
}

}  // namespace
}  // namespace fodc::object_store
