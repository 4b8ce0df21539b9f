// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/catalog_backup.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fodc/backup/manifest.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/memory_store_testing.h"

namespace fodc::backup {
namespace {

using object_store::MemoryStore;
using ::testing::_;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr char kManifest[] = "2026-08-21/.meta/measure.json";

class CatalogBackupTest : public ::testing::Test {
 protected:
  CatalogBackupTest() {
    EXPECT_THAT(MakeDirectories(dir_.File("snapshot")), IsOk());
    EXPECT_THAT(MakeDirectories(dir_.File("work")), IsOk());
    options_.node_id = "node-1";
    options_.work_directory = dir_.File("work");
  }
  std::string Path(const std::string& name) const {
    return dir_.File("snapshot/" + name);
  }
  void Write(const std::string& name, std::string_view text) {
    const std::string path = Path(name);
    ASSERT_THAT(MakeDirectories(path.substr(0, path.rfind('/'))), IsOk());
    std::ofstream(path, std::ios::trunc) << text;
  }
  // As one that is not touched is left by the next snapshot.
  void SetMtime(const std::string& name, time_t seconds) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, Path(name).c_str(), times, 0), 0);
  }
  CatalogReport Run(std::stop_token stop = {}) {
    counters_ = std::make_unique<CatalogCounters>();
    store_.Forget();
    return BackUpCatalog(store_,
                         {.time_dir = "2026-08-21",
                          .catalog = "measure",
                          .directory = dir_.File("snapshot"),
                          .snapshot = "snap",
                          .partial = partial_,
                          .link_from = link_from_},
                         options_, clock_, stop, counters_.get());
  }
  static std::string Key(const std::string& name) {
    return "2026-08-21/measure/" + name;
  }
  // Without the manifests.
  std::vector<std::string> There() const {
    std::vector<std::string> names;
    for (const std::string& key : store_.keys()) {
      if (key.starts_with("2026-08-21/measure/"))
        names.push_back(key.substr(19));
    }
    return names;
  }
  std::string BytesOf(const std::string& name) const {
    const auto objects = store_.objects();
    const auto it = objects.find(Key(name));
    return it == objects.end() ? "none" : it->second.bytes;
  }
  std::vector<std::string> Uploaded() const {
    std::vector<std::string> names;
    for (const std::string& a : store_.Asked("put")) {
      if (a.starts_with("put 2026-08-21/measure/"))
        names.push_back(a.substr(23));
    }
    return names;
  }
  Result<std::vector<std::string>> Manifest(
      ManifestState state = ManifestState::kComplete) {
    const auto objects = store_.objects();
    const auto it = objects.find(kManifest);
    if (it == objects.end()) return NotFound("no manifest");
    FODC_RETURN_IF_ERROR(
        WriteFileAtomically(dir_.File("manifest"), it->second.bytes));
    FODC_ASSIGN_OR_RETURN(ManifestReader reader,
                          ManifestReader::Open(dir_.File("manifest")));
    EXPECT_EQ(reader.header().node_id, "node-1");
    EXPECT_EQ(reader.header().state, state);
    std::vector<std::string> paths;
    for (;;) {
      FODC_ASSIGN_OR_RETURN(auto entry, reader.Next());
      if (!entry) return paths;
      paths.push_back(entry->path);
    }
  }

  const TempDirectory dir_;
  FakeClock clock_;
  MemoryStore store_{clock_};
  CatalogOptions options_;
  std::string partial_;
  std::string link_from_;
  std::unique_ptr<CatalogCounters> counters_;
};

