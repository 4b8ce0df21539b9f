// SPDX-License-Identifier: Apache-2.0
// The trigger on the real kernel: real processes in real memory cgroups. It
// fires before the kernel kills, and never for page cache or untouched memory.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"
#include "fodc/base/proc.h"
#include "fodc/base/unique_fd.h"
#include "fodc/detect/memory_watch.h"
#include "tests/guard/growing.h"

namespace fodc::detect {
namespace {

using test::MemoryGroup;
using test::WaitUntil;
using namespace std::chrono_literals;

constexpr std::uint64_t kMib = 1 << 20;

class TriggerKernelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = test::NoMemoryGroups(); !why.empty()) {
      std::printf("SKIPPED: %s\n", why.c_str());
      GTEST_SKIP();
    }
    auto watch = MemoryWatch::Start({}, SystemClock(),
                                    {.on_fire =
                                         [this](const PressureFiring& f) {
                                           const MutexLock lock(mutex_);
                                           fired_.push_back(f);
                                         },
                                     .on_calm = [](std::size_t) {}});
    ASSERT_TRUE(watch.ok()) << watch.status().ToString();
    watch_ = *std::move(watch);
  }
  void MakeGroup(std::uint64_t limit_mib) {
    group_ = std::make_unique<MemoryGroup>("trigger", limit_mib);
  }
  // Its process, watched; it does not grow yet.
  test::Process Grow(std::vector<std::string> flags, bool has_events) {
    test::Process process = test::StartGrower(*group_, dir_, std::move(flags));
    const auto stat = ReadProcessStat(kProcRoot, process.pid());
    EXPECT_TRUE(stat.ok());
    auto source = KernelMemory::Open(process.pid(), stat->start_ticks,
                                     {.has_events = has_events});
    EXPECT_TRUE(source.ok()) << source.status().ToString();
    EXPECT_EQ((*source)->event_fd() >= 0, has_events);
    watch_->Follow(0, *std::move(source));
    EXPECT_TRUE(WaitUntil([&] { return State().last.is_armed(); }));
    return process;
  }
  MemoryState State() const { return watch_->States()[0]; }
  std::vector<PressureFiring> Fired() {
    const MutexLock lock(mutex_);
    return fired_;
  }

  TempDirectory dir_{"fodc-trigger"};
  std::unique_ptr<MemoryGroup> group_;
  Mutex mutex_;
  std::vector<PressureFiring> fired_;
  std::unique_ptr<MemoryWatch> watch_;  // the last: its thread uses the others
};

class TriggerRateTest : public TriggerKernelTest,
                        public ::testing::WithParamInterface<bool> {};

TEST_P(TriggerRateTest, FiresBeforeTheKernelKills) {
  MakeGroup(256);
  test::Process grower = Grow({"--rate=200", "--stubborn"}, GetParam());
  grower.Signal(SIGUSR1);
  EXPECT_EQ(grower.WaitExitCode(60s), 128 + SIGKILL);
  EXPECT_EQ(group_->OomKills(), 1U);
  ASSERT_FALSE(Fired().empty());
  const PressureFiring f = Fired()[0];
  EXPECT_EQ(f.pid, grower.pid());
  EXPECT_EQ(f.decision.sample.measure, PressureMeasure::kCharge);
  EXPECT_EQ(f.decision.sample.limit_bytes, 256 * kMib);
  EXPECT_GE(f.decision.sample.bytes, 192 * kMib);
  EXPECT_LT(f.decision.sample.bytes, 256 * kMib);
  EXPECT_TRUE(WaitUntil(
      [&] { return State().last.reason == PressureReason::kNoTarget; }));
}

INSTANTIATE_TEST_SUITE_P(Events, TriggerRateTest, ::testing::Bool());

// A file larger than the limit, over and over, and 2 GiB that nobody touches.
TEST_F(TriggerKernelTest, PageCacheAndUntouchedMemoryFireNothing) {
  MakeGroup(256);
  const std::string file = dir_.File("large");
  ASSERT_TRUE(WriteFileAtomically(file, std::string(300 * kMib, 'x')).ok());
  // Whoever reads it first is charged.
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::fsync(fd.get()), 0);
  ASSERT_EQ(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  test::Process reader = Grow(
      {"--rate=10", "--until=16", "--reserve=2048", "--read=" + file}, true);
  reader.Signal(SIGUSR1);
  // The page cache has filled the group to its limit.
  EXPECT_TRUE(WaitUntil([&] { return group_->Usage() > 220 * kMib; }));
  const std::uint64_t before = State().looks;
  EXPECT_TRUE(WaitUntil([&] { return State().looks > before + 50; }));
  EXPECT_TRUE(Fired().empty());
  EXPECT_LT(State().last.sample.bytes, 100 * kMib);
  EXPECT_EQ(State().last.reason, PressureReason::kBelow);
}

TEST_F(TriggerKernelTest, ALimitThatIsLoweredUnderWayMovesTheLine) {
  MakeGroup(512);
  test::Process grower = Grow({"--rate=400", "--until=128"}, true);
  grower.Signal(SIGUSR1);
  EXPECT_TRUE(
      WaitUntil([&] { return State().last.sample.bytes > 128 * kMib; }));
  EXPECT_TRUE(Fired().empty());
  group_->Write("memory.limit_in_bytes", std::to_string(160 * kMib));
  EXPECT_TRUE(WaitUntil([&] { return Fired().size() == 1; }));
  EXPECT_EQ(Fired()[0].decision.sample.limit_bytes, 160 * kMib);
}

}  // namespace
}  // namespace fodc::detect
