// SPDX-License-Identifier: Apache-2.0
// Every bit flipped, every byte cut, every stretch zeroed.
#include <gmock/gmock.h>
#include <sys/resource.h>
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

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// The most that this process ever had in memory.
std::uint64_t PeakBytes() {
  rusage used{};
  EXPECT_EQ(::getrusage(RUSAGE_SELF, &used), 0);
  return static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
}

TEST_F(DamageTest, NoFlippedBitCostsARecord) {
  int accepted = 0;
  int refused = 0;
  for (const bool in_last : {false, true}) {
    const std::string& whole = in_last ? last_ : first_;
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      std::string bad = whole;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
      Put(in_last ? first_ : bad, in_last ? bad : last_);
      const auto summary = Read();
      log_.reset();
      if (summary.ok()) {
        ASSERT_EQ(read_, payloads_) << bit;
        ASSERT_EQ(summary->flipped_end_marks, 1u) << bit;
        ++accepted;
      } else {
        // The version itself is protected by the checksum, too.
        ASSERT_THAT(summary, StatusIs(Code::kDataLoss,
                                      AllOf(HasSubstr("corrupt at offset"),
                                            Not(HasSubstr("unrepairable")))))
            << bit;
        ++refused;
      }
      ASSERT_THAT(ReadFile(in_last ? LastPath() : FirstPath()),
                  IsOkAndHolds(bad));
      ASSERT_THAT(Copies(), IsEmpty());
    }
  }
  EXPECT_EQ(accepted, 8 * 8);  // the end marks of 2 headers and 6 records
  EXPECT_EQ(refused, static_cast<int>((first_.size() + last_.size() - 8) * 8));
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(DamageTest, ReservedSpaceBehindTheLastRecordMakesNoFlipATear) {
  for (std::size_t bit = 0; bit < last_.size() * 8; ++bit) {
    std::string bad = last_ + std::string(100, '\0');
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    Put(first_, bad);
    const auto summary = ReadOnly(dir_.path(), nullptr);
    if (summary.ok()) {
      ASSERT_EQ(summary->tail, Tail::kEnd) << bit;
      ASSERT_EQ(summary->records, payloads_.size()) << bit;
      ASSERT_EQ(summary->flipped_end_marks, 1u) << bit;
    } else {
      ASSERT_THAT(summary, StatusIs(Code::kDataLoss, HasSubstr("corrupt")))
          << bit;
    }
  }
}

TEST_F(DamageTest, NoFlippedBitInReservedSpaceCostsARecord) {
  const std::string padded = last_ + std::string(64, '\0');
  for (std::size_t bit = last_.size() * 8; bit < padded.size() * 8; ++bit) {
    std::string bad = padded;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    Put(first_, bad);
    const auto summary = Read();
    log_.reset();
    // Near the end it looks like a header that was begun: cut off, copied.
    // Further away it is data where none should be.
    ASSERT_EQ(summary.ok(), bit / 8 < last_.size() + kRecordHeaderBytes - 1);
    ASSERT_EQ(read_, payloads_);
  }
}

TEST_F(DamageTest, ACutAnywhereLosesOnlyTheRecordThatItHits) {
  for (const bool keeps_length : {false, true}) {
    for (std::size_t cut = 0; cut <= last_.size(); ++cut) {
      SCOPED_TRACE(StrCat("cut at ", cut, keeps_length ? " zeros" : ""));
      std::string bytes = last_.substr(0, cut);
      if (keeps_length) bytes.resize(last_.size() + 40);
      Put(first_, bytes);
      // Reference: what is left up to the last byte that is not zero.
      const std::size_t data_end = bytes.find_last_not_of('\0') + 1;
      std::size_t good_end = cut < kSegmentHeaderBytes ? 0 : 29;
      std::size_t records = 3;
      for (const std::size_t end : record_ends_) {
        if (end > cut) break;
        good_end = end;
        ++records;
      }
      // A file that ends inside a record is torn even if only zeros are left.
      const bool is_torn = keeps_length ? data_end > good_end : cut > good_end;
      const bool is_zeros = data_end <= good_end;
      events_.clear();
      const auto summary = Read();
      ASSERT_THAT(summary, IsOk());
      ASSERT_EQ(read_, Expected(records));
      ASSERT_EQ(summary->last_sequence, records);
      if (!is_torn || is_zeros) {
        ASSERT_FALSE(summary->repaired);
      } else {
        ASSERT_TRUE(summary->repaired);
        ASSERT_THAT(events_, SizeIs(1));
        EXPECT_EQ(events_[0].segment, LastPath());
        EXPECT_EQ(events_[0].kept_bytes, good_end);
        EXPECT_EQ(events_[0].dropped_bytes, data_end - good_end);
        EXPECT_EQ(events_[0].last_sequence, records);
        ASSERT_THAT(ReadFile(events_[0].copy),
                    IsOkAndHolds(bytes.substr(good_end, data_end - good_end)));
        ASSERT_THAT(ReadFile(LastPath()),
                    IsOkAndHolds(bytes.substr(0, good_end)));
        EXPECT_EQ(log_->counters().repaired, 1u);
        EXPECT_EQ(log_->counters().dropped_bytes, data_end - good_end);
      }
      ASSERT_NO_FATAL_FAILURE(ExpectWritable(records));
    }
  }
}

