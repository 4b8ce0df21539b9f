// SPDX-License-Identifier: Apache-2.0
#include "fodc/wal/wal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"
#include "fodc/wal/format.h"

namespace fodc::wal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LogTest : public ::testing::Test {
 protected:
  std::unique_ptr<Log> Open() {
    Result<std::unique_ptr<Log>> log = Log::Open(dir_.path(), options_, clock_);
    EXPECT_THAT(log, IsOk());
    return log.ok() ? *std::move(log) : nullptr;
  }
  // Opens and reads; the payloads end up in read_.
  std::unique_ptr<Log> OpenAndRead(const ReadOptions& read_options = {}) {
    std::unique_ptr<Log> log = Open();
    const auto summary = log->Read(Sink(), read_options);
    EXPECT_THAT(summary, IsOk());
    if (summary.ok()) summary_ = *summary;
    return log;
  }
  RecordSink Sink() {
    read_.clear();
    return [this](const Record& r) {
      read_.push_back(StrCat(r.sequence, ":", r.kind, ":", r.payload));
      return OkStatus();
    };
  }
  std::vector<std::string> SegmentNames() {
    std::vector<std::string> names;
    const auto all = ListDirectory(dir_.path());
    for (const std::string& name : *all) {
      if (ParseSegmentName(name)) names.push_back(name);
    }
    return names;
  }

  TempDirectory dir_;
  FakeClock clock_;
  Options options_;
  std::vector<std::string> read_;
  ReadSummary summary_;
};

TEST_F(LogTest, GivesBackWhatWasAppendedInOrder) {
  {
    const auto log = OpenAndRead();
    EXPECT_THAT(read_, IsEmpty());
    EXPECT_EQ(log->next_sequence(), 1u);
    ASSERT_THAT(log->Append(7, "one"), IsOk());
    const std::string large(5000, 'x');
    const NewRecord batch[] = {{8, ""}, {9, large}, {65535, "four"}};
    ASSERT_THAT(log->Append(batch), IsOk());
    EXPECT_EQ(log->next_sequence(), 5u);
    ASSERT_THAT(log->Sync(), IsOk());
    EXPECT_EQ(log->counters().appended_records, 4u);
    EXPECT_EQ(log->counters().appended_bytes, 4 * 29 + 3 + 5000 + 4u);
    struct stat st {};
    ASSERT_EQ(::stat(log->segments()[0].path.c_str(), &st), 0);
    EXPECT_EQ(log->size_bytes(), static_cast<std::uint64_t>(st.st_size));
  }
  const auto log = OpenAndRead();
  EXPECT_THAT(read_,
              ElementsAre("1:7:one", "2:8:", "3:9:" + std::string(5000, 'x'),
                          "4:65535:four"));
  EXPECT_EQ(summary_.last_sequence, 4u);
  EXPECT_EQ(summary_.records, 4u);
  EXPECT_FALSE(summary_.repaired);
  EXPECT_EQ(log->next_sequence(), 5u);
  ASSERT_THAT(log->Append(1, "five"), IsOk());
  EXPECT_THAT(log->Read(Sink()), IsOk());
  EXPECT_EQ(read_.back(), "5:1:five");
  EXPECT_THAT(SegmentNames(), SizeIs(1));
}

TEST_F(LogTest, WritesABatchOfThousandsOfPieces) {
  std::vector<std::string> payloads;
  payloads.reserve(3000);
  std::vector<NewRecord> batch;
  batch.reserve(3000);
  for (int i = 0; i < 3000; ++i) {
    payloads.push_back(std::string(3000 + static_cast<std::size_t>(i % 7),
                                   static_cast<char>('a' + i % 26)));
  }
  for (const std::string& p : payloads) batch.push_back({1, p});
  const auto log = OpenAndRead();
  ASSERT_THAT(log->Append(batch), IsOk());
  std::size_t i = 0;
  EXPECT_THAT(log->Read([&](const Record& r) {
    return r.payload == payloads[i++] ? OkStatus() : Internal("differs");
  }),
              IsOk());
  EXPECT_EQ(i, payloads.size());
}

TEST_F(LogTest, MustBeReadBeforeItIsWritten) {
  const auto log = Open();
  EXPECT_THAT(log->Append(1, "x"),
              StatusIs(Code::kFailedPrecondition, HasSubstr("read first")));
}

