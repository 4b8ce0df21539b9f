// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/wal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace fodc::guard {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class GuardWalTest : public ::testing::Test {
 protected:
  GuardWalTest() {
    options_.directory = dir_.File("log");
    options_.metrics = metrics_.get();
    options_.clock = &clock_;
    options_.on_event = [this](const Event& e) {
      messages_.emplace_back(e.message);
      fields_.clear();
      for (const EventField& f : e.fields) {
        fields_[std::string(f.key)] = std::string(f.value);
      }
    };
  }
  void Open() {
    log_.reset();
    auto made = Wal::Create(options_);
    ASSERT_THAT(made, IsOk());
    log_ = *std::move(made);
    read_.clear();
  }
  Result<wal::ReadSummary> Read(std::string_view phase = "read all") {
    return log_->Read(
        [this](const wal::Record& r) {
          read_.emplace_back(r.payload);
          return OkStatus();
        },
        {phase, 0, nullptr});
  }
  // Three records, of which the last one is torn.
  void MakeTorn() {
    ASSERT_NO_FATAL_FAILURE(Open());
    ASSERT_THAT(Read(), IsOk());
    for (const char* p : {"one", "two", "three"}) {
      ASSERT_THAT(log_->Append(1, p), IsOk());
    }
    ASSERT_THAT(log_->Sync(), IsOk());
    const auto size = static_cast<off_t>(log_->size_bytes());
    log_.reset();
    ASSERT_EQ(::truncate(Segment().c_str(), size - 5), 0);
  }
  std::string Segment() const {
    return options_.directory + "/0000000000000001.wal";
  }
  std::string Page() {
    std::string page;
    EXPECT_THAT(metrics_->AppendTextPage(&page), IsOk());
    return page;
  }

  FakeClock clock_;
  TempDirectory dir_;
  std::unique_ptr<Metrics> metrics_ = std::move(Metrics::Create()).value();
  WalOptions options_;
  std::vector<std::string> messages_;
  std::map<std::string, std::string> fields_;
  std::unique_ptr<Wal> log_;
  std::vector<std::string> read_;
};

TEST_F(GuardWalTest, ACleanEndSaysNothing) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_THAT(Read(), IsOk());
  EXPECT_EQ(log_->last_sequence(), 0u);
  ASSERT_THAT(log_->Append(1, "one"), IsOk());
  ASSERT_THAT(log_->Sync(), IsOk());
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_THAT(Read(), IsOk());
  EXPECT_THAT(messages_, IsEmpty());
  EXPECT_THAT(Page(), HasSubstr("tail_repairs_total{result=\"repaired\"} 0\n"));
  EXPECT_EQ(log_->last_sequence(), 1u);
}

