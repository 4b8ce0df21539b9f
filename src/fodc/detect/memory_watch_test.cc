// SPDX-License-Identifier: Apache-2.0
// The thread, with a real process whose memory is what files say.
#include "fodc/detect/memory_watch.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "fodc/base/file.h"
#include "fodc/base/mutex.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/target/child_process.h"
#include "tests/support/wait.h"

namespace fodc::detect {
namespace {

using test::WaitUntil;

constexpr std::uint64_t kMib = 1 << 20;

class MemoryWatchTest : public ::testing::Test {
 protected:
  MemoryWatchTest() {
    auto watch = MemoryWatch::Start({.pressure = {}, .cadence = {}, .rows = 2},
                                    SystemClock(),
                                    {.on_fire =
                                         [this](const PressureFiring& f) {
                                           const MutexLock lock(mutex_);
                                           fired_.push_back(f);
                                         },
                                     .on_calm = [](std::size_t) {}});
    EXPECT_TRUE(watch.ok()) << watch.status().ToString();
    watch_ = *std::move(watch);
    Write("meminfo", "MemTotal: 16777216 kB\n");
    Write("self/mountinfo", "35 31 0:32 / /m rw - cgroup cgroup rw,memory\n");
  }
  // The process's group, with that usage of a limit of 1000 MiB.
  std::unique_ptr<MemorySource> Open(pid_t pid, std::uint64_t mib) {
    const auto stat = ReadFile(StrCat("/proc/", pid, "/stat"));
    const auto parsed = ReadProcessStat(kProcRoot, pid);
    EXPECT_TRUE(stat.ok() && parsed.ok());
    Write(StrCat(pid, "/stat"), *stat);
    Write(StrCat(pid, "/statm"), "1000 1000 0 0 0 0 0\n");
    Write(StrCat(pid, "/cgroup"), StrCat("4:memory:/", pid, "\n"));
    Write(StrCat("m/", pid, "/memory.usage_in_bytes"), StrCat(mib * kMib));
    Write(StrCat("m/", pid, "/memory.limit_in_bytes"), StrCat(1000 * kMib));
    Write(StrCat("m/", pid, "/memory.stat"),
          "inactive_file 0\nactive_file 0\n"
          "total_inactive_file 0\ntotal_active_file 0\n");
    auto source = KernelMemory::Open(pid, parsed->start_ticks,
                                     {.proc_root = tree_.path(),
                                      .sys_root = tree_.path(),
                                      .has_events = false});
    EXPECT_TRUE(source.ok()) << source.status().ToString();
    return source.ok() ? *std::move(source) : nullptr;
  }
  void Write(const std::string& name, const std::string& text) {
    const std::string path = tree_.File(name);
    EXPECT_TRUE(MakeDirectories(path.substr(0, path.rfind('/'))).ok());
    EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  }
  std::size_t Fired() {
    const MutexLock lock(mutex_);
    return fired_.size();
  }

  TempDirectory tree_;
  Mutex mutex_;
  std::vector<PressureFiring> fired_;
  std::unique_ptr<MemoryWatch> watch_;  // the last: its thread uses the others
};

TEST_F(MemoryWatchTest, FiresForWhoIsOverTheLineAndForNobodyElse) {
  target::ChildProcess wide("wide", -1);
  target::ChildProcess narrow("narrow", -1);
  watch_->Follow(0, Open(wide.pid(), 800));
  watch_->Follow(1, Open(narrow.pid(), 100));
  ASSERT_TRUE(WaitUntil([&] { return Fired() == 1; }));
  EXPECT_EQ(fired_[0].row, 0U);
  EXPECT_EQ(fired_[0].pid, wide.pid());
  EXPECT_EQ(fired_[0].decision.reason, PressureReason::kLine);
  EXPECT_EQ(fired_[0].decision.sample.bytes, 800 * kMib);
  EXPECT_EQ(fired_[0].ramp, 1U);
  ASSERT_TRUE(WaitUntil([&] {
    return watch_->States()[1].last.reason == PressureReason::kBelow;
  }));
  watch_->OnCaptured(0, true);
  ASSERT_TRUE(WaitUntil([&] {
    return watch_->States()[0].last.reason == PressureReason::kCooldown;
  }));
  EXPECT_EQ(watch_->States()[0].past->captured_bytes, 800 * kMib);
  EXPECT_EQ(Fired(), 1U);
}

TEST_F(MemoryWatchTest, HearsOfTheEndByTheProcess) {
  target::ChildProcess child("child", -1);
  watch_->Follow(0, Open(child.pid(), 800));
  ASSERT_TRUE(WaitUntil([&] { return Fired() == 1; }));
  EXPECT_EQ(::kill(child.pid(), SIGKILL), 0);
  ASSERT_TRUE(WaitUntil([&] {
    return watch_->States()[0].last.reason == PressureReason::kNoTarget;
  }));
}

TEST_F(MemoryWatchTest, APidThatIsAnothersIsRefused) {
  target::ChildProcess child("child", -1);
  ASSERT_NE(Open(child.pid(), 1), nullptr);
  const auto parsed = ReadProcessStat(kProcRoot, child.pid());
  ASSERT_TRUE(parsed.ok());
  const auto source =
      KernelMemory::Open(child.pid(), parsed->start_ticks + 1,
                         {.proc_root = tree_.path(), .sys_root = tree_.path()});
  EXPECT_EQ(source.status().code(), Code::kNotFound);
}

TEST_F(MemoryWatchTest, WhoIsLetGoIsLookedAtNoMore) {
  target::ChildProcess child("child", -1);
  watch_->Follow(0, Open(child.pid(), 100));
  ASSERT_TRUE(WaitUntil([&] {
    return watch_->States()[0].last.reason == PressureReason::kBelow;
  }));
  watch_->LetGo(0, PressureReason::kUnreadable, "not ours");
  ASSERT_TRUE(
      WaitUntil([&] { return watch_->States()[0].problem == "not ours"; }));
}

TEST_F(MemoryWatchTest, APageAloneIsLookedAtAfterEachScrape) {
  watch_->OnScrape(1, PagePair{.bytes = 10, .limit_bytes = 100});
  ASSERT_TRUE(WaitUntil([&] {
    return watch_->States()[1].last.reason == PressureReason::kBelow;
  }));
  watch_->OnScrape(1, PagePair{.bytes = 76, .limit_bytes = 100});
  ASSERT_TRUE(WaitUntil([&] { return Fired() == 1; }));
  EXPECT_EQ(fired_[0].row, 1U);
  EXPECT_EQ(fired_[0].pid, 0);
}

}  // namespace
}  // namespace fodc::detect
