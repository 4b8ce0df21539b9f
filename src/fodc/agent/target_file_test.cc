// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/target_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "fodc/agent/agent.h"
#include "fodc/base/file.h"
#include "fodc/base/log_testing.h"
#include "fodc/base/status_matchers.h"

namespace fodc::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TargetFileTest : public ::testing::Test {
 protected:
  TargetFile Open() {
    return TargetFile(loop_, dir_.path(), pod_, [this] { return is_ours_; });
  }
  static std::vector<target::KeptRow> Rows(std::uint64_t deaths) {
    std::vector<target::KeptRow> rows(1);
    rows[0].name = "db";
    rows[0].deaths_total = deaths;
    return rows;
  }
  // As the next life reads them.
  std::uint64_t DeathsOnDisk() {
    const auto text = ReadFile(dir_.File("targets"));
    if (!text.ok()) return 0;
    const auto rows = target::DecodeKeptRows(*text);
    EXPECT_THAT(rows, IsOk());
    return rows.ok() && rows->size() == 1 ? rows->front().deaths_total : 0;
  }

  TempDirectory dir_;
  FakeClock clock_;
  net::EventLoop loop_{clock_};
  bool is_ours_ = true;
  std::string pod_ = "db-0";
};

// A directory that is mounted late, or that another agent gives free.
TEST_F(TargetFileTest, WhatIsThereWhenItOpensLateIsGivenBeforeItIsReplaced) {
  ASSERT_THAT(WriteFileAtomically(dir_.File("targets"),
                                  target::EncodeKeptRows(Rows(17))),
              IsOk());
  is_ours_ = false;
  TargetFile file = Open();
  int late = 0;
  file.set_on_late([&](const std::vector<target::KeptRow>& rows) {
    ++late;
    ASSERT_THAT(rows, SizeIs(1));
    EXPECT_EQ(DeathsOnDisk(), 17u);
    file.Write(Rows(rows[0].deaths_total + 1));
  });
  file.Write(Rows(1));
  EXPECT_EQ(loop_.stats().offloaded_waiting, 0u);
  is_ours_ = true;
  file.Retry();
  ASSERT_TRUE(loop_.RunUntil([&] { return DeathsOnDisk() == 18; }));
  file.Write(Rows(19));
  ASSERT_TRUE(loop_.RunUntil([&] { return DeathsOnDisk() == 19; }));
  EXPECT_EQ(late, 1);
}

// As where the recording alone cannot be opened at the start.
TEST_F(TargetFileTest, WhatWasReadAtTheStartIsNotGivenAgain) {
  ASSERT_THAT(WriteFileAtomically(dir_.File("targets"),
                                  target::EncodeKeptRows(Rows(17))),
              IsOk());
  is_ours_ = false;
  TargetFile file = Open();
  bool is_late = false;
  file.set_on_late([&](const auto&) { is_late = true; });
  EXPECT_THAT(file.Read(), SizeIs(1));
  is_ours_ = true;
  file.Write(Rows(18));
  ASSERT_TRUE(loop_.RunUntil([&] { return DeathsOnDisk() == 18; }));
  EXPECT_FALSE(is_late);
}

// Its targets have the same names and are not ours.
TEST_F(TargetFileTest, WhatIsAnotherPodsIsNotRestored) {
  TargetFile before = Open();
  before.Write(Rows(17));
  ASSERT_TRUE(loop_.RunUntil([&] { return DeathsOnDisk() == 17; }));
  EXPECT_THAT(Open().Read(), SizeIs(1));
  pod_ = "db-1";
  const LogCapture log;
  TargetFile file = Open();
  EXPECT_THAT(file.Read(), IsEmpty());
  const auto lines = log.Lines("another pod's");
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_THAT(lines[0], HasSubstr("was_of=db-0"));
  file.Write(Rows(1));
  ASSERT_TRUE(loop_.RunUntil([&] { return DeathsOnDisk() == 1; }));
  EXPECT_THAT(Open().Read(), SizeIs(1));
  EXPECT_THAT(log.Lines("another pod's"), SizeIs(1));
}

TEST_F(TargetFileTest, AFileThatDoesNotSayWhoseItIsIsRead) {
  ASSERT_THAT(WriteFileAtomically(dir_.File("targets"),
                                  target::EncodeKeptRows(Rows(2))),
              IsOk());
  EXPECT_THAT(Open().Read(), SizeIs(1));
}

// The writes of the recording, the targets and the incidents hang; an answer is
// still made.
TEST(AgentLoopTest, ADiskThatHangsHoldsNoAnswerUp) {
  FakeClock clock;
  std::promise<void> disk;
  const std::shared_future<void> back = disk.get_future().share();
  net::EventLoop loop(clock, kLoopOptions);
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(loop.Offload([back] { back.wait(); }, [] {}));
  bool is_answered = false;
  ASSERT_TRUE(loop.Offload([] {}, [&] { is_answered = true; }));
  EXPECT_TRUE(
      loop.RunUntil([&] { return is_answered; }, std::chrono::seconds(10)));
  disk.set_value();
}

}  // namespace
}  // namespace fodc::agent
