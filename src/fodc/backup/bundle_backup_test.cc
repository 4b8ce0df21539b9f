// SPDX-License-Identifier: Apache-2.0
// Layout 2, there and back: what is backed up, verified and restored.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fodc/backup/catalog_backup.h"
#include "fodc/backup/restore.h"
#include "fodc/backup/verify.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/memory_store_testing.h"

namespace fodc::backup {
namespace {

namespace fs = std::filesystem;
using object_store::MemoryStore;
using ::testing::_;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kPrefix[] = "2026-08-21/measure/.bundles/";
constexpr char kManifest[] = "2026-08-21/.meta/measure.json";

std::shared_ptr<const SealKey> NewKey(unsigned char byte) {
  std::array<unsigned char, SealKey::kBytes> key{};
  key.fill(byte);
  return std::make_shared<const SealKey>(key);
}

using Tree = std::map<std::string, std::string>;

Tree TreeAt(const std::string& root) {
  Tree tree;
  if (!fs::exists(root)) return tree;
  for (const auto& e : fs::recursive_directory_iterator(root)) {
    if (e.is_regular_file()) {
      tree[e.path().lexically_relative(root).string()] =
          ReadFile(e.path(), 1u << 27).value();
    }
  }
  return tree;
}

class BundleBackupTest : public ::testing::Test {
 protected:
  BundleBackupTest() {
    EXPECT_THAT(MakeDirectories(source()), IsOk());
    EXPECT_THAT(MakeDirectories(dir_.File("work")), IsOk());
    options_.layout = Layout::kBundles;
    options_.bundles = {.bundle_bytes = 1000, .file_bytes = 400};
    options_.node_id = "node-1";
    options_.work_directory = dir_.File("work");
    options_.max_delete_fraction = 1;
  }
  std::string source() const { return dir_.File("snapshot"); }
  std::string target() const { return dir_.File("restored"); }
  void Write(const std::string& name, std::string_view text) {
    const std::string path = StrCat(source(), "/", name);
    ASSERT_THAT(MakeDirectories(path.substr(0, path.rfind('/'))), IsOk());
    std::ofstream(path, std::ios::trunc) << text;
  }
  void Remove(const std::string& name) {
    ASSERT_TRUE(fs::remove(StrCat(source(), "/", name)));
  }
  // Thirty files of 100 bytes: three bundles.
  void WriteThirty() {
    for (int i = 10; i < 40; ++i)
      Write(StrCat("d", i % 3, "/f", i), std::string(100, 'a'));
  }
  CatalogReport Run(std::stop_token stop = {}) {
    counters_ = std::make_unique<CatalogCounters>();
    store_.Forget();
    return BackUpCatalog(store_,
                         {.time_dir = time_dir_,
                          .catalog = "measure",
                          .directory = source(),
                          .snapshot = "snap",
                          .partial = partial_,
                          .link_from = link_from_},
                         options_, clock_, stop, counters_.get());
  }
  RestoreReport RestoreAll(RestoreOptions options = {}) {
    restored_ = std::make_unique<RestoreCounters>();
    options.time_dir = time_dir_;
    if (!options.key) options.key = options_.key;
    return RestoreCatalog(store_, "measure", target(), options, {},
                          restored_.get());
  }
  VerifyReport Verify(std::shared_ptr<const SealKey> key = {}) {
    return VerifyCatalog(store_, time_dir_, "measure",
                         {.reads_data = true, .key = key ? key : options_.key},
                         clock_, {});
  }
  // There and back.
  void ExpectRoundTrip() {
    const CatalogReport report = Run();
    ASSERT_THAT(report.status, IsOk());
    ASSERT_THAT(report.missing, IsEmpty());
    const VerifyReport verified = Verify();
    EXPECT_THAT(verified.status, IsOk());
    EXPECT_EQ(verified.extra, 0U);
    EXPECT_EQ(verified.read, TreeAt(source()).size());
    ASSERT_THAT(RestoreAll().status, IsOk());
    EXPECT_EQ(TreeAt(target()), TreeAt(source()));
  }
  std::vector<std::string> Bundles() const {
    std::vector<std::string> keys;
    for (const std::string& key : store_.keys()) {
      if (key.starts_with(time_dir_ + "/measure/")) keys.push_back(key);
    }
    return keys;
  }
  std::vector<std::string> Uploaded() const {
    std::vector<std::string> keys;
    for (const std::string& asked : store_.Asked("put")) {
      if (asked.find("/measure/") != asked.npos)
        keys.push_back(asked.substr(4));
    }
    return keys;
  }

