// SPDX-License-Identifier: Apache-2.0
// A death where the kernel has not one page more to give.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/guard/crash.h"
#include "tests/guard/memory_child.h"

namespace fodc::guard {
namespace {

using test::ChildEnd;
using test::MemoryGroup;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::uint64_t kLimitBytes = std::uint64_t{64} << 20;
constexpr std::size_t kPageBytes = 4096;
constexpr int kThreads = 40;
constexpr int kBroken = 99;

// A thread that has much to tell.
__attribute__((noinline)) int Deep(int calls, std::atomic<int>* ready) {
  if (calls > 0) return Deep(calls - 1, ready) + 1;
  ++*ready;
  while (*ready > 0) (void)::pause();
  return 0;
}

// Page by page, until the group has taken all that it may.
void FillGroup(const MemoryGroup& group) {
  const std::string path = group.group().path() + "/memory.usage_in_bytes";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  auto* const memory = static_cast<volatile char*>(
      ::mmap(nullptr, kLimitBytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  (void)::madvise(const_cast<char*>(memory), kLimitBytes, MADV_NOHUGEPAGE);
  for (std::size_t at = 0; at < kLimitBytes; at += kPageBytes) {
    char text[32] = {};
    (void)!::pread(fd, text, sizeof(text) - 1, 0);
    if (std::strtoull(text, nullptr, 10) + kPageBytes > kLimitBytes) return;
    memory[at] = 1;
  }
}

TEST(CrashKernelTest, AtTheWallOfItsLimitADeathLeavesItsRecord) {
  const std::string why = test::WhyNoMemoryGroups();
  if (!why.empty()) {
    std::printf("SKIPPED: no memory cgroups: %s\n", why.c_str());
    GTEST_SKIP();
  }
  const TempDirectory dir;
  const MemoryGroup group("guard-crash-wall", kLimitBytes);
  const ChildEnd end = RunInGroup(group, [&] {
    CrashOptions options;
    options.directory = dir.File("crash");
    if (!ArmCrashHandler(options).ok()) return kBroken;
    std::atomic<int> ready{0};
    for (int i = 0; i < kThreads; ++i) {
      std::thread([&ready] {
        CoverThisThread().IgnoreError();
        (void)Deep(100, &ready);
      }).detach();
    }
    while (ready < kThreads) std::this_thread::yield();
    FillGroup(group);
    std::terminate();
  });
  EXPECT_EQ(end.signal, SIGABRT);
  EXPECT_EQ(end.oom_kills, 0u);
  const auto ids = ListDirectory(dir.File("crash"));
  ASSERT_THAT(ids, IsOk());
  ASSERT_THAT(*ids, SizeIs(1));
  const auto text = ReadFile(dir.File("crash/" + ids->front() + "/panic.json"));
  ASSERT_THAT(text, IsOk());
  const auto record = nlohmann::json::parse(*text);
  EXPECT_EQ(record.at("panicValue"), "std::terminate");
  const auto stacks = record.at("goroutineStack").get<std::string>();
  EXPECT_THAT(stacks, ::testing::Not(HasSubstr("did not answer")));
}

}  // namespace
}  // namespace fodc::guard
