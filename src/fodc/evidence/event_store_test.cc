// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/event_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "fodc/base/log_testing.h"
#include "fodc/evidence/event_id.h"
#include "fodc/evidence/event_store_testing.h"
#include "fodc/evidence/sha256.h"
#include "tests/support/paths.h"

namespace fodc::evidence {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kGoId[] = "20261121T073036.667474998Z";

TEST_F(EventStoreTest, MakesItsRootAndChecksIt) {
  struct stat st {};
  ASSERT_EQ(::stat(root_.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777u, 0750u);
  EXPECT_THAT(store_->CheckWritable(), IsOk());
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
  WriteTree(tree_.path(), {{"file", ""}});
  EXPECT_THAT(EventStore::Open({.root = tree_.File("file")}),
              StatusIs(Code::kInvalidArgument, HasSubstr("file")));
  EXPECT_THAT(EventStore::Open({.root = tree_.File("file/below")}),
              StatusIs(Code::kInvalidArgument, HasSubstr("file")));
  EXPECT_THAT(EventStore::Open({.root = ""}),
              StatusIs(Code::kInvalidArgument, _));
}

TEST_F(EventStoreTest, ADirectoryThatSomebodyElseMadeFirstIsNotTaken) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "SKIPPED: only root can give a directory away";
  }
  const std::string root = tree_.File("theirs");
  ASSERT_EQ(::mkdir(root.c_str(), 0777), 0);
  ASSERT_EQ(::chown(root.c_str(), 65534, 65534), 0);
  EXPECT_THAT(EventStore::Open({.root = root}),
              StatusIs(Code::kPermissionDenied,
                       HasSubstr(root + " belongs to user 65534")));
}

TEST_F(EventStoreTest, ReadsWhatGoWrote) {
  const std::string data =
      test::SourcePath("tests/data/wire/files/pressure-profiles");
  ASSERT_EQ(Shell(StrCat("cp -r ", data, "/* ", root_)), 0);
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre("20261121T073132.740756132Z", kGoId));
  const auto info = store_->Read(kGoId);
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->meta.rss_bytes, 67092480u);
  EXPECT_EQ(info->meta.revision, 0u);
  EXPECT_EQ(info->bytes, 20232u + 8955);
  const auto heap = store_->OpenArtifact(kGoId, "heap.pprof");
  ASSERT_THAT(heap, IsOk());
  EXPECT_EQ(ReadAll(*heap),
            ReadFile(StrCat(data, "/", kGoId, "/heap.pprof")).value());
  EXPECT_EQ(heap->sha256(), "");
  EXPECT_THAT(heap->etag(), HasSubstr("20232"));
  // Pinned without a change to what Go wrote.
  EXPECT_THAT(store_->Pin(kGoId, {}), IsOk());
  EXPECT_EQ(ReadFile(Path(kGoId, "meta.json")).value(),
            ReadFile(StrCat(data, "/", kGoId, "/meta.json")).value());
  const auto report = store_->Retain({.max_events = 1}, now_);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(Ids(), SizeIs(2));  // pinned; the newest
}

TEST_F(EventStoreTest, ListsTheNewestFirstWithinABound) {
  const std::string a = AddEvent(store_.get(), now_, {{"f", "x"}});
  const std::string c = AddEvent(store_.get(), now_ + 2s, {{"f", "xyz"}});
  const std::string b = AddEvent(store_.get(), now_ + 1s, {{"f", "xy"}});
  EXPECT_THAT(Ids(), ElementsAre(c, b, a));
  EXPECT_EQ(store_->List(1)->front().bytes, 3u);
  EXPECT_THAT(store_->List(2), IsOkAndHolds(SizeIs(2)));
}

TEST_F(EventStoreTest, ListsNothingOfOthers) {
  const std::string other = MakeEventId(now_ + 1s);
  WriteTree(root_, {{"notes.txt", "x"},
                    {"notes/meta.json", "{}"},
                    {"20260101/meta.json", "{}"},
                    {other + ".bak/meta.json", "{}"}});
  WriteTree(tree_.path(),
            {{"elsewhere/meta.json", "{}"}, {"elsewhere/secret", "s"}});
  ASSERT_EQ(::symlink(tree_.File("elsewhere").c_str(), Path(other).c_str()), 0);
  ASSERT_EQ(::symlink("notes", Path("20260101T000000.000000005Z").c_str()), 0);
  const std::string id = AddEvent(store_.get(), now_, {{"a", "x"}});
  EXPECT_THAT(Ids(), ElementsAre(id));
  EXPECT_THAT(store_->Read(other),
              StatusIs(Code::kInvalidArgument, HasSubstr("symbolic link")));
  EXPECT_THAT(store_->OpenArtifact(other, "secret"),
              StatusIs(Code::kInvalidArgument, _));
  EXPECT_THAT(store_->Delete(other), StatusIs(Code::kInvalidArgument, _));
  Reopen();
  EXPECT_THAT(store_->Retain({.max_events = 1}, now_), IsOk());
  EXPECT_TRUE(Exists(tree_.File("elsewhere/secret")));
  EXPECT_TRUE(Exists(Path("notes/meta.json")));
}

