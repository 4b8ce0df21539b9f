// SPDX-License-Identifier: Apache-2.0
// What is synced, in which order, and what a disk that refuses leaves. A
// program of its own: its calls of the system go through here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <string>
#include <vector>

#include "fodc/evidence/event_store_testing.h"

namespace {

std::vector<std::string>* seen = nullptr;  // what was asked for
std::string failing;                       // what fails with EIO

std::string NameOf(int fd) {
  char target[PATH_MAX];
  const ssize_t n = ::readlink(fodc::StrCat("/proc/self/fd/", fd).c_str(),
                               target, sizeof(target));
  const std::string path(target, n < 0 ? 0 : static_cast<std::size_t>(n));
  return path.substr(path.rfind('/') + 1);
}

bool Fails(const std::string& call) {
  if (seen != nullptr) seen->push_back(call);
  if (call != failing) return false;
  errno = EIO;
  return true;
}

}  // namespace

extern "C" int fsync(int fd) {
  if (Fails("fsync " + NameOf(fd))) return -1;
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

extern "C" int renameat(int from_dir, const char* from, int to_dir,
                        const char* to) noexcept {
  if (Fails(fodc::StrCat("rename ", from, " ", to))) return -1;
  return static_cast<int>(::syscall(SYS_renameat, from_dir, from, to_dir, to));
}

extern "C" int unlinkat(int dir, const char* name, int flags) noexcept {
  if (Fails(fodc::StrCat("remove ", name))) return -1;
  return static_cast<int>(::syscall(SYS_unlinkat, dir, name, flags));
}

namespace fodc::evidence {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class EventSyncTest : public EventStoreTest {
 protected:
  EventSyncTest() { seen = &calls_; }
  ~EventSyncTest() override {
    seen = nullptr;
    failing.clear();
  }

  std::vector<std::string> calls_;
};

TEST_F(EventSyncTest, ACommitSyncsFilesBeforeAndNamesAfterTheRename) {
  auto writer = store_->Begin(now_, kPlenty).value();
  EventMeta meta;
  AddArtifact(writer.get(), "a", "x", &meta);
  AddArtifact(writer.get(), "b", "y", &meta);
  calls_.clear();
  ASSERT_THAT(writer->Commit(meta), IsOk());
  EXPECT_THAT(calls_, ElementsAre("fsync a", "fsync b", "fsync " + writer->id(),
                                  "remove meta.json.tmp", "fsync meta.json.tmp",
                                  "rename meta.json.tmp meta.json",
                                  "fsync " + writer->id(), "fsync events"));
  AddArtifact(writer.get(), "c", "z", &meta);
  calls_.clear();
  ASSERT_THAT(writer->Commit(meta), IsOk());
  EXPECT_THAT(calls_, ElementsAre("fsync c", "fsync " + writer->id(),
                                  "remove meta.json.tmp", "fsync meta.json.tmp",
                                  "rename meta.json.tmp meta.json",
                                  "fsync " + writer->id(), "fsync events"));
}

TEST_F(EventSyncTest, APinIsSynced) {
  const std::string id = AddEvent(store_.get(), now_, {{"a", "x"}});
  calls_.clear();
  ASSERT_THAT(store_->Pin(id, {}), IsOk());
  EXPECT_THAT(calls_, ElementsAre("fsync " + id));
  calls_.clear();
  ASSERT_THAT(store_->Unpin(id), IsOk());
  EXPECT_THAT(calls_, ElementsAre("remove .pinned", "fsync " + id));
}

TEST_F(EventSyncTest, WhatTheDiskRefusesIsNoEvent) {
  for (const char* call :
       {"fsync a", "fsync meta.json.tmp", "rename meta.json.tmp meta.json"}) {
    auto writer = store_->Begin(now_, kPlenty).value();
    EventMeta meta;
    AddArtifact(writer.get(), "a", "x", &meta);
    failing = call;
    EXPECT_THAT(writer->Commit(meta), StatusIs(Code::kDataLoss, _)) << call;
    EXPECT_THAT(Ids(), IsEmpty()) << call;
    failing.clear();
    EXPECT_THAT(writer->Commit(meta), IsOk()) << call;
    EXPECT_EQ(writer->meta().revision, 1u);
    EXPECT_THAT(Ids(), SizeIs(1)) << call;
    const std::string id = writer->id();
    writer.reset();
    ASSERT_THAT(store_->Delete(id), IsOk());
  }
}

TEST_F(EventSyncTest, ARevisionThatFailsLeavesTheOneBefore) {
  auto writer = store_->Begin(now_, kPlenty).value();
  EventMeta meta;
  AddArtifact(writer.get(), "a", "x", &meta);
  ASSERT_THAT(writer->Commit(meta), IsOk());
  const std::string before = ReadFile(Path(writer->id(), "meta.json")).value();
  AddArtifact(writer.get(), "b", "y", &meta);
  failing = "rename meta.json.tmp meta.json";
  EXPECT_THAT(writer->Commit(meta), StatusIs(Code::kDataLoss, _));
  const std::string id = writer->id();
  writer.reset();
  EXPECT_THAT(ReadFile(Path(id, "meta.json")), IsOkAndHolds(before));
  EXPECT_THAT(ListDirectory(Path(id)),
              IsOkAndHolds(ElementsAre("a", "meta.json")));
}

// So that it is never there with a part of its files.
TEST_F(EventSyncTest, WhatIsDeletedLosesItsMetaFirst) {
  const std::string id = AddEvent(store_.get(), now_, {{"a", "x"}, {"b", "y"}});
  failing = "remove meta.json";
  EXPECT_THAT(store_->Delete(id), StatusIs(Code::kDataLoss, _));
  EXPECT_THAT(ListDirectory(Path(id)), IsOkAndHolds(SizeIs(3)));
  failing = "remove a";
  calls_.clear();
  EXPECT_THAT(store_->Delete(id), StatusIs(Code::kFailedPrecondition, _));
  EXPECT_EQ(calls_.front(), "remove meta.json");
  EXPECT_THAT(Ids(), IsEmpty());
  failing.clear();
  Reopen();
  EXPECT_THAT(ListDirectory(root_), IsOkAndHolds(IsEmpty()));
}

TEST_F(EventSyncTest, AnArtifactThatGetsNoNameIsNotThere) {
  auto writer = store_->Begin(now_, kPlenty).value();
  auto sink = writer->OpenArtifact("a", 10).value();
  failing = "rename .a.part a";
  EXPECT_THAT(sink->Finish(), StatusIs(Code::kDataLoss, _));
  EXPECT_THAT(ListDirectory(Path(writer->id())), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(writer->OpenArtifact("a", 10), IsOk());
}

}  // namespace
}  // namespace fodc::evidence
