// SPDX-License-Identifier: Apache-2.0
#include "fodc/guardian/stop_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/file.h"
#include "fodc/base/kept_text.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::guardian {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kHead = "fodc-guardian-stops 1\n";
constexpr MonotonicTime kNow{1000s};

Stop At(std::chrono::nanoseconds at, pid_t pid = 42) {
  return {.who = {.pid = pid, .start_ticks = 7},
          .at = MonotonicTime(at),
          .age = 1500ms};
}

const StopRecord kRecord{
    .boot_id = "b-1", .target = "db a", .stops = {At(1s), At(2s), At(2s)}};

TEST(StopRecordTest, ReadsBackWhatItWrote) {
  EXPECT_THAT(DecodeStopRecord(EncodeStopRecord(kRecord)),
              IsOkAndHolds(kRecord));
  EXPECT_THAT(DecodeStopRecord(EncodeStopRecord({})),
              IsOkAndHolds(StopRecord()));
}

TEST(StopRecordTest, AnyOtherByteIsDamage) {
  const std::string good = EncodeStopRecord(kRecord);
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_EQ(DecodeStopRecord(bad).status().code(), Code::kDataLoss) << i;
    EXPECT_FALSE(DecodeStopRecord(good.substr(0, i)).ok()) << i;
  }
  for (const char* lines :
       {"", "b\n", "b\nt\n\n", "b\nt\n1 2 3\n", "b\nt\n1 2 3 4 5\n",
        "b\nt\n0 2 3 4\n", "b\nt\n-1 2 3 4\n", "b\nt\n2147483648 2 3 4\n",
        "b\nt\n1 2 9223372036854775808 4\n", "b\nt\n1 2 3 -4\n",
        "b\nt\n1 2 3 4\n1 2 2 4\n"}) {
    EXPECT_EQ(DecodeStopRecord(SealText(kHead, lines)).status().code(),
              Code::kDataLoss)
        << lines;
  }
  StopRecord long_one = kRecord;
  long_one.stops.assign(kMaxStops, At(1s));
  EXPECT_THAT(DecodeStopRecord(EncodeStopRecord(long_one)), IsOk());
  long_one.stops.push_back(At(1s));
  EXPECT_EQ(DecodeStopRecord(EncodeStopRecord(long_one)).status().code(),
            Code::kDataLoss);
}

TEST(StopRecordTest, KeepsTheWindowOfTheCrashLoopGuard) {
  std::vector<Stop> stops;
  AddStop(At(1s), &stops);
  AddStop(At(600s), &stops);
  EXPECT_THAT(stops, ElementsAre(At(1s), At(600s)));
  AddStop(At(601s), &stops);
  EXPECT_THAT(stops, ElementsAre(At(600s), At(601s)));
  for (int i = 0; i < 100; ++i) AddStop(At(602s, 100 + i), &stops);
  EXPECT_THAT(stops, SizeIs(kMaxStops));
  EXPECT_EQ(stops.back(), At(602s, 199));
}

class ReadStopsTest : public ::testing::Test {
 protected:
  Result<std::vector<Stop>> Read(std::string_view text,
                                 std::string_view boot_id = "b-1",
                                 std::string_view target = "db a",
                                 MonotonicTime now = kNow) {
    EXPECT_THAT(WriteFileAtomically(path_, text), IsOk());
    return ReadStops(path_, boot_id, target, now);
  }
  TempDirectory dir_;
  const std::string path_ = dir_.File("stops");
  const std::string text_ = EncodeStopRecord(kRecord);
};

TEST_F(ReadStopsTest, OfThisBootAndTargetAlone) {
  EXPECT_THAT(ReadStops(path_, "b-1", "db a", kNow), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Read(text_), IsOkAndHolds(kRecord.stops));
  EXPECT_THAT(Read(text_, "b-2"), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(Read(text_, "b-1", "db b"), IsOkAndHolds(IsEmpty()));
  StopRecord of_no_boot = kRecord;
  of_no_boot.boot_id.clear();
  EXPECT_THAT(Read(EncodeStopRecord(of_no_boot), ""), IsOkAndHolds(IsEmpty()));
}

TEST_F(ReadStopsTest, WhatCannotBeIsAnError) {
  EXPECT_EQ(Read("junk").status().code(), Code::kDataLoss);
  EXPECT_EQ(Read(text_, "b-1", "db a", MonotonicTime(1999ms)).status().code(),
            Code::kDataLoss);
  EXPECT_EQ(Read(std::string(10'000, 'x')).status().code(),
            Code::kResourceExhausted);
}

}  // namespace
}  // namespace fodc::guardian