TEST_F(EventStoreTest, OpensWhatTheEventListsAndNothingElse) {
  WriteTree(tree_.path(), {{"secret", "s"}});
  const std::string id =
      AddEvent(store_.get(), now_, {{"a", "evidence"}, {"b", "y"}});
  const auto a = store_->OpenArtifact(id, "a");
  ASSERT_THAT(a, IsOk());
  EXPECT_EQ(ReadAll(*a), "evidence");
  Sha256 sha;
  sha.Update("evidence");
  EXPECT_EQ(a->sha256(), sha.Hex());
  EXPECT_EQ(a->etag(), StrCat('"', a->sha256(), '"'));
  // There, and not of the event.
  WriteTree(root_, {{id + "/notes", "x"}});
  EXPECT_THAT(store_->OpenArtifact(id, "notes"),
              StatusIs(Code::kNotFound, HasSubstr("no artifact notes")));
  EXPECT_THAT(store_->OpenArtifact(id, "none"), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(store_->OpenArtifact(MakeEventId(now_ + 1s), "a"),
              StatusIs(Code::kNotFound, _));
  // Of the event, and replaced.
  ASSERT_EQ(::unlink(Path(id, "b").c_str()), 0);
  EXPECT_THAT(store_->OpenArtifact(id, "b"), StatusIs(Code::kNotFound, _));
  ASSERT_EQ(::symlink(tree_.File("secret").c_str(), Path(id, "b").c_str()), 0);
  EXPECT_THAT(store_->OpenArtifact(id, "b"),
              StatusIs(Code::kInvalidArgument, HasSubstr("symbolic link")));
  ASSERT_EQ(::unlink(Path(id, "b").c_str()), 0);
  ASSERT_EQ(::mkfifo(Path(id, "b").c_str(), 0600), 0);
  EXPECT_THAT(store_->OpenArtifact(id, "b"),
              StatusIs(Code::kInvalidArgument, HasSubstr("no regular file")));
}

TEST_F(EventStoreTest, TakesNoHostileIdOrName) {
  const std::string id = AddEvent(store_.get(), now_, {{"a", "x"}});
  const std::string nul = std::string("a\0b", 3);
  for (const std::string& bad :
       {std::string(".."), std::string("../events/") + id,
        std::string("%2e%2e%2f") + id, id + "/a", nul, std::string(),
        std::string(100000, 'x'), root_}) {
    const auto refused = StatusIs(Code::kInvalidArgument, _);
    EXPECT_THAT(store_->Read(bad), refused);
    EXPECT_THAT(store_->OpenArtifact(bad, "a"), refused);
    EXPECT_THAT(store_->OpenArtifact(id, bad), refused);
    EXPECT_THAT(store_->Pin(bad, {}), refused);
    EXPECT_THAT(store_->Unpin(bad), refused);
    EXPECT_THAT(store_->Delete(bad), refused);
    EXPECT_THAT(store_->Reopen(bad, kPlenty), refused);
  }
  EXPECT_THAT(store_->OpenArtifact(id, "meta.json"),
              StatusIs(Code::kInvalidArgument, _));
}

TEST_F(EventStoreTest, ReadsPiecesAndSeesAFileThatWasCut) {
  const std::string id = AddEvent(store_.get(), now_, {{"a", "0123456789"}});
  const auto a = store_->OpenArtifact(id, "a");
  ASSERT_THAT(a, IsOk());
  char buffer[4];
  EXPECT_THAT(a->ReadAt(3, buffer), IsOkAndHolds(4u));
  EXPECT_EQ(std::string_view(buffer, 4), "3456");
  EXPECT_THAT(a->ReadAt(8, buffer), IsOkAndHolds(2u));
  EXPECT_THAT(a->ReadAt(10, buffer), IsOkAndHolds(0u));
  EXPECT_THAT(a->ReadAt(~0ULL, buffer), IsOkAndHolds(0u));
  ASSERT_EQ(::truncate(Path(id, "a").c_str(), 5), 0);
  EXPECT_THAT(a->ReadAt(4, buffer),
              StatusIs(Code::kDataLoss, HasSubstr("shorter than 10")));
}

TEST_F(EventStoreTest, WhatIsOpenOutlivesTheEvent) {
  const std::string id = AddEvent(store_.get(), now_, {{"a", "x"}});
  const auto a = store_->OpenArtifact(id, "a");
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(store_->Delete(id), IsOk());
  EXPECT_FALSE(Exists(Path(id)));
  EXPECT_EQ(ReadAll(*a), "x");
}

TEST_F(EventStoreTest, AStartSweepsWhatWasNotFinished) {
  const std::string good = AddEvent(store_.get(), now_, {{"a", "x"}});
  const std::string half = MakeEventId(now_ + 1s);
  WriteTree(root_, {{half + "/heap.pprof", "x"},
                    {half + "/.goroutine.pprof.part", "y"},
                    {half + "/meta.json.tmp", "{"},
                    {good + "/.b.part", "y"},
                    {good + "/meta.json.tmp", "{"},
                    {"mine/heap.pprof", "x"}});
  EXPECT_THAT(store_->Retain({}, now_), IsOk());  // not before
  EXPECT_TRUE(Exists(Path(half)));
  Reopen();
  EXPECT_TRUE(store_->sweep().is_alone);
  EXPECT_THAT(store_->sweep().removed, ElementsAre(half));
  EXPECT_EQ(store_->sweep().leftovers, 2u);
  EXPECT_THAT(store_->sweep().failures, IsEmpty());
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(ElementsAre(good, "mine")));
  EXPECT_THAT(ListDirectory(Path(good)),
              IsOkAndHolds(ElementsAre("a", "meta.json")));
}

