// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/kept_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "fodc/agent/agent.h"
#include "fodc/base/file.h"
#include "fodc/base/log_testing.h"
#include "fodc/base/status_matchers.h"

namespace fodc::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Keeps a text that begins with "good".
class KeptFileTest : public ::testing::Test {
 protected:
  KeptFile Open(bool reads_anothers = false) {
    return {
        loop_,
        {.directory = directory_,
         .name = "things",
         .what = "things",
         .is_ours = [this] { return is_ours_; },
         .reads_anothers = reads_anothers,
         .max_bytes = 1000,
         .decode = [this](std::string_view text) -> Result<KeptFile::Apply> {
           if (!text.starts_with("good")) return DataLoss("it is not good");
           return KeptFile::Apply(
               [this, text = std::string(text)](bool is_late) {
                 (is_late ? late_ : read_).push_back(text);
               });
         }}};
  }
  std::string OnDisk() {
    const auto text = ReadFile(dir_.File("things"));
    return text.ok() ? *text : "";
  }
  void Put(const std::string& name, const std::string& text) {
    ASSERT_THAT(WriteFileAtomically(dir_.File(name), text), IsOk());
  }

  TempDirectory dir_;
  std::string directory_ = dir_.path();
  FakeClock clock_;
  net::EventLoop loop_{clock_, kLoopOptions};
  bool is_ours_ = true;
  std::vector<std::string> read_;
  std::vector<std::string> late_;
};

TEST_F(KeptFileTest, KeepsTheNewestOfManyWrites) {
  KeptFile file = Open();
  file.Read();
  EXPECT_THAT(read_, IsEmpty());
  for (int i = 1; i <= 50; ++i) file.Write("good " + std::to_string(i));
  ASSERT_TRUE(loop_.RunUntil([&] { return OnDisk() == "good 50"; }));
  EXPECT_FALSE(file.is_failing());
  Open().Read();
  EXPECT_THAT(read_, ElementsAre("good 50"));
}

TEST_F(KeptFileTest, ADamagedFileIsNamedOnceAndSetAside) {
  for (const std::string& damaged :
       {std::string("rubbish"), "good" + std::string(1000, 'x')}) {
    Put("things", damaged);
    const LogCapture log;
    Open().Read();
    ASSERT_THAT(log.Lines("what an earlier life kept is lost"), SizeIs(1));
    EXPECT_THAT(log.Lines("is lost")[0], HasSubstr(dir_.File("things")));
    EXPECT_THAT(*ListDirectory(dir_.path()), ElementsAre("things.damaged"));
    Open().Read();
    EXPECT_THAT(log.Lines("is lost"), SizeIs(1));
  }
  EXPECT_THAT(read_, IsEmpty());
}

TEST_F(KeptFileTest, ADiskThatFailsCostsOneLineAndIsTriedAgain) {
  KeptFile file = Open();
  file.Read();
  // A directory in its place cannot be replaced.
  ASSERT_THAT(MakeDirectories(dir_.File("things/x")), IsOk());
  const LogCapture log;
  file.Write("good 1");
  ASSERT_TRUE(loop_.RunUntil([&] { return file.is_failing(); }));
  for (int i = 2; i < 10; ++i) {
    file.Write("good " + std::to_string(i));
    loop_.RunReady();
  }
  std::filesystem::remove_all(dir_.File("things"));
  ASSERT_TRUE(loop_.RunUntil([&] {
    file.Retry();
    return !file.is_failing();
  }));
  ASSERT_TRUE(loop_.RunUntil([&] { return OnDisk() == "good 9"; }));
  EXPECT_THAT(log.Lines("cannot be kept"), SizeIs(1));
  EXPECT_THAT(log.Lines("is kept for the next life again"), SizeIs(1));
  // No trace of the writes that failed.
  EXPECT_THAT(*ListDirectory(dir_.path()), ElementsAre("things"));
}

TEST_F(KeptFileTest, AnothersDirectoryIsNotTouched) {
  is_ours_ = false;
  Put("things.tmp-a", "x");
  Put("things", "rubbish");
  const LogCapture log;
  KeptFile file = Open(/*reads_anothers=*/true);
  file.Read();
  file.Write("good 1");
  file.Retry();
  EXPECT_EQ(loop_.stats().offloaded_waiting, 0u);
  EXPECT_THAT(*ListDirectory(dir_.path()),
              ElementsAre("things", "things.tmp-a"));
  EXPECT_THAT(log.Lines("is lost"), IsEmpty()) << "it may become whole";
  is_ours_ = true;
  file.Retry();
  ASSERT_TRUE(loop_.RunUntil([&] { return OnDisk() == "good 1"; }));
  EXPECT_THAT(*ListDirectory(dir_.path()),
              ElementsAre("things", "things.damaged"))
      << "writes that were cut are gone";
  EXPECT_THAT(log.Lines("is lost"), SizeIs(1));
}

