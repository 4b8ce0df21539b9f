// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/clock.h"

#include "fodc/base/status_matchers.h"

namespace fodc {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

TEST(Rfc3339Test, FormatsTheAskedDigits) {
  const UnixTime t = FromUnixMillis(1795246273857);
  EXPECT_EQ(FormatRfc3339(t, 0), "2026-11-21T07:31:13Z");
  EXPECT_EQ(FormatRfc3339(t, 3), "2026-11-21T07:31:13.857Z");
  EXPECT_EQ(FormatRfc3339(t, 9), "2026-11-21T07:31:13.857000000Z");
  EXPECT_EQ(FormatRfc3339(FromUnixMillis(-1), 3), "1969-12-31T23:59:59.999Z");
}

TEST(Rfc3339Test, ReadsFractionsAndOffsets) {
  EXPECT_THAT(ParseRfc3339("2026-11-21T07:31:13.857Z"),
              IsOkAndHolds(FromUnixMillis(1795246273857)));
  EXPECT_THAT(ParseRfc3339("2026-11-21t09:31:13.857000+02:00"),
              IsOkAndHolds(FromUnixMillis(1795246273857)));
  EXPECT_THAT(ParseRfc3339("2026-11-21T07:31:13.0000000019Z"),
              IsOkAndHolds(FromUnixMillis(1795246273000) + 1ns));
}

TEST(Rfc3339Test, NamesTheBadText) {
  for (const char* bad : {"", "now", "2026-11-21", "2026-02-30T00:00:00Z",
                          "2026-11-21T24:00:00Z", "2026-11-21T07:31:13",
                          "2026-11-21T07:31:13 02:00", "2026-11-21T07:31:13.Z",
                          "9999-01-01T00:00:00Z", "2026-11-21T07:31:13Zx"}) {
    EXPECT_THAT(ParseRfc3339(bad),
                StatusIs(Code::kInvalidArgument, HasSubstr(bad)));
  }
}

TEST(FakeClockTest, StepMovesOnlyTheWallClock) {
  FakeClock clock;
  const MonotonicTime m = clock.Monotonic();
  const UnixTime u = clock.Unix();
  clock.StepUnix(-1h);
  EXPECT_EQ(clock.Monotonic(), m);
  EXPECT_EQ(clock.Unix(), u - 1h);
  clock.Advance(2s);
  EXPECT_EQ(clock.Monotonic(), m + 2s);
}

}  // namespace
}  // namespace fodc
