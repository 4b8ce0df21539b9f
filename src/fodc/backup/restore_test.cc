// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/restore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "fodc/backup/catalog_backup.h"
#include "fodc/backup/time_dir.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/memory_store_testing.h"
#include "tests/support/wait.h"

namespace fodc::backup {
namespace {

namespace fs = std::filesystem;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RestoreTest : public ::testing::Test {
 protected:
  RestoreTest() {
    EXPECT_THAT(MakeDirectories(catalog_ + "/data"), IsOk());
    EXPECT_THAT(WriteTimeDir(catalog_, "2026-08-21"), IsOk());
  }
  static std::string Key(const std::string& name) {
    return "2026-08-21/measure/" + name;
  }
  void WriteHere(const std::string& name, std::string_view text) {
    const std::string path = StrCat(catalog_, "/data/", name);
    ASSERT_THAT(MakeDirectories(path.substr(0, path.rfind('/'))), IsOk());
    std::ofstream(path, std::ios::trunc) << text;
  }
  std::string Here(const std::string& name) const {
    return ReadFile(StrCat(catalog_, "/data/", name)).value_or("none");
  }
  std::vector<std::string> AllHere() const {
    std::vector<std::string> all;
    const fs::path root(catalog_ + "/data");
    for (const auto& e : fs::recursive_directory_iterator(root)) {
      all.push_back(e.path().lexically_relative(root).string() +
                    (e.is_directory() ? "/" : ""));
    }
    std::sort(all.begin(), all.end());
    return all;
  }
  bool IsAsked() const { return ReadTimeDir(catalog_).ok(); }
  RestoreReport Run(const std::stop_token& stop = {}) {
    counters_ = std::make_unique<RestoreCounters>();
    store_.Forget();
    return RestoreCatalog(store_, "measure", catalog_, options_, stop,
                          counters_.get());
  }

