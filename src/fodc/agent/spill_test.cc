// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/spill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "fodc/agent/instance.h"
#include "fodc/base/file.h"
#include "fodc/base/log_testing.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class SpillTest : public ::testing::Test {
 protected:
  std::unique_ptr<Spill> Open(const std::string& pod_name = "pod-0") {
    return Spill::Open(loop_, directory_, pod_name, {});
  }
  void KeepFrames(const std::string& pod_name, int frames) {
    auto spill = Open(pod_name);
    InstanceId(directory_, true, pod_name, "boot");
    recorder::Recording recording = spill->TakeRecording();
    for (int i = 1; i <= frames; ++i) Append(&recording, i * 1000);
    Finish(spill.get(), recording);
  }
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

  // What the log says of a directory that cannot be opened.
  std::string SaidOnOpening() {
    const LogCapture log;
    auto spill = Open();
    const auto lines = log.Lines("recording");
    return lines.size() == 1 ? lines[0] : "";
  }

  // The directory comes, with what is in it, when the agent has begun.
  void OpenLateWithOneFrame() {
    const std::string elsewhere = root_.path() + "/unmounted";
    ASSERT_THAT(MakeDirectories(directory_), IsOk());
    fs::rename(directory_, elsewhere);
    ASSERT_THAT(WriteFileAtomically(directory_, "x"), IsOk());
    auto spill = Open();
    recorder::Recording recording = spill->TakeRecording();
    fs::remove(directory_);
    fs::rename(elsewhere, directory_);
    Append(&recording, 5000);
    ASSERT_TRUE(WriteOne(spill.get(), recording));
    EXPECT_FALSE(spill->stats().is_failing);
    Finish(spill.get(), recording);
  }
  std::vector<std::string> EarlierRecordings() {
    std::vector<std::string> earlier;
    const auto names = ListDirectory(directory_);
    EXPECT_THAT(names, IsOk());
    for (const std::string& name : *names) {
      if (name.starts_with("earlier-")) earlier.push_back(name);
    }
    return earlier;
  }

  FakeClock clock_;
  net::EventLoop loop_{clock_};
  TempDirectory root_;
  const std::string directory_ = root_.path() + "/spill";
};

// More than one batch takes.
TEST_F(SpillTest, EverythingReachesTheDiskAtTheEnd) {
  const recorder::RecordingOptions options{.budget_bytes = 200u << 20};
  constexpr int kSeries = 6'000;
  constexpr int kFrames = 3;
  const std::vector<double> values(kSeries, 1);
  {
    auto spill = Spill::Open(loop_, directory_, "pod-0", options);
    InstanceId(directory_, true, "pod-0", "boot");
    recorder::Recording recording = spill->TakeRecording();
    for (int frame = 0; frame < kFrames; ++frame) {
      for (const char* name : {"a", "b"}) {
        const recorder::SourceId source = recording.OpenSource(name, "");
        if (frame == 0) {
          const std::string help(800, 'h');
          std::vector<std::string> names;
          names.reserve(kSeries);
          std::vector<exposition::SeriesDesc> series;
          series.reserve(kSeries);
          for (int i = 0; i < kSeries; ++i) names.push_back(StrCat(name, i));
          for (const std::string& n : names) {
            series.push_back({.name = n,
                              .labels = {},
                              .family = n,
                              .type = exposition::MetricType::kGauge,
                              .help = help,
                              .unit = ""});
          }
          recording.SpliceLines(source, 0, 0, series);
        }
        recording.Append(source, {1000 * frame, 1000 * frame}, values,
                         std::nullopt);
      }
    }
    Finish(spill.get(), recording);
    EXPECT_GT(spill->stats().writes, 1u);
  }
  auto spill = Spill::Open(loop_, directory_, "pod-0", options);
  EXPECT_EQ(spill->stats().restored_frames, 2u * kFrames);
}

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
  KeepFrames("pod-0", 2);
  OpenLateWithOneFrame();
  EXPECT_EQ(Open()->stats().restored_frames, 1u);
  const std::vector<std::string> earlier = EarlierRecordings();
  ASSERT_THAT(earlier, SizeIs(1));
  const Spill::Stats kept =
      Spill::Open(loop_, StrCat(directory_, "/", earlier[0]), "pod-0", {})
          ->stats();
  EXPECT_EQ(kept.restored_frames, 2u);
}

