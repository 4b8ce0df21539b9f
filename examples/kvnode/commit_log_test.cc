// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/commit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>

#include "examples/kvnode/store_testing.h"

namespace kvnode {
namespace {

using fodc::Code;
using fodc::IsOk;
using fodc::Result;
using fodc::StatusIs;
using testing::HasSubstr;

class CommitLogTest : public StoreTest {
 protected:
  // A start: the store as its files have it, and the log.
  Result<std::unique_ptr<CommitLog>> Open(
      StreamLayout layout = StreamLayout::kEntries) {
    Reopen(layout);
    CommitLog::Options options = options_;
    options.wal.directory = dir_.File("log");
    return CommitLog::Open(std::move(options), store_.get());
  }
  static std::future<Result<std::uint64_t>> Submit(CommitLog* log,
                                                   Operation operation) {
    auto answer = std::make_shared<std::promise<Result<std::uint64_t>>>();
    auto future = answer->get_future();
    const fodc::Status taken = log->Submit(
        std::move(operation),
        [answer](Result<std::uint64_t> r) { answer->set_value(std::move(r)); });
    if (!taken.ok()) answer->set_value(taken);
    return future;
  }
  static Result<std::uint64_t> Put(CommitLog* log, std::string_view key,
                                   std::string_view value) {
    return Submit(log, Operation(OperationKind::kPut, key, value)).get();
  }
  // The oldest segment; its directory's other file is LOCK.
  std::string LogFile() const {
    return dir_.File("log/") + fodc::ListDirectory(dir_.File("log"))->front();
  }

  CommitLog::Options options_;
};

TEST_F(CommitLogTest, WhatIsAnsweredIsInTheStoreAndHasASequence) {
  auto log = Open();
  ASSERT_THAT(log, IsOk());
  EXPECT_EQ(*Put(log->get(), "a", "1"), 1u);
  EXPECT_EQ(*Put(log->get(), "a", "2"), 2u);
  EXPECT_EQ(Get("a"), "2");
  EXPECT_EQ((*log)->figures().operations, 2u);
}

TEST_F(CommitLogTest, HoldsNothingOfWhatIsAnswered) {
  auto log = Open();
  ASSERT_THAT(log, IsOk());
  std::promise<void> gone;
  std::shared_ptr<void> held(nullptr, [&](void*) { gone.set_value(); });
  ASSERT_THAT((*log)->Submit(Operation(OperationKind::kPut, "a", "1"),
                             [h = held](const Result<std::uint64_t>&) {}),
              IsOk());
  held.reset();
  // Although no other operation follows.
  EXPECT_EQ(gone.get_future().wait_for(std::chrono::seconds(30)),
            std::future_status::ready);
}

TEST_F(CommitLogTest, AStartGivesTheStoreWhatItLacks) {
  {
    auto log = Open();
    ASSERT_THAT(log, IsOk());
    EXPECT_THAT(Put(log->get(), "a", "1"), IsOk());
    EXPECT_THAT(store_->Flush(), IsOk());
    EXPECT_THAT(Put(log->get(), "a", "2"), IsOk());
    EXPECT_THAT(Put(log->get(), "b", "3"), IsOk());
    EXPECT_THAT(
        Submit(log->get(), Operation(OperationKind::kDelete, "a", "")).get(),
        IsOk());
  }
  auto log = Open();
  ASSERT_THAT(log, IsOk());
  EXPECT_EQ((*log)->recovery().replayed, 3u);
  EXPECT_EQ((*log)->recovery().last_sequence, 4u);
  EXPECT_FALSE((*log)->recovery().repaired);
  EXPECT_EQ(Get("a"), "(none)");
  EXPECT_EQ(Get("b"), "3");
  EXPECT_EQ(*Put(log->get(), "c", "4"), 5u);
}

TEST_F(CommitLogTest, AppendsToABlobAreReplayedOnce) {
  for (int start = 1; start <= 3; ++start) {
    auto log = Open(StreamLayout::kBlob);
    ASSERT_THAT(log, IsOk());
    EXPECT_THAT(
        Submit(log->get(), Operation(OperationKind::kAppend, "s", "x")).get(),
        IsOk());
    if (start == 2) {
      EXPECT_THAT(store_->Flush(), IsOk());
    }
  }
  auto log = Open(StreamLayout::kBlob);
  ASSERT_THAT(log, IsOk());
  EXPECT_EQ(Text(ReadStream("s")), "1=x 2=x 3=x");
}

TEST_F(CommitLogTest, OneSyncServesManyThatCameMeanwhile) {
  auto log = Open();
  ASSERT_THAT(log, IsOk());
  std::vector<std::future<Result<std::uint64_t>>> answers;
  for (int i = 0; i < 500; ++i) {
    answers.push_back(Submit(
        log->get(), Operation(OperationKind::kPut, std::to_string(i), "v")));
  }
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(*answers[i].get(), i + 1);
  }
  (*log)->Stop();
  EXPECT_EQ((*log)->figures().operations, 500u);
  EXPECT_LT((*log)->figures().batches, 500u);
}

TEST_F(CommitLogTest, ATornTailIsRepairedOnceAndSaid) {
  {
    auto log = Open();
    ASSERT_THAT(log, IsOk());
    EXPECT_THAT(Put(log->get(), "a", "1"), IsOk());
    EXPECT_THAT(Put(log->get(), "b", "2"), IsOk());
  }
  // A kill in the middle of a write that nobody got an answer for.
  std::filesystem::resize_file(LogFile(),
                               std::filesystem::file_size(LogFile()) - 5);
  std::string said;
  options_.wal.on_event = [&](const fodc::guard::Event& e) {
    said += std::string(e.message) + "\n";
  };
  {
    auto log = Open();
    ASSERT_THAT(log, IsOk());
    EXPECT_TRUE((*log)->recovery().repaired);
    EXPECT_EQ(said, "WAL tail truncated, repairing\n");
    EXPECT_EQ(Get("a"), "1");
    EXPECT_EQ(Get("b"), "(none)");
    EXPECT_EQ(*Put(log->get(), "c", "3"), 2u);
  }
  auto log = Open();
  ASSERT_THAT(log, IsOk());
  EXPECT_FALSE((*log)->recovery().repaired);
  EXPECT_EQ(Get("c"), "3");
}

TEST_F(CommitLogTest, ADamagedLogIsNotReplayed) {
  {
    auto log = Open();
    ASSERT_THAT(log, IsOk());
    EXPECT_THAT(Put(log->get(), "a", "11111111"), IsOk());
    EXPECT_THAT(Put(log->get(), "b", "2"), IsOk());
  }
  std::string bytes = *fodc::ReadFile(LogFile());
  bytes[bytes.find("11111111")] ^= 1;
  ASSERT_THAT(fodc::WriteFileAtomically(LogFile(), bytes), IsOk());
  EXPECT_THAT(Open(), StatusIs(Code::kDataLoss, HasSubstr("log")));
}

TEST_F(CommitLogTest, ALogThatIsTooLongIsCutBehindTheStore) {
  options_.max_log_bytes = 64 << 10;
  options_.wal.log.segment_bytes = 16 << 10;
  {
    auto log = Open();
    ASSERT_THAT(log, IsOk());
    for (int i = 0; i < 40; ++i) {
      EXPECT_THAT(
          Put(log->get(), "k" + std::to_string(i), std::string(8000, 'x')),
          IsOk());
    }
    (*log)->Stop();
    EXPECT_LT((*log)->figures().log_bytes, 80u << 10);
  }
  auto log = Open();
  ASSERT_THAT(log, IsOk());
  EXPECT_LT((*log)->recovery().replayed, 40u);
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(Get("k" + std::to_string(i)).size(), 8000u) << i;
  }
}

