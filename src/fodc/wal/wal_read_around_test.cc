// SPDX-License-Identifier: Apache-2.0
// Reading around damage, for metrics.
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/wal/damaged_log_testing.h"
#include "fodc/wal/format.h"
#include "fodc/wal/repair.h"
#include "fodc/wal/wal.h"

namespace fodc::wal {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ReadAroundTest : public DamageTest {
 protected:
  Result<ReadSummary> ReadAround() {
    damage_.clear();
    read_.clear();
    auto log = Log::Open(dir_.path(), {}, clock_);
    if (!log.ok()) return log.status();
    log_ = *std::move(log);
    ReadOptions options;
    options.on_damage = [this](const Damage& d) { damage_.push_back(d); };
    return log_->Read(
        [this](const Record& r) {
          read_.emplace_back(r.payload);
          return OkStatus();
        },
        options);
  }
  std::vector<Damage> damage_;
};

TEST_F(ReadAroundTest, AFlippedBitCostsOneRecordAndIsNamed) {
  for (std::size_t byte = kSegmentHeaderBytes; byte < first_.size(); ++byte) {
    std::string bad = first_;
    bad[byte] ^= 0x10;
    Put(bad, last_);
    const auto summary = ReadAround();
    ASSERT_THAT(summary, IsOk()) << byte;
    if (summary->flipped_end_marks == 1) continue;
    ASSERT_THAT(damage_, SizeIs(1)) << byte;
    EXPECT_EQ(damage_[0].path, FirstPath());
    EXPECT_LE(damage_[0].offset, byte);
    EXPECT_GT(damage_[0].offset + damage_[0].length_bytes, byte);
    ASSERT_EQ(read_.size(), 5u) << byte;
    EXPECT_EQ(read_.back(), payloads_.back());
    EXPECT_TRUE(log_->segments()[0].is_damaged);
    EXPECT_FALSE(log_->segments()[1].is_damaged);
    log_.reset();
  }
}

TEST_F(ReadAroundTest, ADamagedSegmentHeaderHidesNoRecord) {
  for (std::size_t byte = 0; byte < kSegmentHeaderBytes - 1; ++byte) {
    std::string bad = last_;
    bad[byte] ^= 0x10;
    Put(first_, bad);
    ASSERT_THAT(ReadAround(), IsOk());
    ASSERT_THAT(damage_, SizeIs(1));
    EXPECT_EQ(damage_[0].offset, 0u);
    EXPECT_EQ(damage_[0].length_bytes, kSegmentHeaderBytes);
    EXPECT_EQ(read_, payloads_);
    log_.reset();
  }
}

TEST_F(ReadAroundTest, WritesOnBehindDamageInANewSegment) {
  std::string bad = last_;
  bad[record_ends_[1] + kRecordHeaderBytes] ^= 1;
  Put(first_, bad);
  ASSERT_THAT(ReadAround(), IsOk());
  EXPECT_EQ(read_, Expected(5));
  ASSERT_THAT(log_->Append(3, "new"), IsOk());
  EXPECT_THAT(log_->segments(), SizeIs(3));
  EXPECT_THAT(ReadFile(LastPath()), IsOkAndHolds(bad));
  log_.reset();
  ASSERT_THAT(ReadAround(), IsOk());
  EXPECT_EQ(read_.back(), "new");
  EXPECT_THAT(read_, SizeIs(6));
}

TEST_F(ReadAroundTest, SetsDamagedSegmentsAsideAndKeepsAFew) {
  for (int i = 0; i < 6; ++i) {
    Put(first_, "not a segment at all: neither magic nor checksum");
    // Put removes the old ones; bring back what was set aside before.
    for (int k = 0; k < i; ++k) {
      WritePlain(dir_.File(StrCat("0000000000000004.wal.damaged-2025010", k,
                                  "T000000.000000000Z")),
                 "x");
    }
    ASSERT_THAT(ReadAround(), IsOk());
    EXPECT_EQ(read_, Expected(3));
    EXPECT_THAT(log_->SetDamagedAside(), IsOkAndHolds(1u));
    EXPECT_THAT(log_->segments(), SizeIs(2));  // an empty one in its place
    EXPECT_EQ(log_->counters().segments_set_aside, 1u);
    EXPECT_THAT(Copies(".damaged-"),
                SizeIs(std::min<std::size_t>(static_cast<std::size_t>(i) + 1,
                                             kMaxDamagedSegments)));
    ASSERT_THAT(log_->Append(3, "new"), IsOk());
    log_.reset();
  }
  ASSERT_THAT(ReadAround(), IsOk());
  EXPECT_EQ(read_.back(), "new");
}

TEST_F(ReadAroundTest, WhatWasSetAsideIsNotMetAgain) {
  for (const std::size_t damaged : {0u, 1u, 2u}) {
    Put(first_, last_);
    ASSERT_THAT(Read(), IsOk());
    ASSERT_THAT(log_->Roll(), IsOk());
    ASSERT_THAT(log_->Append(3, "third segment"), IsOk());
    const std::string path = log_->segments()[damaged].path;
    log_.reset();
    std::string bad = *ReadFile(path);
    bad[kSegmentHeaderBytes + 4] ^= 1;
    WritePlain(path, bad);
    ASSERT_THAT(ReadAround(), IsOk());
    EXPECT_THAT(damage_, SizeIs(1));
    EXPECT_THAT(log_->SetDamagedAside(), IsOkAndHolds(1u));
    ASSERT_THAT(log_->Append(3, "behind it"), IsOk());
    for (int again = 0; again < 2; ++again) {
      log_.reset();
      ASSERT_THAT(ReadAround(), IsOk());
      EXPECT_THAT(damage_, IsEmpty()) << damaged;
      EXPECT_THAT(read_, SizeIs(damaged == 2 ? 7 : 5));
      EXPECT_EQ(read_.back(), "behind it");
      // Nor by who reads no way around.
      log_.reset();
      ASSERT_THAT(Read(), IsOk());
    }
    log_.reset();
  }
}

TEST_F(ReadAroundTest, NothingIsSetAsideWithoutASegmentInItsPlace) {
  std::string bad = last_;
  bad[kSegmentHeaderBytes + 4] ^= 1;
  Put(first_, bad);
  ASSERT_THAT(ReadAround(), IsOk());
  // The segment that would come in its place cannot be made.
  const std::string taken = LastPath() + ".new";
  ASSERT_THAT(MakeDirectories(taken), IsOk());
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(log_->SetDamagedAside().ok());
    EXPECT_THAT(Copies(".damaged-"), IsEmpty());
    EXPECT_THAT(ReadFile(LastPath()), IsOkAndHolds(bad));
  }
  ASSERT_EQ(::rmdir(taken.c_str()), 0);
  EXPECT_THAT(log_->SetDamagedAside(), IsOkAndHolds(1u));
  EXPECT_THAT(Copies(".damaged-"), SizeIs(1));
  EXPECT_THAT(ReadFile(dir_.File(Copies(".damaged-")[0])), IsOkAndHolds(bad));
}

