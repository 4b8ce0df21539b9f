// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "fodc/backup/catalog_backup.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/object_store/memory_store_testing.h"

namespace fodc::backup {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class VerifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(MakeDirectories(dir_.File("snapshot")), IsOk());
    ASSERT_THAT(MakeDirectories(dir_.File("work")), IsOk());
    for (const char* name : {"a", "b", "c"})
      std::ofstream(dir_.File(StrCat("snapshot/", name))) << name << name;
    CatalogCounters counters;
    ASSERT_THAT(BackUpCatalog(store_,
                              {.time_dir = "2026-08-21",
                               .catalog = "measure",
                               .directory = dir_.File("snapshot"),
                               .snapshot = "s"},
                              {.work_directory = dir_.File("work")}, clock_, {},
                              &counters)
                    .status,
                IsOk());
  }
  static std::string Key(const std::string& name) {
    return "2026-08-21/measure/" + name;
  }
  VerifyReport Verify(VerifyOptions options = {}) {
    return VerifyCatalog(store_, "2026-08-21", "measure", options, clock_, {});
  }
  std::string Verified() {
    const auto all = ListBackups(store_, "2026-08-21", {});
    return all.ok() && all->size() == 1 ? all->front().verified : "?";
  }

  const TempDirectory dir_;
  FakeClock clock_;
  object_store::MemoryStore store_{clock_};
};

TEST_F(VerifyTest, WhatIsAsItWasIsGood) {
  EXPECT_EQ(Verified(), "");
  VerifyReport report = Verify();
  EXPECT_THAT(report.status, IsOk());
  EXPECT_EQ(report.files, 3U);
  EXPECT_EQ(report.read, 0U);
  EXPECT_THAT(Verified(), testing::EndsWith(" sizes"));
  report = Verify({.reads_data = true});
  EXPECT_THAT(report.status, IsOk());
  EXPECT_EQ(report.read, 3U);
  EXPECT_THAT(Verified(), testing::EndsWith(" data"));
  EXPECT_EQ(Verify({.reads_data = true, .sample_percent = 0}).read, 0U);
}

TEST_F(VerifyTest, OneFlippedByteIsFoundAndNamed) {
  store_.Damage(Key("b"));
  EXPECT_THAT(Verify().status, IsOk()) << "it is as large";
  const VerifyReport report = Verify({.reads_data = true});
  EXPECT_THAT(report.status, StatusIs(Code::kDataLoss, HasSubstr(Key("b"))));
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr(Key("b"))));
  EXPECT_THAT(Verified(), testing::EndsWith(" data failed"));
  // Also where the store itself believes in the other bytes.
  store_.Set(Key("b"), "xx");
  EXPECT_THAT(Verify({.reads_data = true}).problems,
              ElementsAre(HasSubstr("measure/b")));
  store_.tells_digests = true;
  EXPECT_THAT(Verify().status, StatusIs(Code::kDataLoss, _));
}

TEST_F(VerifyTest, WhatIsMissingShortOrUnknownIsTold) {
  store_.Delete({Key("a")}, {}).IgnoreError();
  store_.Set(Key("b"), "short: no, longer");
  store_.Set(Key("zz"), "of nobody");
  const VerifyReport report = Verify();
  EXPECT_THAT(report.problems, ElementsAre(HasSubstr("a: it is not there"),
                                           HasSubstr("17 bytes, and had 2")));
  EXPECT_EQ(report.extra, 1U);
}

TEST_F(VerifyTest, WithoutAWholeManifestNothingIsSaidToBeGood) {
  EXPECT_THAT(
      VerifyCatalog(store_, "2026-08-21", "stream", {}, clock_, {}).status,
      StatusIs(Code::kNotFound, _));
  store_.Set("2026-08-21/.meta/measure.json", "damaged");
  EXPECT_FALSE(Verify().status.ok());
}

// What the run before wrote is of another backup: nothing of this one is
// compared with it.
TEST_F(VerifyTest, AnEarlierManifestIsNotTakenForADamagedOrEmptyOne) {
  const std::string key = "2026-08-21/.meta/measure.json";
  store_.Copy(key, key + ".previous", {}).IgnoreError();
  const std::string head =
      "{\"version\":1,\"state\":\"complete\",\"started\":"
      "\"2026-08-21T00:00:00Z\",\"files\":[\n";
  store_.Set(key, head + "{\"path\":\"a\n");
  EXPECT_FALSE(Verify().status.ok());
  store_.Set(key, head +
                      "],\"count\":0,\"bytes\":0,\"ended\":"
                      "\"2026-08-21T00:00:01Z\"}\n");
  const VerifyReport empty = Verify();
  EXPECT_THAT(empty.status, IsOk());
  EXPECT_EQ(empty.files, 0U);
  EXPECT_EQ(empty.extra, 3U);
}

TEST_F(VerifyTest, ListsWhatIsThere) {
  store_.Set("2026-08-22/measure/a", "x");
  EXPECT_THAT(ListTimeDirs(store_, "", {}),
              IsOkAndHolds(ElementsAre("2026-08-21", "2026-08-22")));
  const auto all = ListBackups(store_, "2026-08-21", {});
  ASSERT_THAT(all, IsOk());
  ASSERT_THAT(*all, SizeIs(1));
  EXPECT_EQ(all->front().catalog, "measure");
  EXPECT_EQ(all->front().totals.files, 3U);
  EXPECT_EQ(all->front().totals.bytes, 6U);
  EXPECT_EQ(all->front().header->state, ManifestState::kComplete);
  EXPECT_THAT(ListBackups(store_, "2026-08-22", {}), IsOkAndHolds(IsEmpty()));
}

// Upstream goes over all objects for it.
TEST_F(VerifyTest, TimeDirectoriesAreListedWithoutTheirObjects) {
  for (int i = 0; i < 100; ++i)
    store_.Set(StrCat("2026-08-22/measure/f", i), "x");
  store_.Forget();
  EXPECT_THAT(ListTimeDirs(store_, "", {}),
              IsOkAndHolds(ElementsAre("2026-08-21", "2026-08-22")));
  EXPECT_THAT(store_.Asked(), ElementsAre("list "));
}

}  // namespace
}  // namespace fodc::backup