TEST_F(SpillTest, OnlyTheNewestOfEarlierRecordingsIsKept) {
  OpenLateWithOneFrame();
  for (int i = 0; i < 3; ++i) {
    clock_.Advance(std::chrono::minutes(1));
    OpenLateWithOneFrame();
  }
  const std::vector<std::string> earlier = EarlierRecordings();
  ASSERT_THAT(earlier, SizeIs(1));
  EXPECT_EQ(earlier[0], "earlier-" + FormatRfc3339(loop_.clock().Unix(), 3));
}

TEST_F(SpillTest, AnotherPodsRecordingIsSetAside) {
  KeepFrames("pod-0", 2);
  const LogCapture log;
  EXPECT_EQ(Open("pod-0")->stats().restored_frames, 2u);
  EXPECT_THAT(log.Lines("set aside"), SizeIs(0));
  EXPECT_EQ(Open("pod-1")->stats().restored_frames, 0u);
  const std::vector<std::string> earlier = EarlierRecordings();
  ASSERT_THAT(earlier, SizeIs(1));
  ASSERT_THAT(log.Lines("set aside"), SizeIs(1));
  EXPECT_THAT(log.Lines("set aside")[0],
              AllOf(HasSubstr("pod_name=pod-1"), HasSubstr("was_of=pod-0"),
                    HasSubstr(earlier[0])));
  const Spill::Stats kept =
      Spill::Open(loop_, StrCat(directory_, "/", earlier[0]), "", {})->stats();
  EXPECT_EQ(kept.restored_frames, 2u);
  // It is this pod's from the first frame on.
  KeepFrames("pod-1", 1);
  EXPECT_EQ(Open("pod-1")->stats().restored_frames, 1u);
}

TEST_F(SpillTest, SaysWhenTheDirectoryIsOurs) {
  ASSERT_THAT(WriteFileAtomically(directory_, "x"), IsOk());
  auto spill = Open();
  const recorder::Recording recording = spill->TakeRecording();
  int told = 0;
  spill->set_on_late([&] { ++told; });
  ASSERT_TRUE(WriteOne(spill.get(), recording));
  EXPECT_EQ(told, 0);
  fs::remove(directory_);
  ASSERT_TRUE(WriteOne(spill.get(), recording));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(spill->owner(), Spill::Owner::kUs);
}

TEST_F(SpillTest, WaitsForAnAgentThatIsAboutToEnd) {
  auto before = Open();
  recorder::Recording recording = before->TakeRecording();
  Append(&recording, 1000);
  Finish(before.get(), recording);
  std::thread ends([&before] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    before.reset();
  });
  const auto after = Open();
  ends.join();
  EXPECT_EQ(after->stats().restored_frames, 1u);
  EXPECT_FALSE(after->stats().is_failing);
}

TEST_F(SpillTest, SaysWhatIsWrongWithTheDirectory) {
  ASSERT_THAT(WriteFileAtomically(directory_, "x"), IsOk());
  EXPECT_THAT(SaidOnOpening(), HasSubstr(StrCat("error=\"", directory_,
                                                " is not a directory\"")));
  fs::remove(directory_);
  auto first = Open();
  EXPECT_EQ(first->owner(), Spill::Owner::kUs);
  EXPECT_THAT(SaidOnOpening(),
              AllOf(HasSubstr("another agent uses this --recorder-dir"),
                    HasSubstr("directory=" + directory_), HasSubstr("pid=")));
  EXPECT_EQ(Open()->owner(), Spill::Owner::kAnother);
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
