// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/file_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FileStoreTest : public ::testing::Test {
 protected:
  Status Put(std::string_view key, std::string_view bytes,
             PutOptions options = {}) {
    return store_.Put(key, MemoryBlob(bytes), {}, options);
  }
  void PutAll(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) ASSERT_THAT(Put(key, key), IsOk());
    ASSERT_THAT(store_.Sync({}), IsOk());
  }
  Result<std::string> Get(std::string_view key, GetOptions options = {}) {
    std::string all;
    FODC_ASSIGN_OR_RETURN(const ObjectInfo info,
                          store_.Get(key, options, [&](std::string_view piece) {
                            all += piece;
                            return OkStatus();
                          }));
    EXPECT_EQ(info.key, key);
    return all;
  }
  // Over all pages, with "/" behind prefixes.
  std::vector<std::string> List(ListRequest request = {}) {
    std::vector<std::string> all;
    do {
      const auto page = store_.List(request, {});
      EXPECT_THAT(page, IsOk());
      if (!page.ok()) return all;
      for (const ObjectInfo& o : page->objects) all.push_back(o.key);
      all.insert(all.end(), page->prefixes.begin(), page->prefixes.end());
      request.token = page->next_token;
    } while (!request.token.empty());
    std::ranges::sort(all);
    return all;
  }
  std::vector<std::string> OnDisk() const {
    std::vector<std::string> names;
    for (const auto& e : std::filesystem::recursive_directory_iterator(root_)) {
      names.push_back(e.path().lexically_relative(root_));
    }
    std::ranges::sort(names);
    return names;
  }

  const TempDirectory dir_;
  const std::string root_ = dir_.File("store");
  FakeClock clock_;
  FileStore store_{root_, clock_};
  const Status prepared_ = store_.Prepare({});
};