TEST_F(CatalogBackupTest, UploadsWhatIsNewAndDeletesWhatIsGone) {
  Write("g/seg/a", "one");
  Write("g/seg.b", "two");
  Write("g/empty", "");
  store_.Set(Key("g/old"), "gone");
  store_.Set("2026-08-21/measures", "of another");
  const CatalogReport first = Run();
  ASSERT_THAT(first.status, IsOk());
  EXPECT_TRUE(first.is_whole());
  EXPECT_EQ(first.orphans, 1U);
  EXPECT_THAT(There(), ElementsAre("g/empty", "g/seg.b", "g/seg/a"));
  EXPECT_EQ(BytesOf("g/seg/a"), "one");
  EXPECT_THAT(Manifest(),
              IsOkAndHolds(ElementsAre("g/empty", "g/seg.b", "g/seg/a")));
  EXPECT_TRUE(store_.objects().contains("2026-08-21/measures"));
  EXPECT_EQ(counters_->uploaded, 3U);
  EXPECT_EQ(counters_->uploaded_bytes, 6U);
  EXPECT_EQ(counters_->deleted, 1U);

  Write("g/new", "three");
  ASSERT_EQ(::unlink(Path("g/empty").c_str()), 0);
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Uploaded(), ElementsAre("g/new"));
  EXPECT_THAT(There(), ElementsAre("g/new", "g/seg.b", "g/seg/a"));
  EXPECT_EQ(counters_->unchanged, 2U);
}

// Upstream compares names alone.
TEST_F(CatalogBackupTest, OneThatHasChangedIsNotTakenForTheSame) {
  Write("larger", "1");
  Write("other", "1");
  Write("touched", "1");
  ASSERT_THAT(Run().status, IsOk());
  Write("larger", "12");
  Write("other", "2");
  SetMtime("other", 5);
  SetMtime("touched", 5);
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Uploaded(), UnorderedElementsAre("larger", "other"));
  EXPECT_EQ(BytesOf("other"), "2");
  EXPECT_EQ(counters_->unchanged, 1U);
}

// What a run that crashed left, or one that had other rules.
TEST_F(CatalogBackupTest, AHalfObjectIsPutAgain) {
  Write("a", "whole");
  store_.Set(Key("a"), "who");
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(BytesOf("a"), "whole");
  // As large, and the store tells its digest.
  store_.Set(Key("a"), "WHOLE");
  store_.tells_digests = true;
  SetMtime("a", 5);
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(BytesOf("a"), "whole");
}

TEST_F(CatalogBackupTest, HowFilesAreComparedIsAsked) {
  Write("a", "one");
  store_.Set(Key("a"), "two");
  options_.diff = DiffMode::kName;
  store_.Set(Key("a"), "longer");
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(BytesOf("a"), "longer");
  // Of a backup of the original's nothing but sizes are known.
  store_.Delete({kManifest}, {}).IgnoreError();
  store_.Set(Key("a"), "two");
  options_.diff = DiffMode::kSize;
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(BytesOf("a"), "two");
  options_.diff = DiffMode::kChecksum;
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(BytesOf("a"), "one");
}

TEST_F(CatalogBackupTest, OfAFailureNothingIsDeletedAndTheCauseIsTold) {
  for (int i = 0; i < 30; ++i) Write(StrCat("f", 10 + i), "x");
  store_.Set(Key("old"), "kept");
  store_.set_before([](std::string_view operation, std::string_view key) {
    if (operation == "put" && key.ends_with("f15"))
      return PermissionDenied("put f15: AccessDenied");
    return OkStatus();
  });
  const CatalogReport report = Run();
  EXPECT_THAT(report.status,
              StatusIs(Code::kPermissionDenied,
                       AllOf(HasSubstr("measure"), HasSubstr("AccessDenied"))));
  EXPECT_THAT(store_.Asked("delete"), IsEmpty());
  EXPECT_EQ(BytesOf("old"), "kept");
  EXPECT_THAT(Manifest(ManifestState::kInProgress), IsOk());
  // The next run needs no more than the rest.
  store_.set_before({});
  const std::size_t there = There().size();
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Uploaded(), SizeIs(31 - there));
  EXPECT_THAT(Manifest(), IsOkAndHolds(SizeIs(30)));
  EXPECT_EQ(BytesOf("old"), "none");
}