  const TempDirectory dir_;
  const std::string catalog_ = dir_.File("root/measure");
  object_store::MemoryStore store_{SystemClock()};
  RestoreOptions options_;
  std::unique_ptr<RestoreCounters> counters_;
};

TEST_F(RestoreTest, MakesItAsItWas) {
  for (const char* name : {"g/a", "g/seg.b", "g/seg/c", "g/same"})
    store_.Set(Key(name), name);
  store_.Set("2026-08-21/measures/x", "of another");
  WriteHere("g/same", "g/same");
  WriteHere("g/a", "longer than it was");
  WriteHere("old/deep/file", "x");
  const RestoreReport report = Run();
  ASSERT_THAT(report.status, IsOk());
  EXPECT_EQ(report.time_dir, "2026-08-21");
  EXPECT_THAT(AllHere(), ElementsAre("g/", "g/a", "g/same", "g/seg.b", "g/seg/",
                                     "g/seg/c"));
  EXPECT_EQ(Here("g/a"), "g/a");
  EXPECT_EQ(Here("g/seg/c"), "g/seg/c");
  EXPECT_EQ(counters_->deleted, 1U);
  EXPECT_FALSE(IsAsked());
  struct stat s {};
  ASSERT_EQ(::stat((catalog_ + "/data/g/a").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0600U);
  ASSERT_EQ(::stat((catalog_ + "/data/g/seg").c_str(), &s), 0);
  EXPECT_EQ(s.st_mode & 0777, 0700U);
  // Nobody asks any more.
  EXPECT_EQ(Run().time_dir, "");
  EXPECT_THAT(store_.Asked(), IsEmpty());
}

// As another database wants it: no file asks, and the directory is the one.
TEST_F(RestoreTest, MakesADirectoryOfItsOwnWhatItWas) {
  store_.Set(Key("g/a"), "a");
  store_.tells_digests = true;
  const std::string target = dir_.File("target");
  options_.time_dir = "2026-08-21";
  RestoreCounters counters;
  const auto restore = [&] {
    return RestoreCatalog(store_, "measure", target, options_, {}, &counters);
  };
  ASSERT_THAT(restore().status, IsOk());
  EXPECT_EQ(ReadFile(target + "/g/a").value_or("none"), "a");
  EXPECT_EQ(restore().time_dir, "2026-08-21");
  EXPECT_EQ(counters.unchanged, 1u);
}

// Upstream wipes what is here, and says that all is well.
TEST_F(RestoreTest, ATimeDirectoryWithoutFilesIsRefused) {
  WriteHere("a", "x");
  EXPECT_THAT(Run().status, StatusIs(Code::kNotFound, HasSubstr("stays")));
  EXPECT_EQ(Here("a"), "x");
  EXPECT_TRUE(IsAsked());
  options_.allow_empty = true;
  EXPECT_THAT(Run().status, IsOk());
  EXPECT_THAT(AllHere(), IsEmpty());
}

// Upstream deletes first, and downloads then.
TEST_F(RestoreTest, NothingIsDeletedBeforeAllIsThere) {
  for (int i = 0; i < 50; ++i) store_.Set(Key(StrCat("f", 10 + i)), "x");
  store_.tells_digests = true;
  WriteHere("old", "kept");
  store_.set_before([](std::string_view operation, std::string_view key) {
    return operation == "get" && key.ends_with("f30") ? Unavailable("get")
                                                      : OkStatus();
  });
  EXPECT_THAT(Run().status, StatusIs(Code::kUnavailable, HasSubstr("measure")));
  EXPECT_EQ(Here("old"), "kept");
  EXPECT_TRUE(IsAsked());
  for (const std::string& name : AllHere())
    EXPECT_EQ(name.find(".fodc-restore"), name.npos) << name;
  // The next one goes on.
  store_.set_before({});
  const std::size_t here = AllHere().size() - 1;
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(counters_->unchanged, here);
  EXPECT_THAT(AllHere(), SizeIs(50));
}

// Upstream throws the mismatch away.
TEST_F(RestoreTest, WhatIsNotAsItWasIsNamedAndNotPutThere) {
  store_.Set(Key("a"), "good");
  store_.Set(Key("b"), "good");
  store_.Damage(Key("b"));
  WriteHere("b", "older");
  EXPECT_THAT(Run().status, StatusIs(Code::kDataLoss, HasSubstr("measure/b")));
  EXPECT_EQ(Here("b"), "older");
  EXPECT_EQ(counters_->mismatches, 1U);
  EXPECT_TRUE(IsAsked());
}

// The store may be wrong about itself: the manifest knows.
TEST_F(RestoreTest, TheManifestKnowsBetterThanTheStore) {
  const std::string snapshot = dir_.File("snapshot");
  ASSERT_THAT(MakeDirectories(snapshot), IsOk());
  ASSERT_THAT(MakeDirectories(dir_.File("work")), IsOk());
  std::ofstream(snapshot + "/a") << "good";
  CatalogCounters counters;
  ASSERT_THAT(BackUpCatalog(store_,
                            {.time_dir = "2026-08-21",
                             .catalog = "measure",
                             .directory = snapshot},
                            {.work_directory = dir_.File("work")},
                            SystemClock(), {}, &counters)
                  .status,
              IsOk());
  store_.Set(Key("a"), "evil");
  EXPECT_THAT(Run().status, StatusIs(Code::kDataLoss, HasSubstr("measure/a")));
  EXPECT_EQ(Here("a"), "none");
}

// Of a download that was killed, or by a file of another time.
TEST_F(RestoreTest, AFileAsLargeIsNotTakenForIt) {
  store_.Set(Key("a"), "good");
  store_.tells_digests = true;
  WriteHere("a", "evil");
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(Here("a"), "good");
}

// Upstream fetches one after the other, and looks for each of them in a list of
// all.
TEST_F(RestoreTest, FetchesManyAtOnceAndListsOnce) {
  for (int i = 0; i < 60; ++i) {
    store_.Set(Key(StrCat("f", 10 + i)), "x");
    if (i % 2 == 0) WriteHere(StrCat("f", 10 + i), "x");
  }
  store_.tells_digests = true;
  std::atomic<int> begun = 0;
  store_.set_before([&begun](std::string_view operation, std::string_view key) {
    if (operation != "get" || !key.starts_with(Key(""))) return OkStatus();
    ++begun;
    return test::WaitUntil([&begun] { return begun >= 8; })
               ? OkStatus()
               : Unavailable("no other is fetched beside it");
  });
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(counters_->unchanged, 30U);
  EXPECT_EQ(begun, 30);
  EXPECT_LE(store_.Asked("list").size(), 60 / store_.page_keys + 1);
  EXPECT_THAT(store_.Asked("head"), IsEmpty());
}

TEST_F(RestoreTest, FilesAndDirectoriesMayChangePlaces) {
  store_.Set(Key("a/b"), "x");
  store_.Set(Key("c"), "y");
  WriteHere("a", "a file");
  WriteHere("c/d/e", "in a directory");
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(AllHere(), ElementsAre("a/", "a/b", "c"));
}

TEST_F(RestoreTest, NoKeyLeadsElsewhere) {
  ASSERT_EQ(::symlink(dir_.path().c_str(), (catalog_ + "/data/out").c_str()),
            0);
  store_.Set(Key("out/file"), "x");
  EXPECT_FALSE(ReadFile(dir_.File("file")).ok());
  ASSERT_THAT(Run().status, IsOk()) << "the link is of another time";
  EXPECT_FALSE(ReadFile(dir_.File("file")).ok());
  EXPECT_EQ(Here("out/file"), "x");
  for (const std::string& key :
       {std::string("../x"), std::string("a/../../x"), std::string("/x"),
        std::string("a//b"), std::string("."), std::string("C:/x")}) {
    object_store::MemoryStore hostile{SystemClock()};
    hostile.Set(Key(key), "x");
    ASSERT_THAT(WriteTimeDir(catalog_, "2026-08-21"), IsOk());
    RestoreCounters counters;
    EXPECT_THAT(
        RestoreCatalog(hostile, "measure", catalog_, {}, {}, &counters).status,
        StatusIs(Code::kInvalidArgument, _))
        << key;
    EXPECT_EQ(Here("out/file"), "x");
  }
  ASSERT_THAT(WriteTimeDir(catalog_, "../other"), IsOk());
  EXPECT_THAT(Run().status, StatusIs(Code::kInvalidArgument, _));
}

TEST_F(RestoreTest, ADryRunAndACheckChangeNothing) {
  store_.Set(Key("a"), "new");
  store_.tells_digests = true;
  WriteHere("b", "x");
  options_.is_dry_run = true;
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(counters_->downloaded, 1U);
  EXPECT_EQ(counters_->deleted, 1U);
  options_.is_dry_run = false;
  options_.is_check = true;
  EXPECT_THAT(Run().status, StatusIs(Code::kDataLoss, HasSubstr("1 files")));
  EXPECT_THAT(AllHere(), ElementsAre("b"));
  options_.is_check = false;
  ASSERT_THAT(Run().status, IsOk());
  ASSERT_THAT(WriteTimeDir(catalog_, "2026-08-21"), IsOk());
  options_.is_check = true;
  EXPECT_THAT(Run().status, IsOk());
  EXPECT_TRUE(IsAsked());
}

TEST_F(RestoreTest, AStopEndsItAndTheNextGoesOn) {
  for (int i = 0; i < 200; ++i) store_.Set(Key(StrCat("f", i)), "x");
  std::stop_source stop;
  store_.set_before([&](std::string_view operation, std::string_view key) {
    if (operation == "get" && key.ends_with("f120")) stop.request_stop();
    return OkStatus();
  });
  EXPECT_THAT(Run(stop.get_token()).status, StatusIs(Code::kCancelled, _));
  EXPECT_TRUE(IsAsked());
  store_.set_before({});
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(AllHere(), SizeIs(200));
}

TEST_F(RestoreTest, PartsOfARunThatWasKilledGo) {
  store_.Set(Key("g/a"), "x");
  WriteHere("g/.fodc-restore-0123456789abcdef-7", "half");
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(AllHere(), ElementsAre("g/", "g/a"));
}

TEST_F(RestoreTest, LargeOnesComeInRangesAndAreCompared) {
  options_.ranged_bytes = 1000;
  std::string large(5000, 'l');
  for (std::size_t i = 0; i < large.size(); ++i)
    large[i] = static_cast<char>(i * 7 / 3);
  store_.Set(Key("large"), large);
  store_.Set(Key("small"), "small");
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(Here("large"), large);
  EXPECT_EQ(Here("small"), "small");
  // One that rots is not taken for it, and what is here stays.
  ASSERT_THAT(WriteTimeDir(catalog_, "2026-08-21"), IsOk());
  WriteHere("large", "other");
  store_.tells_digests = true;
  store_.Damage(Key("large"));
  EXPECT_THAT(Run().status, StatusIs(Code::kDataLoss, HasSubstr("large")));
  EXPECT_EQ(Here("large"), "other");
  EXPECT_EQ(counters_->mismatches, 1U);
  EXPECT_THAT(AllHere(), ElementsAre("large", "small"));
}

}  // namespace
}  // namespace fodc::backup