TEST_F(GuardWalTest, ATornTailIsRepairedToldAndCounted) {
  ASSERT_NO_FATAL_FAILURE(MakeTorn());
  ASSERT_NO_FATAL_FAILURE(Open());
  const auto summary = Read("snapshot scan");
  ASSERT_THAT(summary, IsOk());
  EXPECT_TRUE(summary->repaired);
  EXPECT_THAT(read_, ElementsAre("one", "two"));
  EXPECT_THAT(messages_, ElementsAre("WAL tail truncated, repairing"));
  EXPECT_EQ(fields_["phase"], "snapshot scan");
  EXPECT_EQ(fields_["dir"], options_.directory);
  EXPECT_THAT(fields_["error"], HasSubstr("torn at offset"));
  EXPECT_EQ(fields_["segment"], Segment());
  EXPECT_EQ(fields_["kept_bytes"], "93");
  EXPECT_EQ(fields_["dropped_bytes"], "29");
  EXPECT_THAT(fields_["copy"], StartsWith(Segment() + ".torn-2026"));
  EXPECT_EQ(fields_["last_index"], "2");
  const std::string page = Page();
  EXPECT_THAT(page, HasSubstr("tail_repairs_total{result=\"repaired\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("wal_tail_dropped_bytes_total 29\n"));
  // Where a replica goes on from.
  EXPECT_EQ(log_->last_sequence(), 2u);
  ASSERT_THAT(log_->Append(1, "three again"), IsOk());
  EXPECT_EQ(log_->last_sequence(), 3u);
  // Repaired is repaired.
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_THAT(Read(), IsOk());
  EXPECT_THAT(read_, ElementsAre("one", "two", "three again"));
  EXPECT_THAT(messages_, SizeIs(1));
}

TEST_F(GuardWalTest, WhatTheHostThrowsAtARepairDoesNotEndIt) {
  ASSERT_NO_FATAL_FAILURE(MakeTorn());
  options_.on_event = [](const Event&) { throw 1; };
  options_.log.on_repair = [](const wal::RepairEvent&) { throw 2; };
  ASSERT_NO_FATAL_FAILURE(Open());
  const auto summary = Read();
  ASSERT_THAT(summary, IsOk());
  EXPECT_TRUE(summary->repaired);
  EXPECT_THAT(read_, ElementsAre("one", "two"));
}

TEST_F(GuardWalTest, OneRepairPerStart) {
  ASSERT_NO_FATAL_FAILURE(MakeTorn());
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_THAT(Read("snapshot scan"), IsOk());
  ASSERT_EQ(::truncate(Segment().c_str(), 80), 0);
  EXPECT_THAT(
      Read("read all"),
      StatusIs(Code::kDataLoss, HasSubstr("WAL unrepairable after repair")));
  EXPECT_THAT(messages_, SizeIs(1));
  EXPECT_THAT(
      Page(),
      HasSubstr(
          "tail_repairs_total{result=\"unrepairable_after_repair\"} 1\n"));
}

TEST_F(GuardWalTest, WithoutACopyNothingIsCut) {
  ASSERT_NO_FATAL_FAILURE(MakeTorn());
  options_.log.on_repair = [](const wal::RepairEvent& e) {
    EXPECT_THAT(WriteFileAtomically(e.copy, "taken"), IsOk());
  };
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_THAT(Read(),
              StatusIs(Code::kDataLoss, HasSubstr("WAL unrepairable: ")));
  EXPECT_THAT(Page(),
              HasSubstr("tail_repairs_total{result=\"unrepairable\"} 1\n"));
  EXPECT_THAT(Page(), HasSubstr("wal_tail_dropped_bytes_total 0\n"));
}

TEST_F(GuardWalTest, CorruptionSurfacesAndTouchesNothing) {
  ASSERT_NO_FATAL_FAILURE(MakeTorn());
  std::string bytes = *ReadFile(Segment());
  bytes[40] ^= 1;
  ASSERT_THAT(WriteFileAtomically(Segment(), bytes), IsOk());
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_THAT(Read(),
              StatusIs(Code::kDataLoss, AllOf(HasSubstr("corrupt at offset 29"),
                                              HasSubstr(Segment()))));
  EXPECT_THAT(messages_, IsEmpty());
  EXPECT_THAT(ReadFile(Segment()), IsOkAndHolds(bytes));
}

TEST_F(GuardWalTest, AFlippedEndMarkIsToldAndCounted) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_THAT(Read(), IsOk());
  ASSERT_THAT(log_->Append(1, "one"), IsOk());
  log_.reset();
  std::string bytes = *ReadFile(Segment());
  bytes.back() ^= 2;
  ASSERT_THAT(WriteFileAtomically(Segment(), bytes), IsOk());
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_THAT(Read(), IsOk());
  EXPECT_THAT(read_, ElementsAre("one"));
  EXPECT_THAT(messages_,
              ElementsAre("WAL records taken with a changed last byte"));
  EXPECT_THAT(Page(), HasSubstr("wal_flipped_end_marks_total 1\n"));
}

TEST_F(GuardWalTest, BadInputIsAClearError) {
  WalOptions none = options_;
  none.directory.clear();
  EXPECT_THAT(Wal::Create(none),
              StatusIs(Code::kInvalidArgument, HasSubstr("no directory")));
  options_.log.must_exist = true;
  EXPECT_THAT(Wal::Create(options_),
              StatusIs(Code::kNotFound, HasSubstr("holds no segment")));
  options_.log.must_exist = false;
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_THAT(Wal::Create(options_),
              StatusIs(Code::kUnavailable, HasSubstr("in use")));
  EXPECT_THAT(log_->Append(1, "before the read"),
              StatusIs(Code::kFailedPrecondition, HasSubstr("read first")));
}

TEST_F(GuardWalTest, WhatTheHostThrowsIsAStatus) {
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_THAT(Read(), IsOk());
  ASSERT_THAT(log_->Append(1, "one"), IsOk());
  ASSERT_NO_FATAL_FAILURE(Open());
  EXPECT_THAT(log_->Read([](const wal::Record&) -> Status { throw 7; }),
              StatusIs(Code::kInternal, ::testing::_));
  EXPECT_THAT(Read(), IsOk());
}

TEST_F(GuardWalTest, DropsWhatIsNoLongerNeeded) {
  options_.metrics = nullptr;
  options_.log.segment_bytes = 64;
  ASSERT_NO_FATAL_FAILURE(Open());
  ASSERT_THAT(Read(), IsOk());
  const std::vector<wal::NewRecord> batch(4, {1, "a record"});
  ASSERT_THAT(log_->Append(batch), IsOk());
  EXPECT_THAT(log_->DropBefore(3), IsOkAndHolds(2u));
  ASSERT_THAT(log_->Roll(), IsOk());
  EXPECT_EQ(log_->next_sequence(), 5u);
  EXPECT_EQ(log_->counters().appended_records, 4u);
}

}  // namespace
}  // namespace fodc::guard
