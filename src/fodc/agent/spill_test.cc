// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/spill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::SizeIs;

class SpillTest : public ::testing::Test {
 protected:
  std::unique_ptr<Spill> Open() { return Spill::Open(loop_, directory_, {}); }
  static void Append(recorder::Recording* r, std::int64_t ms) {
    const recorder::SourceId source = r->OpenSource("page", "");
    if (r->stats().active_series == 0) {
      const exposition::SeriesDesc a{.name = "a",
                                     .labels = {},
                                     .family = "a",
                                     .type = exposition::MetricType::kGauge,
                                     .help = "",
                                     .unit = ""};
      r->SpliceLines(source, 0, 0, {&a, 1});
    }
    const double value = 1;
    r->Append(source, {ms, ms}, {&value, 1}, std::nullopt);
  }
  bool WriteOne(Spill* spill, const recorder::Recording& r) {
    const auto before = spill->stats();
    spill->Write(r);
    return loop_.RunUntil([&] {
      const auto now = spill->stats();
      return now.writes != before.writes || now.errors != before.errors ||
             now.is_failing != before.is_failing;
    });
  }
  void Finish(Spill* spill, const recorder::Recording& r) {
    bool done = false;
    spill->Finish(r, [&] { done = true; });
    ASSERT_TRUE(loop_.RunUntil([&] { return done; }));
  }

  FakeClock clock_;
  net::EventLoop loop_{clock_};
  TempDirectory root_;
  const std::string directory_ = root_.path() + "/spill";
};

TEST_F(SpillTest, ADirectoryThatOpensLateIsUsed) {
  // A file stands in the way.
  ASSERT_THAT(WriteFileAtomically(directory_, "x"), IsOk());
  auto spill = Open();
  recorder::Recording recording = spill->TakeRecording();
  EXPECT_TRUE(spill->is_on());
  EXPECT_TRUE(spill->stats().is_failing);
  Append(&recording, 1000);
  ASSERT_TRUE(WriteOne(spill.get(), recording));
  EXPECT_TRUE(spill->stats().is_failing);
  EXPECT_EQ(spill->stats().errors, 2u);

  fs::remove(directory_);
  Append(&recording, 2000);
  ASSERT_TRUE(WriteOne(spill.get(), recording));
  EXPECT_FALSE(spill->stats().is_failing);
  Append(&recording, 3000);
  Finish(spill.get(), recording);
  spill.reset();
  EXPECT_EQ(Open()->stats().restored_frames, 3u);
}

TEST_F(SpillTest, WhatEarlierLivesLeftThereIsKept) {
  {
    auto spill = Open();
    recorder::Recording recording = spill->TakeRecording();
    Append(&recording, 1000);
    Append(&recording, 2000);
    Finish(spill.get(), recording);
  }
  const std::string elsewhere = root_.path() + "/unmounted";
  fs::rename(directory_, elsewhere);
  ASSERT_THAT(WriteFileAtomically(directory_, "x"), IsOk());
  {
    auto spill = Open();
    recorder::Recording recording = spill->TakeRecording();
    fs::remove(directory_);
    fs::rename(elsewhere, directory_);
    Append(&recording, 5000);
    ASSERT_TRUE(WriteOne(spill.get(), recording));
    EXPECT_FALSE(spill->stats().is_failing);
    Finish(spill.get(), recording);
  }
  EXPECT_EQ(Open()->stats().restored_frames, 1u);
  std::vector<std::string> earlier;
  const auto names = ListDirectory(directory_);
  ASSERT_THAT(names, IsOk());
  for (const std::string& name : *names) {
    if (name.starts_with("earlier-")) earlier.push_back(name);
  }
  ASSERT_THAT(earlier, SizeIs(1));
  const Spill::Stats kept =
      Spill::Open(loop_, StrCat(directory_, "/", earlier[0]), {})->stats();
  EXPECT_EQ(kept.restored_frames, 2u);
}

TEST_F(SpillTest, EndsWithoutItsDirectory) {
  ASSERT_THAT(WriteFileAtomically(directory_, "x"), IsOk());
  auto spill = Open();
  recorder::Recording recording = spill->TakeRecording();
  Append(&recording, 1000);
  Finish(spill.get(), recording);
  EXPECT_TRUE(spill->stats().is_failing);
}

}  // namespace
}  // namespace fodc::agent