  const TempDirectory dir_;
  FakeClock clock_;
  MemoryStore store_{clock_};
  CatalogOptions options_;
  std::string time_dir_ = "2026-08-21";
  std::string partial_;
  std::string link_from_;
  std::unique_ptr<CatalogCounters> counters_;
  std::unique_ptr<RestoreCounters> restored_;
};

TEST_F(BundleBackupTest, ManyFilesAreFewObjects) {
  WriteThirty();
  Write("empty", "");
  ExpectRoundTrip();
  EXPECT_THAT(Bundles(), AllOf(SizeIs(3), Each(StartsWith(kPrefix))));
  EXPECT_EQ(counters_->files, 31U);
  EXPECT_EQ(counters_->uploaded, 31U);
  EXPECT_EQ(counters_->uploaded_bytes, 30U * 101);
  // Its three manifests; then of the verification, and of the restore: one, and
  // one request for all that lies together.
  EXPECT_THAT(store_.Asked("get"), SizeIs(3 + 4 + 4));
}

TEST_F(BundleBackupTest, InEveryFormAndSize) {
  for (const int level : {0, 3}) {
    for (const bool is_sealed : {false, true}) {
      options_.bundles.zstd_level = level;
      options_.key = is_sealed ? NewKey(9) : nullptr;
      time_dir_ = StrCat("2026-08-", 10 + level * 2 + (is_sealed ? 1 : 0));
      WriteThirty();
      Write("empty", "");
      Write("one", "1");
      Write("at-the-limit", std::string(400, 'x'));
      Write("beyond-it", std::string(401, 'x'));
      Write("large", std::string((64u << 20) + 7, 'y'));
      Write(StrCat("odd\n\"\xff", "\x01/", std::string(200, 'n')), "odd");
      ExpectRoundTrip();
      // In two parts of which the second has seven bytes.
      EXPECT_THAT(Bundles(), SizeIs(testing::Ge(6U)));
    }
  }
}

TEST_F(BundleBackupTest, WhatIsThereIsNotSentAgain) {
  WriteThirty();
  Write("large", std::string(5000, 'l'));
  ASSERT_THAT(Run().status, IsOk());
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Uploaded(), IsEmpty());
  EXPECT_EQ(counters_->unchanged, 31U);
  EXPECT_EQ(counters_->remote_objects, 4U);
  // Touched, and the same: it is read, and stays.
  Write("d0/f12", std::string(100, 'a'));
  Write("large", std::string(5000, 'l'));
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Uploaded(), IsEmpty());
  // Changed in its bytes alone.
  Write("d0/f12", std::string(100, 'b'));
  Write("large", std::string(5000, 'L'));
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Uploaded(), SizeIs(2));
  EXPECT_EQ(counters_->unchanged, 29U);
  EXPECT_EQ(counters_->deleted, 1U) << "where the large one was before";
  ExpectRoundTrip();
}

TEST_F(BundleBackupTest, HowFilesAreComparedIsAsked) {
  Write("f", "one");
  ASSERT_THAT(Run().status, IsOk());
  options_.diff = DiffMode::kName;
  Write("f", "other");
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Uploaded(), IsEmpty());
  EXPECT_THAT(Verify().status, IsOk()) << "it tells what is there";
  options_.diff = DiffMode::kChecksum;
  ExpectRoundTrip();
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Uploaded(), IsEmpty());
}

TEST_F(BundleBackupTest, ABundleThatIsHalfEmptyIsPackedAnew) {
  for (int i = 0; i < 10; ++i) Write(StrCat("f", i), std::string(100, 'a'));
  ASSERT_THAT(Run().status, IsOk());
  ASSERT_THAT(Bundles(), SizeIs(1));
  const std::string first = Bundles().front();
  for (int i = 0; i < 6; ++i) Remove(StrCat("f", i));
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Bundles(), ElementsAre(first)) << "four of ten are in it";
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Bundles(), AllOf(SizeIs(1), Not(Contains(first))));
  EXPECT_EQ(counters_->uploaded, 4U);
  ExpectRoundTrip();
}