TEST_F(CommitLogTest, RefusesWhatWouldMakeTheQueueTooLarge) {
  options_.max_queued_bytes = 1000;
  auto log = Open();
  ASSERT_THAT(log, IsOk());
  // Larger than the bound by itself, but alone.
  std::promise<void> go_on;
  std::promise<void> arrived;
  ASSERT_THAT((*log)->Submit(
                  Operation(OperationKind::kPut, "a", std::string(2000, 'x')),
                  [&](const Result<std::uint64_t>&) {
                    arrived.set_value();
                    go_on.get_future().wait();
                  }),
              IsOk());
  arrived.get_future().wait();  // the log's thread stands still
  const auto fits = Submit(
      log->get(), Operation(OperationKind::kPut, "b", std::string(900, 'x')));
  EXPECT_THAT(Put(log->get(), "c", std::string(100, 'x')),
              StatusIs(Code::kResourceExhausted, HasSubstr("1000")));
  EXPECT_EQ((*log)->figures().refused, 1u);
  go_on.set_value();
  (*log)->Stop();
  EXPECT_EQ(Get("b").size(), 900u);
  EXPECT_THAT(Put(log->get(), "d", "x"),
              StatusIs(Code::kUnavailable, HasSubstr("stops")));
}

// Records that nobody acknowledged must not come up in the middle of later
// ones.
TEST_F(CommitLogTest, ABatchOfWhichAPartIsInTheLogEndsTheNode) {
  options_.wal.log.segment_bytes = 4096;
  std::promise<fodc::Status> failure;
  options_.on_failure = [&](const fodc::Status& status) {
    failure.set_value(status);
  };
  auto log = Open();
  ASSERT_THAT(log, IsOk());
  std::promise<void> go_on;
  std::promise<void> arrived;
  ASSERT_THAT((*log)->Submit(Operation(OperationKind::kPut, "a", "x"),
                             [&](const Result<std::uint64_t>&) {
                               arrived.set_value();
                               go_on.get_future().wait();
                             }),
              IsOk());
  arrived.get_future().wait();
  // The third operation would begin a segment, whose name is taken.
  std::string next = LogFile();
  next[next.rfind('1')] = '3';
  ASSERT_THAT(fodc::MakeDirectories(next), IsOk());
  auto fits = Submit(
      log->get(), Operation(OperationKind::kPut, "b", std::string(2000, 'x')));
  auto does_not = Submit(
      log->get(), Operation(OperationKind::kPut, "c", std::string(4000, 'x')));
  go_on.set_value();
  EXPECT_FALSE(fits.get().ok());
  EXPECT_FALSE(does_not.get().ok());
  EXPECT_FALSE(failure.get_future().get().ok());
  EXPECT_FALSE(Put(log->get(), "d", "x").ok());
  (*log)->Stop();
  EXPECT_EQ(Get("b"), "(none)");

  // What is in the log is in the store of the next life, in its place.
  ASSERT_EQ(::rmdir(next.c_str()), 0);
  log->reset();
  options_.on_failure = nullptr;
  log = Open();
  ASSERT_THAT(log, IsOk());
  EXPECT_EQ(Get("b").size(), 2000u);
  EXPECT_EQ(*Put(log->get(), "d", "x"), 3u);
}

