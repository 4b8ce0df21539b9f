// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/workers.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <optional>

namespace kvnode {
namespace {

TEST(WorkersTest, RunAtTheirOwnPriority) {
  const int ours = ::getpriority(PRIO_PROCESS, 0);
  std::promise<int> theirs;
  Workers workers(1, 19);
  ASSERT_TRUE(workers.Run(
      [&theirs] { theirs.set_value(::getpriority(PRIO_PROCESS, 0)); }));
  EXPECT_EQ(theirs.get_future().get(), 19);
  EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), ours);
}

TEST(WorkersTest, AsManyAsAreAllowedWorkAtOnce) {
  std::promise<void> first;
  std::promise<void> second;
  Workers workers(2, 0);
  // Each waits for the other.
  ASSERT_TRUE(workers.Run([&] {
    first.set_value();
    second.get_future().wait();
  }));
  std::promise<void> done;
  ASSERT_TRUE(workers.Run([&] {
    first.get_future().wait();
    second.set_value();
    done.set_value();
  }));
  done.get_future().wait();
}

TEST(WorkersTest, RefuseWhatWouldWaitForTooLong) {
  std::promise<void> begun;
  std::promise<void> end;
  std::atomic<int> ran = 0;
  int taken = 0;
  {
    Workers workers(1, 0);
    ASSERT_TRUE(workers.Run([&] {
      begun.set_value();
      end.get_future().wait();
    }));
    begun.get_future().wait();
    while (workers.Run([&ran] { ++ran; })) ++taken;
    EXPECT_EQ(taken, 1024);
    end.set_value();
  }
  // What still waited at the end was dropped.
  EXPECT_LE(ran, taken);
}

}  // namespace
}  // namespace kvnode