TEST_F(ReadAroundTest, OldCopiesThatStayAreNoReasonToFail) {
  std::string bad = last_;
  bad[kSegmentHeaderBytes + 4] ^= 1;
  Put(first_, bad);
  std::vector<std::string> stay;
  for (std::size_t i = 0; i < kMaxDamagedSegments; ++i) {
    stay.push_back(dir_.File(
        StrCat(SegmentName(4), ".damaged-2000010", i, "T000000.000000000Z")));
    ASSERT_THAT(MakeDirectories(stay.back()), IsOk());
  }
  ASSERT_THAT(ReadAround(), IsOk());
  EXPECT_THAT(log_->SetDamagedAside(), IsOkAndHolds(1u));
  for (const std::string& path : stay) ASSERT_EQ(::rmdir(path.c_str()), 0);
}

TEST_F(ReadAroundTest, SetsTheSegmentAsideThatIsBeingWritten) {
  Put(first_, last_);
  ASSERT_THAT(ReadAround(), IsOk());
  ASSERT_THAT(log_->Append(3, "seven"), IsOk());
  std::string bad = *ReadFile(LastPath());
  bad[kSegmentHeaderBytes + 4] ^= 1;
  WritePlain(LastPath(), bad);
  ReadOptions options;
  options.on_damage = [this](const Damage& d) { damage_.push_back(d); };
  ASSERT_THAT(log_->Read(nullptr, options), IsOk());
  EXPECT_THAT(damage_, SizeIs(1));
  EXPECT_THAT(log_->SetDamagedAside(), IsOkAndHolds(1u));
  ASSERT_THAT(log_->Append(3, "eight"), IsOk());
  ASSERT_THAT(log_->Sync(), IsOk());
  log_.reset();
  ASSERT_THAT(ReadAround(), IsOk());
  EXPECT_THAT(damage_, IsEmpty());
  EXPECT_THAT(read_, SizeIs(4));
  EXPECT_EQ(read_.back(), "eight");
}

TEST_F(ReadAroundTest, ATornTailIsStillRepaired) {
  std::string bad = first_;
  bad[50] ^= 1;
  Put(bad, last_.substr(0, last_.size() - 3));
  const auto summary = ReadAround();
  ASSERT_THAT(summary, IsOk());
  EXPECT_TRUE(summary->repaired);
  EXPECT_EQ(summary->damaged_regions, 1u);
  EXPECT_THAT(damage_, SizeIs(1));
  EXPECT_THAT(read_, SizeIs(4));
  ASSERT_THAT(log_->Append(3, "new"), IsOk());
  EXPECT_THAT(log_->segments(), SizeIs(2));
}

TEST_F(ReadAroundTest, AMissingSegmentIsToldAndPassedOver) {
  Put(first_, last_);
  {
    auto log = Log::Open(dir_.path(), {}, clock_);
    ASSERT_THAT((*log)->Read(nullptr), IsOk());
    ASSERT_THAT((*log)->Roll(), IsOk());
    ASSERT_THAT((*log)->Append(3, "third segment"), IsOk());
  }
  ASSERT_EQ(::unlink(LastPath().c_str()), 0);
  ASSERT_THAT(ReadAround(), IsOk());
  ASSERT_THAT(damage_, SizeIs(1));
  EXPECT_EQ(damage_[0].length_bytes, 0u);
  EXPECT_THAT(damage_[0].reason, HasSubstr("missing"));
  EXPECT_EQ(read_.back(), "third segment");
  EXPECT_EQ(log_->next_sequence(), 8u);
}

}  // namespace
}  // namespace fodc::wal