TEST_F(CommitLogTest, DropsWhatWaitsWhenMemoryIsShort) {
  auto log = Open();
  ASSERT_THAT(log, IsOk());
  std::promise<void> go_on;
  std::promise<void> arrived;
  ASSERT_THAT((*log)->Submit(Operation(OperationKind::kPut, "a", "1"),
                             [&](const Result<std::uint64_t>&) {
                               arrived.set_value();
                               go_on.get_future().wait();
                             }),
              IsOk());
  arrived.get_future().wait();  // the log's thread stands still
  auto waits = Submit(log->get(), Operation(OperationKind::kPut, "b", "2"));
  (*log)->DropWaiting();
  EXPECT_THAT(waits.get(), StatusIs(Code::kUnavailable, HasSubstr("stops")));
  EXPECT_EQ((*log)->figures().queued_bytes, 0u);
  go_on.set_value();
  (*log)->Stop();
  EXPECT_EQ(Get("a"), "1");
  EXPECT_EQ(Get("b"), "(none)");
}

TEST_F(CommitLogTest, AStoreWithoutItsLogIsARestoredSnapshot) {
  {
    auto log = Open();
    ASSERT_THAT(log, IsOk());
    EXPECT_THAT(Put(log->get(), "a", "1"), IsOk());
    EXPECT_THAT(Put(log->get(), "b", "2"), IsOk());
    EXPECT_THAT(store_->Flush(), IsOk());
  }
  std::filesystem::remove_all(dir_.File("log"));
  auto log = Open();
  ASSERT_THAT(log, IsOk());
  EXPECT_EQ(*Put(log->get(), "c", "3"), 3u);
}

TEST_F(CommitLogTest, ALogThatDoesNotReachTheStoreIsAnError) {
  {
    auto log = Open();
    ASSERT_THAT(log, IsOk());
    EXPECT_THAT(Put(log->get(), "a", "1"), IsOk());
  }
  std::filesystem::copy(dir_.File("log"), dir_.File("older"));
  {
    auto log = Open();
    ASSERT_THAT(log, IsOk());
    EXPECT_THAT(Put(log->get(), "b", "2"), IsOk());
    EXPECT_THAT(store_->Flush(), IsOk());
  }
  std::filesystem::remove_all(dir_.File("log"));
  std::filesystem::rename(dir_.File("older"), dir_.File("log"));
  EXPECT_THAT(Open(), StatusIs(Code::kDataLoss,
                               HasSubstr("the log ends at operation 1, the "
                                         "store at 2")));
}

TEST_F(CommitLogTest, ALogThatBeginsBehindTheStoreIsAnError) {
  options_.wal.log.segment_bytes = 1;  // a segment for each record
  {
    auto log = Open();
    ASSERT_THAT(log, IsOk());
    EXPECT_THAT(Put(log->get(), "a", "1"), IsOk());
    EXPECT_THAT(Put(log->get(), "b", "2"), IsOk());
  }
  std::filesystem::remove(LogFile());
  EXPECT_FALSE(Open().ok());
}

}  // namespace
}  // namespace kvnode