TEST_F(LogTest, BelongsToOneAtATime) {
  const auto log = OpenAndRead();
  EXPECT_THAT(Log::Open(dir_.path(), options_, clock_),
              StatusIs(Code::kUnavailable, HasSubstr("in use")));
  ASSERT_THAT(log->Append(1, "x"), IsOk());
  // A reader that changes nothing may look at any time.
  const auto summary = ReadOnly(dir_.path(), Sink());
  ASSERT_THAT(summary, IsOk());
  EXPECT_THAT(read_, ElementsAre("1:1:x"));
}

TEST_F(LogTest, RefusesImpossibleOptions) {
  options_.first_sequence = 0;
  EXPECT_THAT(Log::Open(dir_.path(), options_, clock_),
              StatusIs(Code::kInvalidArgument, HasSubstr("positive")));
}

TEST_F(LogTest, RollsSegmentsAndNeverSplitsARecord) {
  options_.segment_bytes = 200;
  {
    const auto log = OpenAndRead();
    for (int i = 0; i < 10; ++i) {
      ASSERT_THAT(log->Append(1, std::string(50, 'a')), IsOk());
    }
    ASSERT_THAT(log->Append(1, std::string(1000, 'b')), IsOk());
    ASSERT_THAT(log->Append(1, "after"), IsOk());
    // 29 + 2 * 79 = 187 bytes; five of them, the large one, the last.
    EXPECT_THAT(log->segments(), SizeIs(7));
    EXPECT_EQ(log->segments()[1].first_sequence, 3u);
    EXPECT_EQ(log->segments()[5].size_bytes, 29u + 29 + 1000);
  }
  const auto log = OpenAndRead();
  EXPECT_THAT(read_, SizeIs(12));
  EXPECT_EQ(summary_.segments, 7u);
  EXPECT_EQ(log->next_sequence(), 13u);
}

TEST_F(LogTest, RollBeginsANewSegmentOnlyWhenThereIsSomethingToEnd) {
  const auto log = OpenAndRead();
  ASSERT_THAT(log->Roll(), IsOk());
  ASSERT_THAT(log->Append(1, "a"), IsOk());
  ASSERT_THAT(log->Roll(), IsOk());
  ASSERT_THAT(log->Roll(), IsOk());
  ASSERT_THAT(log->Append(1, "b"), IsOk());
  EXPECT_THAT(SegmentNames(),
              ElementsAre("0000000000000001.wal", "0000000000000002.wal"));
}

TEST_F(LogTest, ReservedSpaceIsZerosAndReadsAsAnEnd) {
  options_.preallocate = true;
  options_.segment_bytes = 100'000;
  {
    const auto log = OpenAndRead();
    ASSERT_THAT(log->Append(1, "a"), IsOk());
    struct stat st {};
    ASSERT_EQ(::stat(log->segments()[0].path.c_str(), &st), 0);
    EXPECT_EQ(st.st_size, 100'000);
    // A second read leaves the writer's place alone.
    EXPECT_THAT(log->Read(Sink()), IsOk());
    ASSERT_THAT(log->Append(1, "b"), IsOk());
    EXPECT_EQ(log->counters().appended_bytes, 60u);
  }
  const auto log = OpenAndRead();
  EXPECT_THAT(read_, ElementsAre("1:1:a", "2:1:b"));
  EXPECT_FALSE(summary_.repaired);
  EXPECT_EQ(log->size_bytes(), 29u + 60);
  ASSERT_THAT(log->Append(1, "c"), IsOk());
  ASSERT_THAT(log->Roll(), IsOk());
  struct stat st {};
  ASSERT_EQ(::stat(log->segments()[0].path.c_str(), &st), 0);
  EXPECT_EQ(st.st_size, 29 + 90);
}

TEST_F(LogTest, DropsTheOldestButNeverTheLast) {
  options_.segment_bytes = 100;
  const auto log = OpenAndRead();
  for (int i = 0; i < 6; ++i) {
    ASSERT_THAT(log->Append(1, std::string(60, 'a')), IsOk());
  }
  EXPECT_THAT(log->DropOldest(), IsOkAndHolds(true));
  EXPECT_THAT(log->DropBefore(4), IsOkAndHolds(2u));  // 2 and 3
  EXPECT_THAT(log->DropBefore(4), IsOkAndHolds(0u));
  EXPECT_EQ(log->segments()[0].first_sequence, 4u);
  EXPECT_THAT(log->DropBefore(1000), IsOkAndHolds(2u));
  EXPECT_THAT(log->DropOldest(), IsOkAndHolds(false));
  EXPECT_EQ(log->counters().segments_dropped, 5u);
  EXPECT_THAT(log->Read(Sink()), IsOk());
  EXPECT_THAT(read_, SizeIs(1));
  EXPECT_THAT(SegmentNames(), ElementsAre("0000000000000006.wal"));
}

TEST_F(LogTest, ReadsFromASequenceOn) {
  options_.segment_bytes = 100;
  const auto log = OpenAndRead();
  for (int i = 0; i < 6; ++i) ASSERT_THAT(log->Append(1, "abcde"), IsOk());
  // Three segments of two records.
  ReadOptions from;
  from.from_sequence = 4;
  const auto summary = log->Read(Sink(), from);
  ASSERT_THAT(summary, IsOk());
  EXPECT_THAT(read_, ElementsAre("4:1:abcde", "5:1:abcde", "6:1:abcde"));
  EXPECT_EQ(summary->segments, 2u);
  EXPECT_EQ(summary->last_sequence, 6u);
}

TEST_F(LogTest, ANewLogMayBeginAnywhere) {
  options_.first_sequence = 1000;
  const auto log = OpenAndRead();
  ASSERT_THAT(log->Append(1, "a"), IsOk());
  EXPECT_THAT(SegmentNames(), ElementsAre("00000000000003e8.wal"));
}

TEST_F(LogTest, TheSinksFailureIsNotTheLogs) {
  const auto log = OpenAndRead();
  ASSERT_THAT(log->Append(1, "a"), IsOk());
  ASSERT_EQ(::truncate(log->segments()[0].path.c_str(), 29 + 29), 0);
  // The same code as a torn log has; still nothing is repaired.
  EXPECT_THAT(Log::Open(dir_.path(), options_, clock_),
              StatusIs(Code::kUnavailable, HasSubstr("in use")));
  const auto summary = ReadOnly(
      dir_.path(), [](const Record&) { return DataLoss("state machine"); });
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->tail, Tail::kTorn);
}

