// SPDX-License-Identifier: Apache-2.0
// Every bit flipped, every byte cut, every stretch zeroed.
#include <sys/stat.h>
#include <unistd.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
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

// A log of two segments with three records each, made once; every test puts
// variants of it into a directory of its own.
class DamageTest : public ::testing::Test {
 protected:
  DamageTest() {
    TempDirectory made;
    Options options;
    options.segment_bytes = 29 + 3 * 29 + 42;
    auto log = Log::Open(made.path(), options, clock_);
    EXPECT_THAT((*log)->Read(nullptr), IsOk());
    for (const std::string& p : payloads_) {
      EXPECT_THAT((*log)->Append(3, p), IsOk());
    }
    EXPECT_EQ((*log)->segments().size(), 2u);
    first_ = *ReadFile((*log)->segments()[0].path);
    last_ = *ReadFile((*log)->segments()[1].path);
    std::size_t at = kSegmentHeaderBytes;
    for (std::size_t i = 3; i < 6; ++i) {
      at += kRecordOverheadBytes + payloads_[i].size();
      record_ends_.push_back(at);
    }
    EXPECT_EQ(at, last_.size());
  }

  std::string FirstPath() const { return dir_.File(SegmentName(1)); }
  std::string LastPath() const { return dir_.File(SegmentName(4)); }

  static void WritePlain(const std::string& path, std::string_view bytes) {
    FILE* f = ::fopen(path.c_str(), "we");
    ASSERT_NE(f, nullptr);
    ASSERT_EQ(::fwrite(bytes.data(), 1, bytes.size(), f), bytes.size());
    ASSERT_EQ(::fclose(f), 0);
  }
  // Makes the directory hold exactly this log.
  void Put(std::string_view first, std::string_view last) {
    for (const std::string& name : ListDirectory(dir_.path()).value_or({})) {
      ASSERT_EQ(::unlink(dir_.File(name).c_str()), 0);
    }
    WritePlain(FirstPath(), first);
    WritePlain(LastPath(), last);
  }

  // Opens and reads in the given mode.
  Result<ReadSummary> Read(Mode mode = Mode::kTail) {
    Options options;
    options.mode = mode;
    options.on_repair = [this](const RepairEvent& e) { events_.push_back(e); };
    auto log = Log::Open(dir_.path(), options, clock_);
    if (!log.ok()) return log.status();
    log_ = *std::move(log);
    read_.clear();
    return log_->Read([this](const Record& r) {
      read_.emplace_back(r.payload);
      return OkStatus();
    });
  }
  std::vector<std::string> Expected(std::size_t records) const {
    return {payloads_.begin(),
            payloads_.begin() + static_cast<std::ptrdiff_t>(records)};
  }
  std::vector<std::string> Copies(std::string_view what = ".torn-") {
    std::vector<std::string> copies;
    for (const std::string& name : ListDirectory(dir_.path()).value_or({})) {
      if (name.find(what) != std::string::npos) copies.push_back(name);
    }
    return copies;
  }
  // The log takes another record and still reads whole.
  void ExpectWritable(std::size_t records) {
    ASSERT_THAT(log_->Append(5, "appended later"), IsOk());
    log_.reset();
    const auto again = Read();
    ASSERT_THAT(again, IsOk());
    EXPECT_FALSE(again->repaired);
    auto expected = Expected(records);
    expected.emplace_back("appended later");
    EXPECT_EQ(read_, expected);
    log_.reset();
  }

  FakeClock clock_;
  TempDirectory dir_;
  // The second is all zeros, the last one ends in zeros: they must not be
  // taken for space that was never written.
  const std::vector<std::string> payloads_ = {
      "alpha", std::string(20, '\0'),          "gamma with a tail",
      "delta", std::string("\0\0five\0\0", 8), std::string("six\0\0", 5)};
  std::string first_;
  std::string last_;
  std::vector<std::size_t> record_ends_;  // in the last segment
  std::unique_ptr<Log> log_;
  std::vector<std::string> read_;
  std::vector<RepairEvent> events_;
};

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

// -- Reading around damage, for metrics.

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