TEST_F(BundleBackupTest, WhatIsNoLongerWantedGoesLast) {
  Write("f", "one");
  ASSERT_THAT(Run().status, IsOk());
  const std::string first = Bundles().front();
  Write("f", "two");
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(Bundles(), AllOf(SizeIs(1), Not(Contains(first))));
  const auto asked = store_.Asked();
  const auto manifest = std::ranges::find(
      asked, StrCat("put ", kManifest), [](const std::string& a) { return a; });
  ASSERT_NE(manifest, asked.end());
  const auto deleted = std::ranges::find(asked, "delete " + first);
  ASSERT_NE(deleted, asked.end());
  EXPECT_EQ(std::find(deleted, asked.end(), StrCat("put ", kManifest)),
            asked.end())
      << "the manifest that needs it was there when it went";
}

TEST_F(BundleBackupTest, ARunThatFailsLeavesTheOneBeforeWhole) {
  WriteThirty();
  ASSERT_THAT(Run().status, IsOk());
  const Tree before = TreeAt(source());
  for (int i = 10; i < 40; ++i)
    Write(StrCat("d", i % 3, "/f", i), std::string(100, 'z'));
  int puts = 0;
  store_.set_before([&](std::string_view what, std::string_view key) {
    const bool fails = what == "put" && key.starts_with(kPrefix) && ++puts > 1;
    return fails ? Unavailable("no more") : OkStatus();
  });
  options_.upload_concurrency = 1;
  EXPECT_THAT(Run().status, StatusIs(Code::kUnavailable, _));
  EXPECT_THAT(store_.Asked("delete"), IsEmpty());
  store_.set_before({});
  EXPECT_THAT(Verify().status, StatusIs(Code::kFailedPrecondition, _));
  // In-place layouts cannot do that.
  ASSERT_THAT(RestoreAll().status, IsOk());
  EXPECT_EQ(TreeAt(target()), before);
  ExpectRoundTrip();
}

TEST_F(BundleBackupTest, WhatABrokenRunHasPutIsNotPutAgain) {
  options_.key = NewKey(3);
  options_.upload_concurrency = 1;
  for (const char* link : {"", "2026-08-20"}) {
    time_dir_ = "2026-08-20";
    link_from_ = "";
    for (int i = 10; i < 20; ++i)
      Write(StrCat("old/", i), std::string(100, 'o'));
    ASSERT_THAT(Run().status, IsOk());
    time_dir_ = *link == '\0' ? "2026-08-21" : "2026-08-22";
    link_from_ = link;
    WriteThirty();
    Write("large", std::string(5000, *link == '\0' ? 'l' : 'm'));
    int puts = 0;
    store_.set_before([&](std::string_view what, std::string_view key) {
      const bool fails =
          what == "put" && key.find("/.bundles/") != key.npos && ++puts > 3;
      return fails ? Unavailable("no more") : OkStatus();
    });
    EXPECT_THAT(Run().status, StatusIs(Code::kUnavailable, _));
    store_.set_before({});
    const std::string broken = time_dir_ + "/.meta/measure.json.broken";
    EXPECT_THAT(store_.keys(), Contains(broken));
    const auto there = Bundles();
    ASSERT_GE(there.size(), 3U);
    ASSERT_THAT(Run().status, IsOk());
    for (const std::string& bundle : there)
      EXPECT_THAT(Bundles(), Contains(bundle)) << "it is put anew";
    EXPECT_LE(Uploaded().size(), 2U);
    EXPECT_THAT(store_.keys(), Not(Contains(broken)));
    ExpectRoundTrip();
    fs::remove_all(source());
    fs::remove_all(target());
  }
}

// It says so even as it is stopped.
TEST_F(BundleBackupTest, WhatAStoppedRunHasPutIsNotPutAgain) {
  WriteThirty();
  options_.upload_concurrency = 1;
  std::stop_source stop;
  int puts = 0;
  store_.set_before([&](std::string_view what, std::string_view key) {
    if (what == "put" && key.starts_with(kPrefix) && ++puts == 2)
      stop.request_stop();
    return OkStatus();
  });
  EXPECT_THAT(Run(stop.get_token()).status, StatusIs(Code::kCancelled, _));
  store_.set_before({});
  const auto there = Bundles();
  ASSERT_GE(there.size(), 1U);
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(Uploaded().size(), 3 - there.size());
  ExpectRoundTrip();
}