TEST_F(LogTest, ASinkThatFailsEndsTheReadAndTouchesNothing) {
  {
    const auto log = OpenAndRead();
    const NewRecord batch[] = {{1, "a"}, {1, "b"}};
    ASSERT_THAT(log->Append(batch), IsOk());
    ASSERT_EQ(::truncate(log->segments()[0].path.c_str(), 29 + 30 + 5), 0);
  }
  const auto log = Open();
  EXPECT_THAT(
      log->Read([](const Record&) { return DataLoss("unexpected end"); }),
      StatusIs(Code::kDataLoss, "unexpected end"));
  EXPECT_EQ(log->counters().repaired, 0u);
  EXPECT_THAT(ReadFile(log->segments()[0].path)->size(), 64u);
}

TEST_F(LogTest, RefusesAVersionItDoesNotKnow) {
  SegmentHeader header;
  header.version = 2;
  header.first_sequence = 1;
  const auto bytes = EncodeSegmentHeader(header);
  ASSERT_THAT(WriteFileAtomically(dir_.File(SegmentName(1)),
                                  {bytes.data(), bytes.size()}),
              IsOk());
  const auto log = Open();
  EXPECT_THAT(log->Read(Sink()),
              StatusIs(Code::kFailedPrecondition, HasSubstr("version 2")));
}

TEST_F(LogTest, AMissingSegmentIsCorruption) {
  options_.segment_bytes = 60;
  {
    const auto log = OpenAndRead();
    for (int i = 0; i < 3; ++i) ASSERT_THAT(log->Append(1, "aaaa"), IsOk());
    ASSERT_EQ(::unlink(log->segments()[1].path.c_str()), 0);
  }
  options_.mode = Mode::kPointInTime;
  const auto log = Open();
  EXPECT_THAT(log->Read(Sink()),
              StatusIs(Code::kDataLoss, HasSubstr("a segment is missing")));
  EXPECT_THAT(ReadFile(log->segments()[1].path)->size(), 62u);
  EXPECT_FALSE(log->Append(1, "x").ok());
}

TEST_F(LogTest, RemovesASegmentThatNeverGotItsName) {
  ASSERT_THAT(WriteFileAtomically(dir_.File("0000000000000001.wal.new"), "x"),
              IsOk());
  const auto log = OpenAndRead();
  EXPECT_THAT(ListDirectory(dir_.path()), IsOkAndHolds(ElementsAre("LOCK")));
}

TEST_F(LogTest, KnowsWhetherThereIsALog) {
  EXPECT_THAT(Exists(dir_.File("none")), IsOkAndHolds(false));
  const auto log = OpenAndRead();
  EXPECT_THAT(Exists(dir_.path()), IsOkAndHolds(false));
  ASSERT_THAT(log->Append(1, "a"), IsOk());
  EXPECT_THAT(Exists(dir_.path()), IsOkAndHolds(true));
}

}  // namespace
}  // namespace fodc::wal