TEST_F(DamageTest, ACutInASegmentThatIsNotTheLastIsCorruption) {
  for (std::size_t cut = 0; cut < first_.size(); ++cut) {
    Put(first_.substr(0, cut), last_);
    ASSERT_THAT(Read(), StatusIs(Code::kDataLoss, HasSubstr("corrupt"))) << cut;
    log_.reset();
    ASSERT_THAT(ReadFile(FirstPath()), IsOkAndHolds(first_.substr(0, cut)));
  }
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(DamageTest, ZerosInsideACompleteRecordAreCorruption) {
  for (const std::size_t sector : {1u, 8u, 16u, 32u}) {
    for (std::size_t at = 0; at + sector < last_.size(); ++at) {
      std::string bad = last_;
      bad.replace(at, sector, sector, '\0');
      if (bad == last_) continue;
      Put(first_, bad);
      ASSERT_THAT(Read(), StatusIs(Code::kDataLoss, HasSubstr("corrupt")))
          << at;
      log_.reset();
      ASSERT_THAT(ReadFile(LastPath()), IsOkAndHolds(bad));
    }
  }
  EXPECT_THAT(events_, IsEmpty());
}

// A whole and true header that promises more than the file has. Were the length
// allocated before it is checked, so much memory would be touched.
TEST_F(DamageTest, ALengthBeyondTheFileTakesNoMemory) {
  const RecordHeader good = *DecodeRecordHeader(
      std::string_view(last_).substr(record_ends_[1], kRecordHeaderBytes));
  const auto header_with = [&good](std::size_t length) {
    RecordHeader h = good;
    h.length_bytes = static_cast<std::uint32_t>(length);
    const auto bytes = EncodeRecordHeader(&h);
    return std::string(bytes.data(), bytes.size());
  };
  const std::string before = last_.substr(0, record_ends_[1]);
  const std::uint64_t peak = PeakBytes();
  for (const std::size_t length : {kMaxPayloadBytes, std::size_t{1000}}) {
    Put(first_, before + header_with(length) + "payload");
    const auto summary = Read();
    ASSERT_THAT(summary, IsOk());
    EXPECT_TRUE(summary->repaired);
    EXPECT_EQ(read_, Expected(5));
    log_.reset();
  }
  // What no writer promises is not taken for a write that was cut short.
  for (const std::size_t length :
       {kMaxPayloadBytes + 1, std::size_t{UINT32_MAX}}) {
    const std::string bad = before + header_with(length) + "payload";
    Put(first_, bad);
    EXPECT_THAT(Read(), StatusIs(Code::kDataLoss, HasSubstr("out of range")));
    log_.reset();
    EXPECT_THAT(ReadFile(LastPath()), IsOkAndHolds(bad));
  }
  EXPECT_LT(PeakBytes() - peak, kMaxPayloadBytes / 4);
}

TEST_F(DamageTest, ALengthOfZeroWhereARecordIsIsCorruption) {
  RecordHeader h = *DecodeRecordHeader(
      std::string_view(last_).substr(record_ends_[0], kRecordHeaderBytes));
  h.length_bytes = 0;
  const auto true_header = EncodeRecordHeader(&h);
  std::string bad = last_;
  // Zeros in place of the length, and a header that is true to them.
  bad.replace(record_ends_[0], 4, 4, '\0');
  for (int round = 0; round < 2; ++round) {
    Put(first_, bad);
    EXPECT_THAT(Read(), StatusIs(Code::kDataLoss, HasSubstr("corrupt")));
    log_.reset();
    EXPECT_THAT(ReadFile(LastPath()), IsOkAndHolds(bad));
    bad.replace(record_ends_[0], true_header.size(), true_header.data(),
                true_header.size());
  }
  EXPECT_THAT(Copies(), IsEmpty());
}

TEST_F(DamageTest, StrictModeRepairsNothing) {
  const std::string torn = last_.substr(0, last_.size() - 5);
  Put(first_, torn);
  EXPECT_THAT(Read(Mode::kStrict),
              StatusIs(Code::kDataLoss,
                       AllOf(HasSubstr("torn at offset"), HasSubstr("strict"),
                             HasSubstr(LastPath()))));
  EXPECT_THAT(ReadFile(LastPath()), IsOkAndHolds(torn));
}

TEST_F(DamageTest, PointInTimeCutsTheLastSegmentAtItsFirstBadRecord) {
  std::string bad = last_;
  bad[record_ends_[0] + kRecordHeaderBytes + 1] ^= 1;
  Put(first_, bad);
  const auto summary = Read(Mode::kPointInTime);
  ASSERT_THAT(summary, IsOk());
  EXPECT_TRUE(summary->repaired);
  EXPECT_EQ(read_, Expected(4));
  EXPECT_THAT(ReadFile(events_[0].copy),
              IsOkAndHolds(bad.substr(record_ends_[0])));
  log_.reset();
  std::string bad_first = first_;
  bad_first[40] ^= 1;
  Put(bad_first, last_);
  EXPECT_THAT(Read(Mode::kPointInTime),
              StatusIs(Code::kDataLoss, HasSubstr("corrupt")));
  EXPECT_THAT(ReadFile(FirstPath()), IsOkAndHolds(bad_first));
}

TEST_F(DamageTest, OneRepairPerDirectoryAndStart) {
  Put(first_, last_.substr(0, last_.size() - 5));
  ASSERT_THAT(Read(), IsOk());
  // A second reader of the same start finds the tail torn again.
  ASSERT_EQ(
      ::truncate(LastPath().c_str(), static_cast<off_t>(record_ends_[1] - 5)),
      0);
  EXPECT_THAT(
      log_->Read(nullptr),
      StatusIs(Code::kDataLoss, HasSubstr("WAL unrepairable after repair")));
  EXPECT_EQ(log_->counters().repaired, 1u);
  EXPECT_EQ(log_->counters().unrepairable_after_repair, 1u);
  EXPECT_THAT(Copies(), SizeIs(1));
}

TEST_F(DamageTest, ALogThatIsBadAfterItsRepairIsGivenUp) {
  Put(first_, last_.substr(0, last_.size() - 5));
  Options options;
  // Somebody damages the first segment between the reads.
  options.on_repair = [this](const RepairEvent&) {
    std::string bad = first_;
    bad[45] ^= 1;
    WritePlain(FirstPath(), bad);
  };
  auto log = Log::Open(dir_.path(), options, clock_);
  ASSERT_THAT(log, IsOk());
  EXPECT_THAT((*log)->Read(nullptr),
              StatusIs(Code::kDataLoss,
                       AllOf(HasSubstr("WAL unrepairable after repair"),
                             HasSubstr(FirstPath()))));
  EXPECT_EQ((*log)->counters().unrepairable_after_repair, 1u);
  EXPECT_EQ((*log)->counters().repaired, 0u);
}

TEST_F(DamageTest, ALogThatChangesWhileItIsReadIsNotCut) {
  const std::string torn = last_.substr(0, last_.size() - 5);
  Put(first_, torn);
  // Somebody else completes the record meanwhile.
  Options options;
  options.on_repair = [this](const RepairEvent&) {
    WritePlain(LastPath(), last_);
  };
  auto log = Log::Open(dir_.path(), options, clock_);
  ASSERT_THAT(log, IsOk());
  EXPECT_THAT((*log)->Read(nullptr),
              StatusIs(Code::kDataLoss,
                       AllOf(HasSubstr("WAL unrepairable: "),
                             HasSubstr(LastPath()), HasSubstr("meanwhile"))));
  EXPECT_THAT(ReadFile(LastPath()), IsOkAndHolds(last_));
  EXPECT_THAT(Copies(), IsEmpty());
}

TEST_F(DamageTest, KeepsSixteenCopiesAndOverwritesNone) {
  for (int i = 0; i < 20; ++i) {
    const std::string torn = last_.substr(0, last_.size() - 5);
    WritePlain(FirstPath(), first_);
    WritePlain(LastPath(), torn);
    if (i % 2 == 0) clock_.Advance(std::chrono::seconds(1));
    const auto summary = Read();
    ASSERT_THAT(summary, IsOk());
    ASSERT_TRUE(summary->repaired);
    log_.reset();
    EXPECT_THAT(Copies(),
                SizeIs(std::min<std::size_t>(static_cast<std::size_t>(i) + 1,
                                             kMaxTornCopies)));
  }
  EXPECT_THAT(Copies().back(), HasSubstr("20260101T000010.000000000Z-2"));
  EXPECT_THAT(Copies().front(), HasSubstr("20260101T000003.000000000Z"));
}

TEST_F(DamageTest, WithoutACopyNothingIsCut) {
  const std::string torn = last_.substr(0, last_.size() - 5);
  Put(first_, torn);
  Options options;
  // The name of the copy is taken by the time it is written.
  options.on_repair = [](const RepairEvent& e) { WritePlain(e.copy, "old"); };
  auto log = Log::Open(dir_.path(), options, clock_);
  ASSERT_THAT(log, IsOk());
  EXPECT_THAT((*log)->Read(nullptr),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("WAL unrepairable: "),
                                              HasSubstr("torn at offset"))));
  EXPECT_EQ((*log)->counters().unrepairable, 1u);
  EXPECT_THAT(ReadFile(LastPath()), IsOkAndHolds(torn));
  EXPECT_THAT(Copies(), SizeIs(1));
  EXPECT_THAT(ReadFile(dir_.File(Copies()[0])), IsOkAndHolds("old"));
}

}  // namespace
}  // namespace fodc::wal
