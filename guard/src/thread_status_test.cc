// SPDX-License-Identifier: Apache-2.0
#include "thread_status.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <string>

namespace fodc::guard {
namespace {

constexpr std::string_view kText =
    "Name:\tState:\tD\n"
    "Umask:\t0022\n"
    "State:\tS (sleeping)\n"
    "Tgid:\t4711\n"
    "Groups:\t0 27 \n"
    "SigQ:\t2/7641\n"
    "SigPnd:\t0000000000000000\n"
    "SigBlk:\t8000000000000201\n"
    "SigIgn:\t0000000000001000\n";

TEST(ThreadStatusTest, HasNameStateAndBlockedSignals) {
  const ThreadStatus s = ParseThreadStatus(kText);
  EXPECT_EQ(s.Name(), "State:\tD");
  EXPECT_EQ(s.run_state, 'S');
  EXPECT_TRUE(s.Blocks(1));
  EXPECT_TRUE(s.Blocks(10));
  EXPECT_TRUE(s.Blocks(64));
  EXPECT_FALSE(s.Blocks(2));
  EXPECT_FALSE(s.Blocks(63));
  EXPECT_FALSE(s.HasEnded());
}

TEST(ThreadStatusTest, WhatIsMissingIsByDefault) {
  for (std::size_t size = 0; size < kText.size(); ++size) {
    const ThreadStatus s = ParseThreadStatus(kText.substr(0, size));
    EXPECT_TRUE(s.run_state == '?' || s.run_state == 'S') << size;
    EXPECT_LE(s.Name().size(), 8u);
  }
  EXPECT_EQ(ParseThreadStatus("SigBlk:\t12x\n").blocked, 0u);
  EXPECT_EQ(ParseThreadStatus("SigBlk:\t11111111111111111\n").blocked, 0u);
  EXPECT_EQ(ParseThreadStatus("SigBlk:12\n").blocked, 0u);
}

TEST(ThreadStatusTest, ALongNameIsCut) {
  const std::string name(100, 'n');
  EXPECT_EQ(ParseThreadStatus("Name:\t" + name + "\n").Name(),
            std::string(32, 'n'));
}

TEST(ThreadStatusTest, ReadsThatOfARealThread) {
  sigset_t set;
  sigset_t before;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &set, &before);
  const ThreadStatus s =
      ReadThreadStatus(static_cast<pid_t>(::syscall(SYS_gettid)));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(s.run_state, 'R');
  EXPECT_FALSE(s.Name().empty());
  EXPECT_TRUE(s.Blocks(SIGUSR2));
  EXPECT_FALSE(s.Blocks(SIGSEGV));
}

TEST(ThreadStatusTest, OfAThreadThatIsNotThereNothingIsKnown) {
  EXPECT_EQ(ReadThreadStatus(0).run_state, '?');
  EXPECT_EQ(ReadHeldAt(0), 0u);
}

}  // namespace
}  // namespace fodc::guard