// A directory that is mounted late, or that another agent gives free.
TEST_F(KeptFileTest, WhatIsThereWhenItOpensLateIsReadBeforeItIsReplaced) {
  Put("things", "good 17");
  is_ours_ = false;
  KeptFile file = Open();
  file.Read();
  file.Write("good 1");
  EXPECT_EQ(loop_.stats().offloaded_waiting, 0u);
  is_ours_ = true;
  file.Retry();
  ASSERT_TRUE(loop_.RunUntil([&] { return OnDisk() == "good 1"; }));
  EXPECT_THAT(read_, IsEmpty());
  EXPECT_THAT(late_, ElementsAre("good 17"));
}

TEST_F(KeptFileTest, WhatWasReadAtTheStartIsNotReadAgain) {
  Put("things", "good 17");
  is_ours_ = false;
  KeptFile file = Open(/*reads_anothers=*/true);
  file.Read();
  is_ours_ = true;
  file.Write("good 18");
  ASSERT_TRUE(loop_.RunUntil([&] { return OnDisk() == "good 18"; }));
  EXPECT_THAT(read_, ElementsAre("good 17"));
  EXPECT_THAT(late_, IsEmpty());
}

TEST_F(KeptFileTest, ItsEndWaitsForWhatBecameDueDuringAWrite) {
  KeptFile file = Open();
  file.Read();
  file.Write("good 1");
  file.Write("good 2");  // the first one is under way
  std::string at_end;
  file.Finish([&] { at_end = OnDisk(); });
  EXPECT_EQ(at_end, "");
  ASSERT_TRUE(loop_.RunUntil([&] { return !at_end.empty(); }));
  EXPECT_EQ(at_end, "good 2");
  // With nothing to do it ends at once.
  bool is_done = false;
  file.Finish([&] { is_done = true; });
  EXPECT_TRUE(is_done);
}

TEST_F(KeptFileTest, ItsEndReadsFirstWhatIsThereLate) {
  Put("things", "good 17");
  is_ours_ = false;
  KeptFile file = Open();
  file.Read();
  file.Write("good 1");
  is_ours_ = true;
  std::string at_end;
  file.Finish([&] { at_end = OnDisk(); });
  ASSERT_TRUE(loop_.RunUntil([&] { return !at_end.empty(); }));
  EXPECT_EQ(at_end, "good 1");
  EXPECT_THAT(late_, ElementsAre("good 17"));
}

TEST_F(KeptFileTest, ItsEndWaitsForNoDirectoryThatIsAnothers) {
  is_ours_ = false;
  KeptFile file = Open();
  file.Read();
  file.Write("good 1");
  bool is_done = false;
  file.Finish([&] { is_done = true; });
  EXPECT_TRUE(is_done);
  EXPECT_EQ(OnDisk(), "");
}

TEST_F(KeptFileTest, ItsEndTriesADiskThatFailsOnceMore) {
  KeptFile file = Open();
  file.Read();
  ASSERT_THAT(MakeDirectories(dir_.File("things/x")), IsOk());
  file.Write("good 1");
  ASSERT_TRUE(loop_.RunUntil([&] { return file.is_failing(); }));
  for (const bool is_mended : {false, true}) {
    if (is_mended) std::filesystem::remove_all(dir_.File("things"));
    bool is_done = false;
    file.Finish([&] { is_done = true; });
    EXPECT_FALSE(is_done);
    ASSERT_TRUE(loop_.RunUntil([&] { return is_done; }));
    EXPECT_EQ(OnDisk(), is_mended ? "good 1" : "");
  }
}

TEST_F(KeptFileTest, ADiskThatHangsHoldsTheEndUpForAFewSeconds) {
  std::promise<void> disk;
  const std::shared_future<void> back = disk.get_future().share();
  for (unsigned i = 0; i < kLoopOptions.workers; ++i)
    ASSERT_TRUE(loop_.Offload([back] { back.wait(); }, [] {}));
  const LogCapture log;
  int done = 0;
  {
    KeptFile file = Open();
    file.Read();
    file.Write("good 1");
    file.Finish([&] { ++done; });
    loop_.RunReady();
    EXPECT_EQ(done, 0);
    clock_.Advance(std::chrono::seconds(5));
    loop_.RunReady();
    EXPECT_EQ(done, 1);
    EXPECT_THAT(log.Lines("did not reach the disk in time"), SizeIs(1));
    disk.set_value();
    ASSERT_TRUE(loop_.RunUntil([&] { return OnDisk() == "good 1"; }));
    ASSERT_TRUE(
        loop_.RunUntil([&] { return loop_.stats().offloaded_waiting == 0; }));
  }
  EXPECT_EQ(done, 1);
}

TEST_F(KeptFileTest, WithoutADirectoryNothingIsKept) {
  directory_ = "";
  KeptFile file = Open(/*reads_anothers=*/true);
  file.Read();
  file.Write("good 1");
  EXPECT_EQ(loop_.stats().offloaded_waiting, 0u);
  bool is_done = false;
  file.Finish([&] { is_done = true; });
  EXPECT_TRUE(is_done);
}

}  // namespace
}  // namespace fodc::agent
