// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/event_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "fodc/evidence/event_id.h"
#include "fodc/evidence/event_store_testing.h"
#include "fodc/evidence/sha256.h"

namespace fodc::evidence {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class EventWriterTest : public EventStoreTest {
 protected:
  std::unique_ptr<EventWriter> Begin(std::uint64_t max_bytes = 64 << 20) {
    return store_->Begin(now_, {.max_bytes = max_bytes, .min_bytes = 1})
        .value();
  }
  unsigned ModeOf(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(::stat(path.c_str(), &st), 0) << path;
    return st.st_mode & 07777u;
  }
};

TEST_F(EventWriterTest, AnEventIsThereWithItsCommitAndNotBefore) {
  auto writer = Begin();
  EventMeta meta{.rss_bytes = 5};
  AddArtifact(writer.get(), "heap.pprof", "profile", &meta);
  meta.profiles = {{.type = "heap", .filename = "heap.pprof", .size_bytes = 7}};
  const std::string id = writer->id();
  EXPECT_EQ(id, MakeEventId(now_));
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_THAT(store_->Read(id), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(store_->OpenArtifact(id, "heap.pprof"),
              StatusIs(Code::kNotFound, _));
  ASSERT_THAT(writer->Commit(meta), IsOk());
  writer.reset();
  EXPECT_THAT(Ids(), ElementsAre(id));
  const auto event = store_->Read(id);
  ASSERT_THAT(event, IsOk());
  EXPECT_EQ(event->meta.captured_at, now_);
  EXPECT_EQ(event->meta.revision, 1u);
  EXPECT_EQ(event->meta.rss_bytes, 5u);
  EXPECT_EQ(event->meta.profiles[0].filepath, Path(id, "heap.pprof"));
  EXPECT_EQ(event->bytes, 7u);
  EXPECT_EQ(ModeOf(Path(id)), 0750u);
  EXPECT_EQ(ModeOf(Path(id, "heap.pprof")), 0600u);
  EXPECT_EQ(ModeOf(Path(id, "meta.json")), 0600u);
  EXPECT_THAT(ListDirectory(Path(id)),
              IsOkAndHolds(ElementsAre("heap.pprof", "meta.json")));
}

TEST_F(EventWriterTest, ARestartFindsIt) {
  const std::string id = AddEvent(store_.get(), now_, {{"a", "x"}});
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre(id));
  EXPECT_THAT(store_->sweep().removed, IsEmpty());
}

TEST_F(EventWriterTest, OneThatIsNotCommittedLeavesNothing) {
  auto writer = Begin();
  EventMeta meta;
  AddArtifact(writer.get(), "a", "x", &meta);
  auto sink = writer->OpenArtifact("b", 100);
  ASSERT_THAT(sink, IsOk());
  ASSERT_THAT((*sink)->Append("y"), IsOk());
  sink->reset();
  writer.reset();
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
}

TEST_F(EventWriterTest, TheNextNanosecondIsFreeForTheSecondOfOneTime) {
  auto first = Begin();
  auto second = Begin();
  EXPECT_EQ(second->id(), MakeEventId(now_ + std::chrono::nanoseconds(1)));
  ASSERT_THAT(second->Commit({}), IsOk());
  EXPECT_EQ(second->meta().captured_at, second->at());
  second.reset();
  first.reset();
  Reopen();
  auto third = Begin();
  EXPECT_EQ(third->id(), MakeEventId(now_));
  EXPECT_EQ(Begin()->id(), MakeEventId(now_ + std::chrono::nanoseconds(2)));
}

TEST_F(EventWriterTest, ASinkHashesWhatItWritesHoweverItComes) {
  auto writer = Begin();
  EventMeta meta;
  std::string all;
  auto sink = writer->OpenArtifact("big", 64 << 20).value();
  for (const std::size_t n :
       {1u, 100u, 65535u, 1u, 65536u, 65537u, 200000u, 0u, 7u, 12000000u}) {
    const std::string piece(n, static_cast<char>('a' + n % 26));
    ASSERT_THAT(sink->Append(piece), IsOk());
    all += piece;
    EXPECT_EQ(sink->bytes(), all.size());
  }
  const auto digest = sink->Finish();
  ASSERT_THAT(digest, IsOk());
  Sha256 sha;
  sha.Update(all);
  EXPECT_EQ(digest->sha256, sha.Hex());
  EXPECT_EQ(digest->bytes, all.size());
  EXPECT_EQ(ReadFile(Path(writer->id(), "big")).value(), all);
}

TEST_F(EventWriterTest, WhatReachesItsLimitIsCutAndCanBeKept) {
  auto writer = Begin();
  auto sink = writer->OpenArtifact("heap", 10).value();
  EXPECT_THAT(sink->Append("123456"), IsOk());
  const auto limit = StatusIs(Code::kResourceExhausted,
                              HasSubstr("heap is larger than the limit of 10"));
  EXPECT_THAT(sink->Append("7890abc"), limit);
  EXPECT_THAT(sink->Append("x"), limit);
  const auto digest = sink->Finish();
  ASSERT_THAT(digest, IsOk());
  EXPECT_EQ(digest->bytes, 10u);
  EXPECT_THAT(ReadFile(Path(writer->id(), "heap")), IsOkAndHolds("1234567890"));
  EXPECT_THAT(sink->Append("x"), Not(IsOk()));
  EXPECT_THAT(sink->Finish(), StatusIs(Code::kFailedPrecondition, _));
}

TEST_F(EventWriterTest, TheEventsBudgetIsForAllItsArtifacts) {
  auto writer = Begin(100);
  EXPECT_EQ(writer->budget_left_bytes(), 100u);
  auto a = writer->OpenArtifact("a", 1000).value();
  EXPECT_THAT(a->Append(std::string(60, 'x')), IsOk());
  auto b = writer->OpenArtifact("b", 1000).value();
  EXPECT_THAT(b->Append(std::string(60, 'x')),
              StatusIs(Code::kResourceExhausted, HasSubstr("b: the event")));
  EXPECT_EQ(b->bytes(), 40u);
  EXPECT_EQ(writer->budget_left_bytes(), 0u);
  b->Discard();
  EXPECT_EQ(writer->budget_left_bytes(), 40u);
  EXPECT_THAT(a->Finish(), IsOk());
  EXPECT_EQ(writer->budget_left_bytes(), 40u);
}

TEST_F(EventWriterTest, AnEventBeginsOnlyWithRoomOnTheDisk) {
  const std::uint64_t free = store_->FreeBytes().value();
  EXPECT_THAT(store_->Begin(now_, {.max_bytes = ~0ULL, .min_bytes = free * 2}),
              StatusIs(Code::kResourceExhausted, HasSubstr(StrCat(free * 2))));
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
  // No more than there is, whatever is asked for.
  EXPECT_LE(store_->Begin(now_, {.max_bytes = ~0ULL, .min_bytes = 1})
                .value()
                ->budget_left_bytes(),
            free * 2);
  store_ =
      EventStore::Open({.root = root_, .keep_free_bytes = 1ULL << 60}).value();
  EXPECT_THAT(store_->Begin(now_, kPlenty),
              StatusIs(Code::kResourceExhausted, HasSubstr("stay free")));
}

TEST_F(EventWriterTest, TwoAtOnceAreNotPromisedTheSameBytes) {
  constexpr std::uint64_t kAll = ~0ULL;
  const std::uint64_t free = store_->FreeBytes().value();
  const EventBudget greedy = {.max_bytes = kAll, .min_bytes = 1};
  auto one = store_->Begin(now_, greedy).value();
  const auto other = store_->Begin(now_, greedy).value();
  // What others do on the disk meanwhile is far less.
  const std::uint64_t slack = free / 8;
  EXPECT_LE(one->budget_left_bytes() + other->budget_left_bytes(),
            free + slack);
  EXPECT_GT(other->budget_left_bytes(), free / 8);
  EXPECT_THAT(store_->Begin(now_, {.max_bytes = kAll, .min_bytes = free / 2}),
              StatusIs(Code::kResourceExhausted, HasSubstr("2 others")));
  one.reset();
  EXPECT_THAT(store_->Begin(now_, {.max_bytes = kAll, .min_bytes = free / 2}),
              IsOk());
}

TEST_F(EventWriterTest, WhatAnEventHasIsPartOfItsBudget) {
  const std::string id =
      AddEvent(store_.get(), now_, {{"a", std::string(60, 'x')}});
  const EventBudget budget = {.max_bytes = 100, .min_bytes = 1};
  EXPECT_EQ(store_->Reopen(id, budget).value()->budget_left_bytes(), 40u);
  const EventBudget less = {.max_bytes = 50, .min_bytes = 0};
  EXPECT_EQ(store_->Reopen(id, less).value()->budget_left_bytes(), 0u);
}

TEST_F(EventWriterTest, FilesThatANewRevisionLeavesOutAreRemoved) {
  auto writer = Begin();
  EventMeta meta;
  AddArtifact(writer.get(), "a", "x", &meta);
  AddArtifact(writer.get(), "b", "y", &meta);
  ASSERT_THAT(writer->Commit(meta), IsOk());
  std::erase_if(meta.steps, [](const EventStep& s) { return s.file == "a"; });
  ASSERT_THAT(writer->Commit(meta), IsOk());
  EXPECT_THAT(ListDirectory(Path(writer->id())),
              IsOkAndHolds(UnorderedElementsAre("b", "meta.json")));
}

TEST_F(EventWriterTest, ADiscardedArtifactCanBeTriedAgain) {
  auto writer = Begin();
  auto sink = writer->OpenArtifact("a", 100).value();
  EXPECT_THAT(writer->OpenArtifact("a", 100),
              StatusIs(Code::kAlreadyExists, _));
  ASSERT_THAT(sink->Append("bad"), IsOk());
  sink->Discard();
  EventMeta meta;
  AddArtifact(writer.get(), "a", "good", &meta);
  EXPECT_THAT(writer->OpenArtifact("a", 100),
              StatusIs(Code::kAlreadyExists, HasSubstr("a exists")));
  EXPECT_THAT(writer->Commit(meta), IsOk());
  EXPECT_THAT(ReadFile(Path(writer->id(), "a")), IsOkAndHolds("good"));
}

TEST_F(EventWriterTest, TakesNoNameThatLeadsElsewhere) {
  auto writer = Begin();
  for (const char* name : {"../a", "a/b", "", "..", "meta.json", ".pinned"}) {
    EXPECT_THAT(writer->OpenArtifact(name, 1),
                StatusIs(Code::kInvalidArgument, _))
        << name;
  }
}

TEST_F(EventWriterTest, HasABoundOfArtifacts) {
  auto writer = Begin();
  EventMeta meta;
  for (std::size_t i = 0; i < kMaxEventFiles; ++i)
    AddArtifact(writer.get(), StrCat("f", i), "", &meta);
  EXPECT_THAT(writer->OpenArtifact("more", 1),
              StatusIs(Code::kResourceExhausted, HasSubstr("128")));
  EXPECT_THAT(writer->Commit(meta), IsOk());
}

TEST_F(EventWriterTest, CommitsOnlyWhatIsOnDisk) {
  auto writer = Begin();
  EventMeta meta;
  AddArtifact(writer.get(), "a", "xyz", &meta);
  EventMeta wrong = meta;
  wrong.steps[0].bytes = 4;
  EXPECT_THAT(writer->Commit(wrong),
              StatusIs(Code::kInvalidArgument,
                       HasSubstr("a has 3 bytes on disk, and 4")));
  wrong = meta;
  wrong.profiles = {{.type = "heap", .filename = "heap.pprof"}};
  EXPECT_THAT(
      writer->Commit(wrong),
      StatusIs(Code::kInvalidArgument, HasSubstr("heap.pprof is no file")));
  wrong = meta;
  wrong.role = "\xff";
  EXPECT_THAT(writer->Commit(wrong),
              StatusIs(Code::kInvalidArgument, HasSubstr("role")));
  auto open = writer->OpenArtifact("b", 10).value();
  EXPECT_THAT(writer->Commit(meta), StatusIs(Code::kFailedPrecondition, _));
  open.reset();
  EXPECT_THAT(Ids(), IsEmpty());
  EXPECT_THAT(writer->Commit(meta), IsOk());
  EXPECT_EQ(writer->meta().revision, 1u);
}

TEST_F(EventWriterTest, ALaterRevisionAddsToIt) {
  auto writer = Begin();
  EventMeta meta;
  AddArtifact(writer.get(), "a", "x", &meta);
  ASSERT_THAT(writer->Commit(meta), IsOk());
  AddArtifact(writer.get(), "b", "y", &meta);
  EXPECT_THAT(store_->OpenArtifact(writer->id(), "b"),
              StatusIs(Code::kNotFound, HasSubstr("no artifact b")));
  meta.death = EventDeath{.signal = 9};
  ASSERT_THAT(writer->Commit(meta), IsOk());
  const std::string id = writer->id();
  writer.reset();
  EXPECT_EQ(store_->Read(id)->meta.revision, 2u);
  EXPECT_THAT(store_->OpenArtifact(id, "b"), IsOk());
}

TEST_F(EventWriterTest, AnotherLifeAddsToIt) {
  const std::string id = AddEvent(store_.get(), now_, {{"a", "x"}});
  Reopen();
  auto writer = store_->Reopen(id, kPlenty).value();
  EventMeta meta = writer->meta();
  AddArtifact(writer.get(), "b", "y", &meta);
  ASSERT_THAT(writer->Commit(meta), IsOk());
  writer.reset();
  EXPECT_EQ(store_->Read(id)->meta.revision, 2u);
  EXPECT_EQ(store_->Read(id)->meta.captured_at, now_);
  EXPECT_THAT(store_->Read(id)->meta.steps, SizeIs(2));
}

TEST_F(EventWriterTest, WhatWasAddedAndNotCommittedGoesAndTheRestStays) {
  const std::string id = AddEvent(store_.get(), now_, {{"a", "x"}});
  auto writer = store_->Reopen(id, kPlenty).value();
  EventMeta meta = writer->meta();
  AddArtifact(writer.get(), "b", "y", &meta);
  writer.reset();
  EXPECT_THAT(ListDirectory(Path(id)),
              IsOkAndHolds(ElementsAre("a", "meta.json")));
  EXPECT_EQ(store_->Read(id)->meta.revision, 1u);
}

// Somebody else's hand, or a disk that was repaired.
TEST_F(EventWriterTest, ALaterRevisionBearsThatAFileIsGone) {
  const std::string id = AddEvent(store_.get(), now_, {{"a", "x"}});
  ASSERT_EQ(::unlink(Path(id, "a").c_str()), 0);
  auto writer = store_->Reopen(id, kPlenty).value();
  EventMeta meta = writer->meta();
  AddArtifact(writer.get(), "b", "y", &meta);
  EXPECT_THAT(writer->Commit(meta), IsOk());
}

TEST_F(EventWriterTest, AnEventThatSaysNothingOfItselfStays) {
  const std::string id = MakeEventId(now_);
  WriteTree(root_, {{id + "/meta.json", "{}"}});
  store_->Reopen(id, kPlenty).value().reset();
  EXPECT_THAT(Ids(), ElementsAre(id));
}

TEST_F(EventWriterTest, IsWrittenByOneAtATime) {
  auto writer = Begin();
  ASSERT_THAT(writer->Commit({}), IsOk());
  const std::string id = writer->id();
  EXPECT_THAT(store_->Reopen(id, kPlenty),
              StatusIs(Code::kUnavailable, HasSubstr("being written")));
  EXPECT_THAT(store_->Delete(id),
              StatusIs(Code::kUnavailable, HasSubstr("being written")));
  EXPECT_THAT(store_->Pin(id, {}), IsOk());
  writer.reset();
  EXPECT_THAT(store_->Reopen(id, kPlenty), IsOk());
  EXPECT_THAT(store_->Delete(id), IsOk());
}

TEST_F(EventWriterTest, CommitsNothingIntoADirectoryThatWasReplaced) {
  auto writer = Begin();
  EventMeta meta;
  AddArtifact(writer.get(), "a", "x", &meta);
  const std::string dir = Path(writer->id());
  const std::string away = tree_.File("away");
  ASSERT_EQ(::rename(dir.c_str(), away.c_str()), 0);
  const auto replaced =
      StatusIs(Code::kFailedPrecondition, HasSubstr("removed or replaced"));
  EXPECT_THAT(writer->Commit(meta), replaced);
  ASSERT_THAT(MakeDirectories(tree_.File("other")), IsOk());
  WriteTree(tree_.path(), {{"other/kept", "x"}});
  ASSERT_EQ(::symlink(tree_.File("other").c_str(), dir.c_str()), 0);
  EXPECT_THAT(writer->Commit(meta), replaced);
  writer.reset();
  EXPECT_THAT(ListDirectory(tree_.File("other")),
              IsOkAndHolds(ElementsAre("kept")));
  EXPECT_THAT(Ids(), IsEmpty());
}

TEST_F(EventWriterTest, SaysThatItsDirectoryWasRemoved) {
  auto writer = Begin();
  const std::string dir = Path(writer->id());
  auto sink = writer->OpenArtifact("a", 100).value();
  ASSERT_THAT(sink->Append("x"), IsOk());
  ASSERT_EQ(Shell(StrCat("rm -r ", dir)), 0);
  EXPECT_THAT(sink->Finish(), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(writer->OpenArtifact("b", 1), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(writer->Commit({}), StatusIs(Code::kFailedPrecondition, _));
  writer.reset();
  // And the root with it, as an operator who cleans up does.
  ASSERT_EQ(Shell(StrCat("rm -r ", root_)), 0);
  EXPECT_THAT(Ids(), IsEmpty());
  AddEvent(store_.get(), now_, {{"a", "x"}});
  EXPECT_THAT(Ids(), SizeIs(1));
  EXPECT_FALSE(OpenStore(root_)->sweep().is_alone);
}

TEST_F(EventWriterTest, OutlivesTheStore) {
  auto writer = Begin();
  store_.reset();
  EventMeta meta;
  AddArtifact(writer.get(), "a", "x", &meta);
  EXPECT_THAT(writer->Commit(meta), IsOk());
  writer.reset();
  store_ = OpenStore(root_);
  EXPECT_THAT(Ids(), SizeIs(1));
}

TEST_F(EventWriterTest, SinksMayBeOnOtherThreads) {
  auto writer = Begin();
  EventMeta meta;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    auto sink = std::shared_ptr<ArtifactSink>(
        writer->OpenArtifact(StrCat("f", i), 1 << 20).value());
    meta.steps.push_back({.file = StrCat("f", i), .bytes = 300000});
    threads.emplace_back([sink] {
      for (int j = 0; j < 3000; ++j)
        EXPECT_THAT(sink->Append(std::string(100, 'x')), IsOk());
      EXPECT_THAT(sink->Finish(), IsOk());
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_THAT(writer->Commit(meta), IsOk());
  EXPECT_EQ(writer->budget_left_bytes(), (64u << 20) - 4 * 300000);
}

}  // namespace
}  // namespace fodc::evidence