TEST_F(EventStoreTest, SweepsNothingThatAnotherMayBeWriting) {
  auto writer = store_->Begin(now_, kPlenty).value();
  const LogCapture log;
  const auto second = OpenStore(root_);
  EXPECT_FALSE(second->sweep().is_alone);
  EXPECT_THAT(log.Lines("another process keeps evidence"),
              ElementsAre(testing::HasSubstr(root_)));
  EXPECT_TRUE(Exists(Path(writer->id())));
  EXPECT_THAT(writer->Commit({}), IsOk());
}

TEST_F(EventStoreTest, ADamagedEventIsNotListedAndGoesInItsTurn) {
  std::vector<std::string> ids;
  ids.reserve(3);
  for (int i = 0; i < 3; ++i) {
    ids.push_back(
        AddEvent(store_.get(), now_ + i * 1s, {{"a", "x"}}, {.rss_bytes = 5}));
  }
  WriteTree(root_, {{ids[0] + "/meta.json", "{\"rssBytes\": "}});
  ASSERT_EQ(::unlink(Path(ids[1], "meta.json").c_str()), 0);
  ASSERT_EQ(::mkdir(Path(ids[1], "meta.json").c_str(), 0700), 0);
  Reopen();
  EXPECT_THAT(Ids(), ElementsAre(ids[2]));
  EXPECT_THAT(store_->Read(ids[0]),
              StatusIs(Code::kDataLoss, HasSubstr(ids[0])));
  EXPECT_THAT(store_->Read(ids[1]), StatusIs(Code::kDataLoss, _));
  EXPECT_TRUE(Exists(Path(ids[0])));
  const auto report = store_->Retain({.max_events = 2}, now_);
  ASSERT_THAT(report, IsOk());
  EXPECT_THAT(report->deleted, ElementsAre(ids[0]));
}

TEST_F(EventStoreTest, RetainsByWhatTheEventsSay) {
  const auto add = [this](int second, EventMeta meta) {
    return AddEvent(store_.get(), now_ + second * 1s, {{"a", "0123456789"}},
                    std::move(meta));
  };
  const std::string high = add(0, {.rss_bytes = 90});
  const std::string ramp = add(1, {.rss_bytes = 5, .ramp_up = "r"});
  const std::string last = add(2, {.rss_bytes = 4, .death = EventDeath{}});
  const std::string mid = add(3, {.rss_bytes = 60});
  const std::string newest = add(4, {.rss_bytes = 3});
  EXPECT_THAT(store_->Retain({.max_events = 5, .max_bytes = 50}, now_)->deleted,
              IsEmpty());
  EXPECT_THAT(store_->Retain({.max_events = 5, .max_bytes = 49}, now_)->deleted,
              ElementsAre(mid));
  EXPECT_THAT(store_->Retain({.max_events = 3}, now_)->deleted,
              ElementsAre(ramp));
  EXPECT_THAT(Ids(), ElementsAre(newest, last, high));
  EXPECT_THAT(store_->Retain({.max_age = 1s}, now_ + 100s)->deleted,
              ElementsAre(last));
}