// Without a manifest nobody knows what bundles hold.
TEST_F(BundleBackupTest, TheManifestBeforeIsKeptOrNothingIsChanged) {
  Write("f", "one");
  ASSERT_THAT(Run().status, IsOk());
  store_.set_before([](std::string_view what, std::string_view key) {
    const bool fails =
        what == "copy" || (what == "put" && key.ends_with(".previous"));
    return fails ? Unavailable("not that") : OkStatus();
  });
  EXPECT_THAT(Run().status, StatusIs(Code::kUnavailable, _));
  EXPECT_THAT(store_.Asked("put"), Not(Contains(StrCat("put ", kManifest))));
  // A store that cannot copy is no hindrance.
  store_.set_before([](std::string_view what, std::string_view) {
    return what == "copy" ? Unimplemented("it cannot") : OkStatus();
  });
  Write("f", "two");
  EXPECT_THAT(Run().status, IsOk());
  EXPECT_THAT(store_.Asked("put"),
              Contains(StrCat("put ", kManifest, ".previous")));
  store_.set_before({});
  ASSERT_THAT(Run().status, IsOk());
  const auto asked = store_.Asked();
  const auto kept = std::ranges::find(asked, StrCat("copy ", kManifest));
  ASSERT_NE(kept, asked.end());
  EXPECT_EQ(*std::next(kept), "sync ") << "before its own is put";
}

TEST_F(BundleBackupTest, ADamagedManifestIsNotMadeUpForByAnOlderOne) {
  Write("f", "one");
  ASSERT_THAT(Run().status, IsOk());
  Write("f", "two");
  ASSERT_THAT(Run().status, IsOk());
  store_.Damage(kManifest);
  ASSERT_THAT(MakeDirectories(target()), IsOk());
  ASSERT_THAT(WriteFileAtomically(target() + "/here", "stays"), IsOk());
  EXPECT_THAT(RestoreAll().status, StatusIs(Code::kDataLoss, HasSubstr("man")));
  EXPECT_EQ(TreeAt(target()), (Tree{{"here", "stays"}}));
}

TEST_F(BundleBackupTest, BundlesWithoutAManifestAreNoFiles) {
  Write("f", "one");
  store_.set_before([](std::string_view what, std::string_view key) {
    return what == "put" && key.starts_with(kPrefix) ? Unavailable("no")
                                                     : OkStatus();
  });
  EXPECT_THAT(Run().status, Not(IsOk()));
  store_.set_before({});
  store_.Set(kPrefix + std::string(16, '0'), "a bundle");
  EXPECT_THAT(RestoreAll().status,
              StatusIs(Code::kFailedPrecondition, HasSubstr("no manifest")));
  EXPECT_EQ(TreeAt(target()), Tree());
}

TEST_F(BundleBackupTest, OneFlippedByteIsFoundAndNamed) {
  WriteThirty();
  Write("large", std::string(5000, 'l'));
  ASSERT_THAT(Run().status, IsOk());
  // One of many files.
  std::string bundle;
  std::string bytes;
  for (const std::string& name : Bundles()) {
    std::string all = store_.objects().at(name).bytes;
    if (all.size() > 5000) continue;
    bundle = name;
    bytes = std::move(all);
  }
  bytes.at(250) ^= 1;
  store_.Set(bundle, bytes);
  const VerifyReport report = Verify();
  EXPECT_THAT(report.status, StatusIs(Code::kDataLoss, HasSubstr(bundle)));
  EXPECT_THAT(report.problems,
              ElementsAre(AllOf(HasSubstr("/f"), HasSubstr(bundle))));
  EXPECT_EQ(report.read, 31U) << "the others are read all the same";
  ASSERT_THAT(MakeDirectories(target()), IsOk());
  ASSERT_THAT(WriteFileAtomically(target() + "/here", "stays"), IsOk());
  EXPECT_THAT(RestoreAll().status, StatusIs(Code::kDataLoss, HasSubstr("/f")));
  EXPECT_EQ(restored_->mismatches, 1U);
  EXPECT_THAT(TreeAt(target()), Contains(testing::Key("here")));
}

TEST_F(BundleBackupTest, ABundleThatIsGoneOrCutIsNamed) {
  WriteThirty();
  Write("large", std::string(5000, 'l'));
  ASSERT_THAT(Run().status, IsOk());
  const auto all = store_.objects();
  for (const std::string& bundle : Bundles()) {
    const std::string bytes = all.at(bundle).bytes;
    store_.Set(bundle, bytes.substr(0, bytes.size() - 1));
    EXPECT_THAT(Verify().status, StatusIs(Code::kDataLoss, HasSubstr(bundle)));
    EXPECT_THAT(RestoreAll().status, StatusIs(Code::kDataLoss, _));
    ASSERT_THAT(store_.Delete({bundle}, {}), IsOk());
    EXPECT_THAT(Verify().status, StatusIs(Code::kDataLoss, HasSubstr(bundle)));
    EXPECT_THAT(RestoreAll().status, Not(IsOk()));
    // And made good by the next run.
    ASSERT_THAT(Run().status, IsOk());
    EXPECT_THAT(Verify().status, IsOk());
    fs::remove_all(target());
  }
}