TEST_F(CatalogBackupTest, AListingThatFailsEndsIt) {
  Write("a", "x");
  store_.Set(Key("old"), "kept");
  store_.set_before([](std::string_view operation, std::string_view) {
    return operation == "list" ? Unavailable("list") : OkStatus();
  });
  EXPECT_THAT(Run().status, StatusIs(Code::kUnavailable, _));
  EXPECT_EQ(BytesOf("old"), "kept");
}

// The node says that groups are missing in its snapshot.
TEST_F(CatalogBackupTest, OfAPartialSnapshotNothingIsDeleted) {
  Write("g1/a", "x");
  store_.Set(Key("g2/a"), "good");
  partial_ = "group g2: failed";
  const CatalogReport report = Run();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_FALSE(report.is_whole());
  EXPECT_THAT(report.missing, ElementsAre("group g2: failed"));
  EXPECT_THAT(There(), ElementsAre("g1/a", "g2/a"));
  EXPECT_THAT(store_.Asked("delete"), IsEmpty());
  EXPECT_THAT(Manifest(ManifestState::kInProgress),
              IsOkAndHolds(ElementsAre("g1/a")));
}

TEST_F(CatalogBackupTest, WhatIsNoFileIsNamedAndNotWaitedFor) {
  Write("a", "x");
  ASSERT_EQ(::mkfifo(Path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(::symlink("/etc/passwd", Path("link").c_str()), 0);
  ASSERT_EQ(::link(Path("a").c_str(), Path("hard").c_str()), 0);
  ASSERT_THAT(MakeDirectories(Path("empty/dir")), IsOk());
  store_.Set(Key("old"), "kept");
  const CatalogReport report = Run();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_THAT(report.missing,
              ElementsAre(HasSubstr("fifo: it is no regular file"),
                          HasSubstr("link: it is no regular file")));
  EXPECT_THAT(There(), ElementsAre("a", "hard", "old"));
}

TEST_F(CatalogBackupTest, ASnapshotThatIsGoneIsAnError) {
  options_.work_directory = dir_.File("work");
  ASSERT_EQ(::rmdir(dir_.File("snapshot").c_str()), 0);
  store_.Set(Key("old"), "kept");
  EXPECT_THAT(Run().status, StatusIs(Code::kNotFound, _));
  EXPECT_EQ(BytesOf("old"), "kept");
}

TEST_F(CatalogBackupTest, OneThatChangesUnderWayIsAnError) {
  Write("a", std::string(300'000, 'x'));
  store_.set_before([this](std::string_view operation, std::string_view key) {
    if (operation == "put" && key.ends_with("/a"))
      std::ofstream(Path("a"), std::ios::app) << "more";
    return OkStatus();
  });
  EXPECT_THAT(Run().status, StatusIs(Code::kFailedPrecondition, _));
}

TEST_F(CatalogBackupTest, OneThatIsCutUnderWayIsAnError) {
  Write("a", std::string(300'000, 'x'));
  store_.Set(Key("old"), "kept");
  store_.set_before([this](std::string_view operation, std::string_view key) {
    if (operation == "put" && key.ends_with("/a"))
      std::filesystem::resize_file(Path("a"), 200'000);
    return OkStatus();
  });
  EXPECT_THAT(Run().status,
              StatusIs(Code::kFailedPrecondition, HasSubstr("a")));
  EXPECT_EQ(BytesOf("old"), "kept");
}

TEST_F(CatalogBackupTest, OneThatVanishesUnderWayIsAnError) {
  for (int i = 0; i < 10; ++i) Write(StrCat("f", i), "x");
  store_.Set(Key("old"), "kept");
  options_.upload_concurrency = 1;
  store_.set_before([this](std::string_view operation, std::string_view key) {
    if (operation == "put" && key.ends_with("/f0"))
      std::filesystem::remove(Path("f9"));
    return OkStatus();
  });
  EXPECT_THAT(Run().status, StatusIs(Code::kNotFound, HasSubstr("f9")));
  EXPECT_EQ(BytesOf("old"), "kept");
}

TEST_F(CatalogBackupTest, MoreThanAllowedIsNotDeleted) {
  Write("a", "x");
  for (int i = 0; i < 200; ++i) store_.Set(Key(StrCat("old", i)), "x");
  CatalogReport report = Run();
  EXPECT_TRUE(report.is_refused);
  EXPECT_THAT(report.status,
              StatusIs(Code::kFailedPrecondition,
                       HasSubstr("200 of 200 objects would be deleted")));
  EXPECT_THAT(There(), SizeIs(201));
  options_.keep_orphans = true;
  report = Run();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_THAT(There(), SizeIs(201));
  options_.keep_orphans = false;
  options_.max_delete_fraction = 1;
  EXPECT_THAT(Run().status, IsOk());
  EXPECT_THAT(There(), ElementsAre("a"));
}

TEST_F(CatalogBackupTest, WhatCannotBeDeletedIsNoFailure) {
  Write("a", "x");
  store_.Set(Key("old"), "x");
  store_.set_before([](std::string_view operation, std::string_view) {
    return operation == "delete" ? PermissionDenied("delete") : OkStatus();
  });
  const CatalogReport report = Run();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_EQ(report.delete_failures, 1U);
  EXPECT_THAT(Manifest(), IsOkAndHolds(ElementsAre("a")));
}

TEST_F(CatalogBackupTest, ADryRunChangesNothing) {
  Write("a", "x");
  store_.Set(Key("old"), "x");
  options_.is_dry_run = true;
  const CatalogReport report = Run();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_EQ(report.orphans, 1U);
  EXPECT_EQ(counters_->uploaded, 1U);
  EXPECT_THAT(store_.keys(), ElementsAre(Key("old")));
}

// A large one goes beside the small ones: neither waits for the other.
TEST_F(CatalogBackupTest, SmallOnesDoNotWaitForALargeOne) {
  options_.large_bytes = 1000;
  Write("a-large", std::string(1000, 'x'));
  for (int i = 0; i < 100; ++i) Write(StrCat("small", i), "x");
  std::atomic<int> small = 0;
  store_.set_before([&](std::string_view operation, std::string_view key) {
    if (operation != "put") return OkStatus();
    if (key.find("small") != key.npos) ++small;
    const MonotonicTime until =
        SystemClock().Monotonic() + std::chrono::seconds(30);
    while (key.ends_with("a-large") && small < 100 &&
           SystemClock().Monotonic() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return small == 100 || !key.ends_with("a-large") ? OkStatus()
                                                     : Unavailable("waited");
  });
  EXPECT_THAT(Run().status, IsOk());
  EXPECT_THAT(Manifest(), IsOkAndHolds(SizeIs(101)));
}

TEST_F(CatalogBackupTest, AStopEndsItSoonAndNothingIsDeleted) {
  for (int i = 0; i < 500; ++i) Write(StrCat("f", i), "x");
  store_.Set(Key("old"), "kept");
  std::stop_source stop;
  store_.set_before([&](std::string_view operation, std::string_view key) {
    if (operation == "put" && key.ends_with("f20")) stop.request_stop();
    return OkStatus();
  });
  EXPECT_THAT(Run(stop.get_token()).status, StatusIs(Code::kCancelled, _));
  EXPECT_LT(There().size(), 400U);
  EXPECT_EQ(BytesOf("old"), "kept");
}

TEST_F(CatalogBackupTest, ADamagedManifestCostsReadingAndNoMore) {
  Write("a", "x");
  ASSERT_THAT(Run().status, IsOk());
  store_.Set(kManifest, "no manifest");
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Uploaded(), IsEmpty());
  EXPECT_THAT(Manifest(), IsOkAndHolds(ElementsAre("a")));
}

// A run that was killed has left a mark, and the manifest before it.
TEST_F(CatalogBackupTest, TheManifestBeforeIsKeptUntilTheNextIsThere) {
  Write("a", "x");
  ASSERT_THAT(Run().status, IsOk());
  Write("b", "x");
  store_.set_before([](std::string_view operation, std::string_view key) {
    return operation == "put" && key.ends_with("/b") ? Unavailable("b")
                                                     : OkStatus();
  });
  ASSERT_FALSE(Run().status.ok());
  store_.set_before({});
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Uploaded(), ElementsAre("b"));
  EXPECT_EQ(counters_->unchanged, 1U) << "its digest was known";
}

// What is the same in an earlier backup is copied there, by its manifest;
// bytes that are not the same go up.
TEST_F(CatalogBackupTest, WhatAnEarlierBackupHasIsCopied) {
  for (const char* name : {"kept", "touched", "other", "gone-there"}) {
    Write(name, "same");
    SetMtime(name, 1000);
  }
  ASSERT_THAT(Run().status, IsOk());
  for (const std::string& key : store_.keys()) {
    const auto object = store_.objects().at(key);
    if (key.ends_with("gone-there")) continue;
    store_.Set("2026-08-20" + key.substr(10), object.bytes);
  }
  std::vector<std::string> today = store_.keys();
  std::erase_if(today, [](const std::string& key) {
    return !key.starts_with("2026-08-21");
  });
  ASSERT_THAT(store_.Delete(today, {}), IsOk());
  SetMtime("touched", 2000);
  Write("other", "else");
  SetMtime("other", 3000);
  Write("new", "new");
  link_from_ = "2026-08-20";
  const CatalogReport report = Run();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_EQ(counters_->copied, 2u);
  EXPECT_EQ(counters_->uploaded, 5u);
  EXPECT_THAT(Uploaded(), UnorderedElementsAre("gone-there", "new", "other"));
  EXPECT_EQ(BytesOf("kept"), "same");
  EXPECT_EQ(BytesOf("touched"), "same");
  EXPECT_EQ(BytesOf("other"), "else");
  EXPECT_EQ(BytesOf("gone-there"), "same");
  EXPECT_THAT(Manifest(), IsOkAndHolds(ElementsAre("gone-there", "kept", "new",
                                                   "other", "touched")));
}

// What does not fit is read twice, and goes all the same.
TEST_F(CatalogBackupTest, BuffersHaveABound) {
  for (int i = 0; i < 50; ++i) Write(StrCat("f", i), std::string(1000, 'x'));
  options_.max_buffer_bytes = 1500;
  EXPECT_THAT(Run().status, IsOk());
  EXPECT_THAT(There(), SizeIs(50));
  EXPECT_EQ(BytesOf("f7"), std::string(1000, 'x'));
  options_.max_buffer_bytes = 0;
  Write("more", "more");
  EXPECT_THAT(Run().status, IsOk());
  EXPECT_EQ(BytesOf("more"), "more");
}

TEST_F(CatalogBackupTest, CountsTheWholeForWhoWatches) {
  Write("a/b", "12345");
  Write("c", "1");
  options_.tells_totals = true;
  // Until it is counted, nothing goes up.
  store_.set_before([this](std::string_view operation, std::string_view) {
    while (operation == "put" && counters_->total_files == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return OkStatus();
  });
  EXPECT_THAT(Run().status, IsOk());
  EXPECT_EQ(counters_->total_files, 2u);
  EXPECT_EQ(counters_->total_bytes, 6u);
}

TEST_F(CatalogBackupTest, NamesMayHaveAnyByteAndTreesAnyDepth) {
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "d/";
  for (const std::string& name :
       {std::string("a b"), std::string("a+b%20:c"), std::string("\xc3\xa9"),
        std::string("a\nb"), std::string("a\\b\"c"), deep + "leaf"}) {
    Write(name, name);
  }
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(BytesOf("a\nb"), "a\nb");
  EXPECT_EQ(BytesOf(deep + "leaf"), deep + "leaf");
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Uploaded(), IsEmpty());
}

}  // namespace
}  // namespace fodc::backup
