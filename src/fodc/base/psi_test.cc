// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/psi.h"

#include "fodc/base/file.h"
#include "fodc/base/kept_file.h"
#include "fodc/base/status_matchers.h"

namespace fodc {
namespace {

using ::testing::HasSubstr;

TEST(ParsePressureTest, ReadsBothLines) {
  const auto p = ParsePressure(
      "some avg10=1.53 avg60=12.00 avg300=0.07 total=4711\n"
      "full avg10=0.00 avg60=0.00 avg300=100.00 total=18446744073709551615\n");
  ASSERT_THAT(p, IsOk());
  ASSERT_TRUE(p->some && p->full);
  EXPECT_EQ(p->some->avg10_percent, 1.53);
  EXPECT_EQ(p->some->avg60_percent, 12);
  EXPECT_EQ(p->some->avg300_percent, 0.07);
  EXPECT_EQ(p->some->total_us, 4711u);
  EXPECT_EQ(p->full->avg300_percent, 100);
  EXPECT_EQ(p->full->total_us, UINT64_MAX);
}

TEST(ParsePressureTest, CpuHadNoFullLineBeforeLinux513) {
  const auto p =
      ParsePressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=1");
  ASSERT_THAT(p, IsOk());
  EXPECT_TRUE(p->some);
  EXPECT_FALSE(p->full);
}

TEST(ParsePressureTest, NeverGuesses) {
  EXPECT_THAT(ParsePressure(""), StatusIs(Code::kDataLoss, HasSubstr("no ")));
  for (const char* bad : {"some avg10=0.00 avg60=0.00 total=1\n",
                          "some avg10=x avg60=0 avg300=0 total=1\n",
                          "some avg10=-1 avg60=0 avg300=0 total=1\n",
                          "full avg10=0 avg60=0 avg300=0 total=\n",
                          "some avg10=nan avg60=0 avg300=0 total=1\n"}) {
    EXPECT_THAT(ParsePressure(bad),
                StatusIs(Code::kDataLoss, HasSubstr("not understood")))
        << bad;
  }
}

TEST(ParsePressureTest, ReadsThisMachine) {
  KeptFile file("/proc/pressure/memory");
  std::string buffer;
  const auto text = file.Read(&buffer);
  if (!text.ok())
    GTEST_SKIP() << "SKIPPED: no PSI: " << text.status().message();
  const auto p = ParsePressure(*text);
  ASSERT_THAT(p, IsOk());
  EXPECT_TRUE(p->some && p->full);
  EXPECT_LE(p->full->total_us, p->some->total_us);
  // The same descriptor again.
  EXPECT_THAT(ParsePressure(*file.Read(&buffer)), IsOk());
}

TEST(KeptFileTest, ReadsTheNewTextAndNamesWhatIsMissing) {
  TempDirectory dir;
  KeptFile file(dir.File("a"));
  std::string buffer;
  EXPECT_THAT(file.Read(&buffer),
              StatusIs(Code::kNotFound, HasSubstr(dir.File("a"))));
  ASSERT_THAT(WriteFileAtomically(dir.File("a"), std::string(10'000, 'x')),
              IsOk());
  EXPECT_THAT(file.Read(&buffer), IsOkAndHolds(std::string(10'000, 'x')));
  ASSERT_EQ(::truncate(dir.File("a").c_str(), 3), 0);
  EXPECT_THAT(file.Read(&buffer), IsOkAndHolds("xxx"));
}

}  // namespace
}  // namespace fodc
