// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/thread_priority.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc {
namespace {

using namespace std::chrono_literals;

// Of the calling thread, as the scheduler tells it; nothing if it does not.
std::optional<std::int64_t> Slice() {
  const auto text = ReadFile(StrCat("/proc/self/task/", ::gettid(), "/sched"));
  if (!text.ok()) return {};
  for (const std::string_view line : Split(*text, '\n')) {
    if (!line.starts_with("se.slice")) continue;
    return ParseInt(Trim(line.substr(line.rfind(':') + 1)));
  }
  return {};
}

template <typename Work>
void OnAThread(const Work& work) {
  std::jthread thread(work);
}

TEST(ThreadPriorityTest, GivesWayForItselfAlone) {
  const int own = ::getpriority(PRIO_PROCESS, 0);
  const int below = std::min(own + 3, 19);  // there is no further
  OnAThread([&] {
    GiveWay(below);
    EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), below);
    GiveWay(own);  // it is below that already
    EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), below);
  });
  EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), own);
}

TEST(ThreadPriorityTest, AsksForShortSlicesAndLeavesThemToNobodyWhoGivesWay) {
  const auto usual = Slice();
  if (!usual) {
    (void)std::fputs("SKIPPED: /proc/<pid>/sched tells no slice\n", stderr);
    GTEST_SKIP();
  }
  OnAThread([&] {
    RunSoon(300us);
    EXPECT_EQ(Slice(), 300'000);
    OnAThread([&] {
      EXPECT_EQ(Slice(), 300'000);  // inherited
      GiveWay(::getpriority(PRIO_PROCESS, 0) + 1);
      EXPECT_EQ(Slice(), usual);
    });
  });
  EXPECT_EQ(Slice(), usual);
}

}  // namespace
}  // namespace fodc
