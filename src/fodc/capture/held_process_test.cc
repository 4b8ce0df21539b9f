// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/held_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "fodc/base/file_testing.h"
#include "fodc/base/proc.h"
#include "fodc/base/status_matchers.h"
#include "fodc/target/child_process.h"

namespace fodc::capture {
namespace {

using target::ChildProcess;
using ::testing::_;
using ::testing::HasSubstr;

CaptureProcess Named(pid_t pid) {
  return {.pid = pid,
          .start_ticks = ReadProcessStat(kProcRoot, pid)->start_ticks};
}

TEST(HeldProcessTest, ReadsItsFilesWhileItLives) {
  ChildProcess child("held", -1);
  const auto held = HeldProcess::Open("/proc", Named(child.pid()));
  ASSERT_THAT(held, IsOk());
  EXPECT_TRUE(held->IsAlive());
  const auto comm = ReadPiece(held->directory(), "comm", 100);
  ASSERT_THAT(comm, IsOk());
  EXPECT_EQ(comm->text, "held\n");
  child.Kill();
  child.AwaitEnd();
  EXPECT_FALSE(held->IsAlive());  // a zombie
  EXPECT_THAT(HeldProcess::Open("/proc", Named(child.pid())),
              StatusIs(Code::kNotFound, HasSubstr("ended")));
  child.Reap();
  EXPECT_FALSE(held->IsAlive());
  EXPECT_THAT(ReadPiece(held->directory(), "comm", 100),
              StatusIs(Code::kNotFound, _));
}

TEST(HeldProcessTest, AnotherOneOfThatPidIsNotTakenForIt) {
  const CaptureProcess earlier = {
      .pid = ::getpid(), .start_ticks = Named(::getpid()).start_ticks - 1};
  EXPECT_THAT(HeldProcess::Open("/proc", earlier),
              StatusIs(Code::kNotFound, HasSubstr("another one")));
}

TEST(HeldProcessTest, OneThatIsGoneIsNotFound) {
  ChildProcess child("gone", -1);
  const CaptureProcess named = Named(child.pid());
  child.Kill();
  child.Reap();
  EXPECT_THAT(HeldProcess::Open("/proc", named), StatusIs(Code::kNotFound, _));
}

TEST(ReadPieceTest, StopsAtItsBound) {
  TempDirectory tree;
  WriteTree(tree.path(), {{"f", "0123456789"}});
  const auto directory = Directory::Open(tree.path());
  ASSERT_THAT(directory, IsOk());
  const auto all = ReadPiece(*directory, "f", 10);
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ(all->text, "0123456789");
  EXPECT_FALSE(all->is_cut);
  const auto some = ReadPiece(*directory, "f", 9);
  ASSERT_THAT(some, IsOk());
  EXPECT_EQ(some->text, "012345678");
  EXPECT_TRUE(some->is_cut);
}

}  // namespace
}  // namespace fodc::capture