TEST_F(BundleBackupTest, WhatIsSealedTellsNothingWithoutTheKey) {
  options_.key = NewKey(1);
  Write("a-secret-name", "a secret text");
  ExpectRoundTrip();
  for (const auto& [key, object] : store_.objects()) {
    EXPECT_THAT(object.bytes, Not(HasSubstr("secret"))) << key;
    EXPECT_THAT(key, Not(HasSubstr("secret")));
  }
  // What is no secret is told: when, whose, how much.
  const auto listed = ListBackups(store_, time_dir_, {});
  ASSERT_THAT(listed, IsOk());
  ASSERT_THAT(*listed, SizeIs(1));
  ASSERT_TRUE(listed->front().header);
  EXPECT_EQ(listed->front().header->sealed_by, options_.key->id());
  EXPECT_EQ(listed->front().totals.files, 1U);
  EXPECT_EQ(listed->front().totals.bytes, 13U);
  // Neither another key nor none opens it, and nothing is changed.
  const auto before = store_.keys();
  for (const auto& key : {std::shared_ptr<const SealKey>(), NewKey(2)}) {
    const auto needs = StatusIs(Code::kFailedPrecondition,
                                AllOf(HasSubstr(options_.key->id()),
                                      HasSubstr("--encryption-key-file")));
    CatalogOptions saved = options_;
    options_.key = key;
    const CatalogReport refused = Run();
    EXPECT_THAT(refused.status, needs);
    EXPECT_TRUE(refused.is_refused);
    EXPECT_THAT(Verify().status, needs);
    EXPECT_THAT(RestoreAll().status, needs);
    options_ = saved;
    EXPECT_EQ(store_.keys(), before);
  }
  ExpectRoundTrip();
}

TEST_F(BundleBackupTest, AnotherDaysBundlesAreCopiedWhole) {
  WriteThirty();
  Write("large", std::string(5000, 'l'));
  ASSERT_THAT(Run().status, IsOk());
  link_from_ = time_dir_;
  time_dir_ = "2026-08-22";
  Write("new", "new");
  const CatalogReport report = Run();
  ASSERT_THAT(report.status, IsOk());
  EXPECT_THAT(Uploaded(), SizeIs(1)) << "the new one's";
  EXPECT_THAT(Bundles(), SizeIs(5));
  EXPECT_EQ(counters_->copied, 31U);
  EXPECT_EQ(counters_->uploaded, 32U);
  EXPECT_THAT(Verify().status, IsOk());
  // The next one of the day goes by its own.
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(counters_->unchanged, 32U);
  EXPECT_THAT(store_.Asked("copy"), SizeIs(1)) << "its manifest";
  ExpectRoundTrip();
}

TEST_F(BundleBackupTest, WithAnotherKeyNothingIsCopied) {
  options_.key = NewKey(1);
  Write("f", "one");
  ASSERT_THAT(Run().status, IsOk());
  link_from_ = time_dir_;
  time_dir_ = "2026-08-22";
  options_.key = NewKey(2);
  ExpectRoundTrip();
  EXPECT_EQ(counters_->copied, 0U);
}

// A number says nothing of what is in a bundle that nobody knows.
TEST_F(BundleBackupTest, WhatABrokenRunHasLeftIsNotTakenForACopy) {
  Write("f", "one");
  ASSERT_THAT(Run().status, IsOk());
  const std::string bundle = Bundles().front();
  link_from_ = time_dir_;
  time_dir_ = "2026-08-22";
  const std::string left =
      StrCat("2026-08-22/measure/", bundle.substr(bundle.find(".bundles")));
  store_.Set(left, "xone");
  store_.set_before([](std::string_view what, std::string_view key) {
    return what == "copy" && key.find(".bundles") != key.npos
               ? Unimplemented("it cannot")
               : OkStatus();
  });
  ExpectRoundTrip();
  EXPECT_THAT(Bundles(), AllOf(SizeIs(1), Not(Contains(left))));
}

TEST_F(BundleBackupTest, ALayoutFollowsAnother) {
  WriteThirty();
  options_.layout = Layout::kObjects;
  ExpectRoundTrip();
  EXPECT_THAT(Bundles(), SizeIs(30));
  options_.layout = Layout::kBundles;
  // As it deletes all that is there, it is asked.
  options_.max_delete_fraction = 1;
  ExpectRoundTrip();
  EXPECT_THAT(Bundles(), SizeIs(3));
  options_.layout = Layout::kObjects;
  ExpectRoundTrip();
  EXPECT_THAT(Bundles(), SizeIs(30));
}

