// SPDX-License-Identifier: Apache-2.0
// A process that thrashes below its memory threshold: pressure stalls tell.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"
#include "fodc/guard/memwatch.h"
#include "tests/guard/memory_child.h"
#include "tests/support/wait.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kMib = 1 << 20;

void Skip(const std::string& why) { std::printf("SKIPPED: %s\n", why.c_str()); }

TEST(StallKernelTest, AThrashingProcessIsToldByItsStallsAlone) {
  const std::string why = test::WhyNoMemoryGroups();
  if (!why.empty()) {
    Skip("no memory cgroups: " + why);
    GTEST_SKIP();
  }
  if (::access("/proc/pressure/memory", R_OK) != 0 ||
      test::Cgroup2Root().empty()) {
    Skip("no pressure stall information of groups");
    GTEST_SKIP();
  }
  const test::MemoryGroup group("guard-stall", 48 * kMib);
  const test::Group unified(StrCat("fodc-guard-stall-", ::getpid()));
  const TempDirectory tree;
  const std::string path = tree.File("data");
  {
    const std::string block(kMib, 'x');
    const UniqueFd fd(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    for (int i = 0; i < 160; ++i) {
      ASSERT_TRUE(WriteAll(fd.get(), block, path).ok());
    }
    ASSERT_EQ(::fsync(fd.get()), 0);
    // What is cached now is charged to this process.
    ASSERT_EQ(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }
  const test::ChildEnd end = RunInGroup(
      group,
      [&path] {
        auto metrics = Metrics::Create();
        MemwatchOptions options;
        options.hard.percent = 95;
        options.adaptive = false;
        options.poll_interval = std::chrono::hours(1);
        options.metrics = metrics->get();
        auto watch = Memwatch::Create(std::move(options));
        if (!watch.ok() || !(*watch)->Start().ok()) return 99;
        const Counter& stalls = **(*metrics)->FindCounter(
            "fodc_guard_memory_kernel_events_total", {{"event", "stall"}});
        // Reads what does not fit, page by page, for ever.
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        auto* data = static_cast<volatile char*>(
            ::mmap(nullptr, 160 * kMib, PROT_READ, MAP_SHARED, fd, 0));
        std::atomic<bool> stop{false};
        std::vector<std::thread> readers;
        for (int t = 0; t < 4; ++t) {
          readers.emplace_back([&, t] {
            std::uint64_t at = static_cast<std::uint64_t>(t) * 40 * kMib;
            while (!stop) {
              (void)data[at];
              at = (at + 4096) % (160 * kMib);
            }
          });
        }
        const bool told =
            test::WaitUntil([&] { return stalls.value() > 0; }, 20s, 10ms);
        stop = true;
        for (std::thread& t : readers) t.join();
        // Told by the stall alone: memory was never over.
        return told && (*watch)->level() != MemoryLevel::kHard ? 2 : 0;
      },
      &unified);
  EXPECT_EQ(end.signal, 0);
  EXPECT_EQ(end.code, 2);
}

}  // namespace
}  // namespace fodc::guard