TEST_F(FileStoreTest, GivesBackWhatWasPut) {
  ASSERT_THAT(Put("day/stream/a", "hello"), IsOk());
  ASSERT_THAT(Put("day/stream/empty", ""), IsOk());
  ASSERT_THAT(store_.Sync({}), IsOk());
  EXPECT_THAT(Get("day/stream/a"), IsOkAndHolds("hello"));
  EXPECT_THAT(Get("day/stream/empty"), IsOkAndHolds(""));
  EXPECT_THAT(Get("day/stream/a", {.offset = 1, .bytes = 3}),
              IsOkAndHolds("ell"));
  EXPECT_THAT(Get("day/stream/a", {.offset = 9}), IsOkAndHolds(""));
  const auto info = store_.Head("day/stream/a", {});
  ASSERT_THAT(info, IsOk());
  EXPECT_EQ(info->bytes, 5u);
  EXPECT_GT(info->modified, UnixTime());
  EXPECT_THAT(store_.Head("day/stream/b", {}), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(store_.Head("day/stream", {}), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(Get("day/none/b"), StatusIs(Code::kNotFound, _));
}

TEST_F(FileStoreTest, WhatIsPutAppearsWholeWithTheSync) {
  ASSERT_THAT(Put("a", "old"), IsOk());
  ASSERT_THAT(store_.Sync({}), IsOk());
  ASSERT_THAT(Put("a", "new"), IsOk());
  ASSERT_THAT(Put("b", "x"), IsOk());
  EXPECT_THAT(Get("a"), IsOkAndHolds("old"));
  EXPECT_THAT(List(), ElementsAre("a"));
  ASSERT_THAT(store_.Sync({}), IsOk());
  EXPECT_THAT(Get("a"), IsOkAndHolds("new"));
  EXPECT_THAT(List(), ElementsAre("a", "b"));
  EXPECT_THAT(OnDisk(), ElementsAre("a", "b"));
}

TEST_F(FileStoreTest, ManyAreSyncedUnderWay) {
  for (std::size_t i = 0; i <= FileStore::kMaxWaiting; ++i)
    ASSERT_THAT(Put(StrCat("d", i % 3, "/", i), "x"), IsOk());
  EXPECT_EQ(List().size(), FileStore::kMaxWaiting);
}

TEST_F(FileStoreTest, WhatACrashLeavesIsWrittenOver) {
  ASSERT_THAT(Put("d/a", "whole"), IsOk());
  // As one who was killed before the Sync leaves it.
  const std::vector<std::string> left = OnDisk();
  ASSERT_EQ(left.size(), 2u);
  EXPECT_TRUE(left[1].starts_with(StrCat("d/", FileStore::kPartPrefix)));
  FileStore next(root_, clock_);
  EXPECT_THAT(next.List({}, {})->objects, IsEmpty());
  ASSERT_THAT(next.Put("d/a", MemoryBlob("other"), {}, {}), IsOk());
  ASSERT_THAT(next.Sync({}), IsOk());
  EXPECT_THAT(OnDisk(), ElementsAre("d", "d/a"));
  EXPECT_THAT(Get("d/a"), IsOkAndHolds("other"));
}

TEST_F(FileStoreTest, WhatACrashLeftOfOthersGoesWithTheirDirectory) {
  PutAll({"d/a", "e/a"});
  ASSERT_THAT(Put("d/b", "half"), IsOk());
  FileStore next(root_, clock_);
  // It may be written just now.
  clock_.StepUnix(SystemClock().Unix() - clock_.Unix());
  ASSERT_THAT(next.Delete({"d/a"}, {}), IsOk());
  EXPECT_EQ(OnDisk().size(), 4u);
  clock_.StepUnix(std::chrono::hours(2));
  ASSERT_THAT(next.Delete({"d/a"}, {}), IsOk());
  EXPECT_THAT(OnDisk(), ElementsAre("e", "e/a"));
}

TEST_F(FileStoreTest, OneThatMustNotBeThereIsThereAtOnce) {
  ASSERT_THAT(Put("m/lease", "mine", {.only_if_absent = true}), IsOk());
  EXPECT_THAT(Get("m/lease"), IsOkAndHolds("mine"));
  EXPECT_THAT(Put("m/lease", "yours", {.only_if_absent = true}),
              StatusIs(Code::kAlreadyExists, HasSubstr("m/lease")));
  EXPECT_THAT(Get("m/lease"), IsOkAndHolds("mine"));
  EXPECT_THAT(OnDisk(), ElementsAre("m", "m/lease"));
}

TEST_F(FileStoreTest, ListsInOrderPageByPage) {
  const std::vector<std::string> keys = {"d-/z", "d.b",  "d/a/x", "d/a/y",
                                         "d/b",  "d0/e", "e",     "f/g"};
  PutAll(keys);
  for (std::size_t most = 1; most <= keys.size() + 1; ++most) {
    std::vector<std::string> all;
    ListRequest request{.max_keys = most};
    do {
      const auto page = store_.List(request, {});
      ASSERT_THAT(page, IsOk());
      EXPECT_LE(page->objects.size(), most);
      for (const ObjectInfo& o : page->objects) all.push_back(o.key);
      request.token = page->next_token;
      // Another listing between two pages changes nothing.
      if (all.size() % 2 == 0) (void)store_.List({.max_keys = 1}, {});
    } while (!request.token.empty());
    EXPECT_EQ(all, keys);
  }
}

TEST_F(FileStoreTest, ListsWhatHasAPrefix) {
  PutAll({"2026-01-01/measure/a", "2026-01-01/stream/a", "2026-01-01/stream/b",
          "2026-01-01/stream-x/a", "2026-01-02/stream/a", "x"});
  EXPECT_THAT(List({.prefix = "2026-01-01/stream/"}),
              ElementsAre("2026-01-01/stream/a", "2026-01-01/stream/b"));
  EXPECT_THAT(List({.prefix = "2026-01-01/str"}),
              ElementsAre("2026-01-01/stream-x/a", "2026-01-01/stream/a",
                          "2026-01-01/stream/b"));
  EXPECT_THAT(List({.prefix = "none/"}), IsEmpty());
  EXPECT_THAT(List({.delimiter = "/"}),
              ElementsAre("2026-01-01/", "2026-01-02/", "x"));
  EXPECT_THAT(List({.delimiter = "/", .max_keys = 1}),
              ElementsAre("2026-01-01/", "2026-01-02/", "x"));
  EXPECT_THAT(List({.prefix = "2026-01-01/", .delimiter = "/"}),
              ElementsAre("2026-01-01/measure/", "2026-01-01/stream-x/",
                          "2026-01-01/stream/"));
  EXPECT_THAT(store_.List({.delimiter = "-"}, {}),
              StatusIs(Code::kUnimplemented, _));
}

TEST_F(FileStoreTest, DeletesAndLeavesNoEmptyDirectory) {
  PutAll({"d/a/x", "d/a/y", "d/b", "e/f"});
  ASSERT_THAT(store_.Delete({"d/a/x", "d/a/y", "none/z", "e/f"}, {}), IsOk());
  EXPECT_THAT(OnDisk(), ElementsAre("d", "d/b"));
  ASSERT_THAT(store_.Delete({"d/b"}, {}), IsOk());
  EXPECT_THAT(OnDisk(), IsEmpty());
  // The store itself stays, and is used again.
  PutAll({"d/b"});
  EXPECT_THAT(Get("d/b"), IsOkAndHolds("d/b"));
}

TEST_F(FileStoreTest, TheFirstFailureOfADeleteIsToldAndAllAreTried) {
  PutAll({"a", "b"});
  EXPECT_THAT(store_.Delete({"../x", "a", "b"}, {}),
              StatusIs(Code::kInvalidArgument, HasSubstr("../x")));
  EXPECT_THAT(List(), IsEmpty());
}

// Who puts and who syncs are not the same: a lease is renewed beside a run.
TEST_F(FileStoreTest, AFailureToMakeDurableIsToldToAll) {
  ASSERT_THAT(Put("d/a", "text"), IsOk());
  std::filesystem::remove_all(root_ + "/d");
  EXPECT_FALSE(store_.Sync({}).ok());
  EXPECT_FALSE(store_.Sync({}).ok());
  EXPECT_THAT(store_.Prepare({}), IsOk());
  EXPECT_THAT(store_.Sync({}), IsOk());
}

TEST_F(FileStoreTest, ACopyStaysWhenTheOtherChanges) {
  PutAll({"one/a"});
  ASSERT_THAT(store_.Copy("one/a", "two/b", {}), IsOk());
  EXPECT_THAT(Get("two/b"), IsOkAndHolds("one/a"));
  ASSERT_THAT(Put("one/a", "changed"), IsOk());
  ASSERT_THAT(store_.Sync({}), IsOk());
  EXPECT_THAT(Get("two/b"), IsOkAndHolds("one/a"));
  EXPECT_THAT(store_.Copy("none", "x", {}), StatusIs(Code::kNotFound, _));
}

TEST_F(FileStoreTest, NothingLeadsOutOfIt) {
  const std::string outside = dir_.File("outside");
  ASSERT_THAT(MakeDirectories(outside), IsOk());
  ASSERT_THAT(WriteFileAtomically(outside + "/secret", "s"), IsOk());
  ASSERT_EQ(::symlink(outside.c_str(), (root_ + "/link").c_str()), 0);
  ASSERT_EQ(::symlink((outside + "/secret").c_str(), (root_ + "/file").c_str()),
            0);
  for (const char* key : {"link/secret", "link/new", "../outside/secret", "..",
                          ".", "", "/etc/passwd", "a//b", "C:/x"}) {
    SCOPED_TRACE(key);
    EXPECT_FALSE(Put(key, "x").ok());
    EXPECT_FALSE(Get(key).ok());
    EXPECT_FALSE(store_.Head(key, {}).ok());
    EXPECT_FALSE(store_.Delete({key}, {}).ok());
  }
  EXPECT_FALSE(Get("file").ok());
  EXPECT_THAT(List(), IsEmpty());
  // A link in the place of an object is replaced, and not written through.
  ASSERT_THAT(Put("file", "x"), IsOk());
  ASSERT_THAT(store_.Sync({}), IsOk());
  EXPECT_THAT(ReadFile(outside + "/secret"), IsOkAndHolds("s"));
  EXPECT_THAT(Get("file"), IsOkAndHolds("x"));
}

TEST_F(FileStoreTest, TakesNamesOfItsOwnForNobody) {
  EXPECT_THAT(Put(StrCat("a/", FileStore::kPartPrefix, "x"), "x"),
              StatusIs(Code::kInvalidArgument, _));
}

TEST_F(FileStoreTest, NamesMayHaveAnyByte) {
  std::string name;
  for (int c = 1; c < 256; ++c) {
    if (c != '/') name.push_back(static_cast<char>(c));
  }
  // A name may have 255 bytes.
  PutAll({"d/" + name, std::string(255, 'n')});
  EXPECT_THAT(Get("d/" + name), IsOkAndHolds("d/" + name));
  EXPECT_EQ(List().size(), 2u);
  EXPECT_FALSE(Put(std::string(256, 'n'), "").ok());
}

TEST_F(FileStoreTest, AStopEndsATransfer) {
  std::stop_source stop;
  const std::string large(5 << 20, 'x');
  ASSERT_THAT(Put("a", large), IsOk());
  ASSERT_THAT(store_.Sync({}), IsOk());
  std::size_t got = 0;
  const auto result =
      store_.Get("a", {.stop = stop.get_token()}, [&](std::string_view piece) {
        got += piece.size();
        stop.request_stop();
        return OkStatus();
      });
  EXPECT_THAT(result, StatusIs(Code::kCancelled, _));
  EXPECT_LT(got, large.size());
  EXPECT_THAT(Put("b", large, {.stop = stop.get_token()}),
              StatusIs(Code::kCancelled, _));
  EXPECT_THAT(OnDisk(), ElementsAre("a"));
}

TEST_F(FileStoreTest, ThreadsMayPutAtOnce) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 300; ++i) {
        EXPECT_THAT(Put(StrCat("d", i % 7, "/", t, "-", i), StrCat(t, i)),
                    IsOk());
      }
    });
  }
  threads.clear();
  ASSERT_THAT(store_.Sync({}), IsOk());
  EXPECT_EQ(List().size(), 1200u);
  EXPECT_THAT(Get("d2/3-2"), IsOkAndHolds("32"));
}

TEST_F(FileStoreTest, ADirectoryThatIsNotThereIsSaidSo) {
  FileStore none(dir_.File("none"), clock_);
  EXPECT_THAT(none.List({}, {}), StatusIs(Code::kNotFound, HasSubstr("none")));
  EXPECT_FALSE(none.Put("a", MemoryBlob("x"), {}, {}).ok());
  ASSERT_THAT(WriteFileAtomically(dir_.File("file"), ""), IsOk());
  EXPECT_FALSE(FileStore(dir_.File("file"), clock_).Prepare({}).ok());
}

}  // namespace
}  // namespace fodc::object_store