TEST_F(BundleBackupTest, ADryRunChangesNothing) {
  WriteThirty();
  Write("large", std::string(5000, 'l'));
  options_.is_dry_run = true;
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_EQ(counters_->uploaded, 31U);
  EXPECT_THAT(store_.keys(), IsEmpty());
  options_.is_dry_run = false;
  ASSERT_THAT(Run().status, IsOk());
  ASSERT_THAT(RestoreAll({.is_dry_run = true}).status, IsOk());
  EXPECT_EQ(restored_->downloaded, 31U);
  EXPECT_FALSE(fs::exists(target()));
}

TEST_F(BundleBackupTest, ARestoreFetchesWhatIsNotHere) {
  WriteThirty();
  Write("empty", "");
  ExpectRoundTrip();
  ASSERT_THAT(RestoreAll({.is_check = true}).status, IsOk());
  ASSERT_TRUE(fs::remove(target() + "/d0/f12"));
  ASSERT_THAT(WriteFileAtomically(target() + "/d1/f13", "other"), IsOk());
  ASSERT_THAT(WriteFileAtomically(target() + "/d2/f14", std::string(100, 'q')),
              IsOk());
  ASSERT_THAT(WriteFileAtomically(target() + "/too-much", "x"), IsOk());
  EXPECT_THAT(RestoreAll({.is_check = true}).status,
              StatusIs(Code::kDataLoss, HasSubstr("3 files differ, 1 are")));
  ASSERT_THAT(RestoreAll().status, IsOk());
  EXPECT_EQ(restored_->downloaded, 3U);
  EXPECT_EQ(restored_->unchanged, 28U);
  EXPECT_EQ(restored_->deleted, 1U);
  EXPECT_EQ(TreeAt(target()), TreeAt(source()));
}

TEST_F(BundleBackupTest, OfAPartialSnapshotNothingIsDeleted) {
  WriteThirty();
  ASSERT_THAT(Run().status, IsOk());
  const auto before = Bundles();
  fs::remove_all(source() + "/d0");
  fs::remove_all(source() + "/d1");
  Write("new", "new");
  partial_ = "groups are missing";
  ASSERT_THAT(Run().status, IsOk());
  EXPECT_THAT(store_.Asked("delete"), IsEmpty());
  for (const std::string& bundle : before)
    EXPECT_THAT(Bundles(), Contains(bundle));
  partial_.clear();
  ExpectRoundTrip();
}

TEST_F(BundleBackupTest, OneThatChangesUnderWayIsAnError) {
  Write("f", std::string(100, 'a'));
  Write("g", "g");
  // When the walk is over, and the bundle is not made.
  const std::string path = source() + "/f";
  store_.set_before([&](std::string_view what, std::string_view key) {
    if (what == "list" && key == "2026-08-21/measure/") {
      std::ofstream(path, std::ios::app) << "longer";
    }
    return OkStatus();
  });
  ASSERT_THAT(Run().status, IsOk()) << "the walk saw it as it is";
  int opened = 0;
  options_.upload_concurrency = 1;
  store_.set_before([&](std::string_view what, std::string_view key) {
    if (what == "put" && key.starts_with(kPrefix) && ++opened == 1)
      fs::remove(source() + "/z9");
    return OkStatus();
  });
  for (int i = 0; i < 10; ++i) Write(StrCat("z", i), std::string(399, 'z'));
  EXPECT_THAT(Run().status, StatusIs(Code::kNotFound, HasSubstr("z9")));
}

TEST_F(BundleBackupTest, AStopEndsItSoonAndNothingIsDeleted) {
  WriteThirty();
  ASSERT_THAT(Run().status, IsOk());
  for (int i = 10; i < 40; ++i)
    Write(StrCat("d", i % 3, "/f", i), std::string(100, 'z'));
  std::stop_source stop;
  store_.set_before([&](std::string_view what, std::string_view key) {
    if (what == "put" && key.starts_with(kPrefix)) stop.request_stop();
    return OkStatus();
  });
  EXPECT_THAT(Run(stop.get_token()).status, StatusIs(Code::kCancelled, _));
  EXPECT_THAT(store_.Asked("delete"), IsEmpty());
}

}  // namespace
}  // namespace fodc::backup