TEST_F(EventStoreTest, APinSurvivesARestartAndRetention) {
  const std::string a =
      AddEvent(store_.get(), now_, {{"a", "x"}}, {.rss_bytes = 1});
  for (int i = 1; i < 5; ++i) {
    AddEvent(store_.get(), now_ + i * 1s, {{"a", "x"}},
             {.rss_bytes = static_cast<std::uint64_t>(i) + 1});
  }
  const RetentionLimits limits = {.max_events = 4};
  EXPECT_THAT(store_->Pin(a, limits), IsOk());
  EXPECT_THAT(store_->Pin(a, limits), IsOk());
  Reopen();
  EXPECT_TRUE(store_->Read(a)->is_pinned);
  EXPECT_EQ(store_->Read(a)->bytes, 1u);
  ASSERT_THAT(store_->Retain({.max_events = 1}, now_), IsOk());
  EXPECT_THAT(Ids(), SizeIs(2));
  EXPECT_TRUE(Exists(Path(a)));
  EXPECT_THAT(store_->Unpin(a), IsOk());
  EXPECT_THAT(store_->Unpin(a), IsOk());
  EXPECT_FALSE(store_->Read(a)->is_pinned);
  ASSERT_THAT(store_->Retain({.max_events = 1}, now_), IsOk());
  EXPECT_FALSE(Exists(Path(a)));
  EXPECT_THAT(store_->Pin(a, limits), StatusIs(Code::kNotFound, _));
}

TEST_F(EventStoreTest, PinsWithinABound) {
  std::vector<std::string> ids;
  ids.reserve(3);
  for (int i = 0; i < 3; ++i)
    ids.push_back(AddEvent(store_.get(), now_ + i * 1s, {{"a", "x"}}));
  const RetentionLimits limits = {.max_events = 4};
  EXPECT_THAT(store_->Pin(ids[0], limits), IsOk());
  EXPECT_THAT(store_->Pin(ids[1], limits), IsOk());
  EXPECT_THAT(
      store_->Pin(ids[2], limits),
      StatusIs(Code::kResourceExhausted, HasSubstr("half of the 4 events")));
  EXPECT_THAT(store_->Unpin(ids[0]), IsOk());
  EXPECT_THAT(store_->Pin(ids[2], limits), IsOk());
}

// A capture's disk is not filled by what others put there, but what others put
// there is theirs.
TEST_F(EventStoreTest, DeletesFilesOfTheEventOnly) {
  WriteTree(tree_.path(), {{"outside/file", "x"}});
  const std::string id = AddEvent(store_.get(), now_, {{"a", "x"}});
  WriteTree(root_, {{id + "/theirs/file", "x"}});
  ASSERT_EQ(::symlink(tree_.File("outside").c_str(), Path(id, "l").c_str()), 0);
  EXPECT_THAT(store_->Delete(id),
              StatusIs(Code::kFailedPrecondition, HasSubstr(id)));
  EXPECT_TRUE(Exists(Path(id, "theirs/file")));
  EXPECT_TRUE(Exists(tree_.File("outside/file")));
  EXPECT_FALSE(Exists(Path(id, "a")));
  EXPECT_THAT(Ids(), IsEmpty());
  // It is told again by each start, and removed once it is possible.
  Reopen();
  EXPECT_THAT(store_->sweep().failures, SizeIs(1));
  ASSERT_EQ(Shell(StrCat("rm -r ", Path(id, "theirs"))), 0);
  Reopen();
  EXPECT_THAT(store_->sweep().removed, ElementsAre(id));
}

TEST_F(EventStoreTest, BearsEventsThatGoAwayUnderWay) {
  std::atomic<bool> is_done = false;
  for (int i = 0; i < 20; ++i)
    AddEvent(store_.get(), now_ + i * 1s, {{"a", "x"}, {"b", "y"}});
  std::thread reader([&] {
    while (!is_done) {
      const auto events = store_->List();
      EXPECT_THAT(events, IsOk());
      for (const EventInfo& e : *events) {
        const auto a = store_->OpenArtifact(e.id, "a");
        if (a.ok()) {
          EXPECT_EQ(ReadAll(*a), "x");
        }
        (void)store_->Pin(e.id, {.max_events = 0, .max_bytes = 0});
        (void)store_->Unpin(e.id);
      }
    }
  });
  std::thread deleter([&] {
    for (int i = 19; i >= 0; --i)
      (void)store_->Delete(MakeEventId(now_ + i * 1s));
  });
  for (int keep = 19; keep > 0; --keep)
    EXPECT_THAT(store_->Retain({.max_events = keep}, now_), IsOk());
  deleter.join();
  is_done = true;
  reader.join();
  // A pin that came between is no reason to be left half-deleted.
  const auto left = ListDirectory(root_);
  ASSERT_THAT(left, IsOk());
  for (const std::string& name : *left)
    EXPECT_TRUE(Exists(Path(name, "meta.json"))) << name;
}

}  // namespace
}  // namespace fodc::evidence
