// SPDX-License-Identifier: Apache-2.0
#include "watch_waiter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "base64.h"
#include "environment_testing.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Optional;
using ::testing::StartsWith;

class WatchWaiterTest : public ::testing::Test {
 protected:
  // As the service manager does.
  void Pass(const char* watch, const char* write) {
    watch_.reset();
    write_.reset();
    watch_.emplace("MEMORY_PRESSURE_WATCH", watch);
    write_.emplace("MEMORY_PRESSURE_WRITE", write);
  }
  std::unique_ptr<WatchWaiter> waiter_ = std::move(MakeWatchWaiter()).value();
  TempDirectory tree_;
  std::optional<ScopedVariable> watch_, write_;
};

TEST_F(WatchWaiterTest, StopEndsThisAndEveryFurtherWait) {
  EXPECT_EQ(waiter_->Wait(0s, 0s), WatchWaiter::Woke::kTime);
  waiter_->Stop();
  EXPECT_EQ(waiter_->Wait(1h, 1h), WatchWaiter::Woke::kStop);
  EXPECT_EQ(waiter_->Wait(1h, 0s), WatchWaiter::Woke::kStop);
}

TEST_F(WatchWaiterTest, WhatTheServiceManagerPassesIsWrittenToItsFile) {
  const std::string path = tree_.File("memory.pressure");
  ASSERT_THAT(WriteFileAtomically(path, ""), IsOk());
  Pass(path.c_str(), "c29tZSAyMDAwMDAgMjAwMDAwMAA=");
  const auto told = waiter_->WatchStalls({});
  ASSERT_THAT(told, IsOk());
  EXPECT_EQ(*told, path + " some 200000 2000000");
  EXPECT_EQ(ReadFile(path).value(), std::string("some 200000 2000000\0", 20));
}

TEST_F(WatchWaiterTest, TheServiceManagerCanTurnItOff) {
  Pass("/dev/null", nullptr);
  EXPECT_THAT(*waiter_->WatchStalls({}), HasSubstr("off"));
}

TEST_F(WatchWaiterTest, WhatItCannotUseIsSaidAndTheGroupIsWatched) {
  const std::string own = tree_.File("memory.pressure");
  ASSERT_THAT(WriteFileAtomically(own, ""), IsOk());
  const CgroupDirectory group = {.version = CgroupVersion::kV2,
                                 .mount = tree_.path(),
                                 .path = tree_.path()};
  const std::string fifo = tree_.File("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  const auto told = [&](const std::string& watch, const char* write) {
    Pass(watch.c_str(), write);
    return waiter_->WatchStalls(group).value_or("");
  };
  EXPECT_THAT(told(fifo, nullptr),
              AllOf(StartsWith(own + " some "), HasSubstr(fifo)));
  EXPECT_THAT(told(tree_.path(), nullptr), StartsWith(own + " some "));
  EXPECT_THAT(told("/dev/zero", nullptr), HasSubstr("/dev/zero"));
  EXPECT_THAT(told("/dev/zero", "not base64"), HasSubstr("base64"));
}

TEST_F(WatchWaiterTest, AGroupWithoutTheKernelsFilesIsAnError) {
  EXPECT_THAT(waiter_->WatchGroup({.version = CgroupVersion::kV1,
                                   .mount = tree_.path(),
                                   .path = tree_.path()},
                                  1, 2),
              StatusIs(Code::kNotFound, HasSubstr("memory.usage_in_bytes")));
  EXPECT_THAT(waiter_->WatchGroup({.version = CgroupVersion::kV2,
                                   .mount = tree_.path(),
                                   .path = tree_.path()},
                                  1, 2),
              StatusIs(Code::kNotFound, HasSubstr("memory.events")));
}

// The files of a group of cgroup v1, without the kernel behind them: what is
// written to the control file names the eventfd.
class WatchedUsageTest : public WatchWaiterTest {
 protected:
  WatchedUsageTest() {
    EXPECT_THAT(WriteFileAtomically(tree_.File("memory.usage_in_bytes"), "1"),
                IsOk());
  }
  // The number of the eventfd for `bytes`, the last one that was asked for.
  int Ask(std::uint64_t bytes) {
    const std::string control = tree_.File("cgroup.event_control");
    EXPECT_THAT(WriteFileAtomically(control, ""), IsOk());
    EXPECT_THAT(waiter_->WatchGroup({.version = CgroupVersion::kV1,
                                     .mount = tree_.path(),
                                     .path = tree_.path()},
                                    0, bytes),
                IsOk());
    const std::string text = ReadFile(control).value_or("");
    EXPECT_TRUE(text.ends_with(StrCat(" ", bytes))) << text;
    return std::atoi(text.c_str());
  }
  static void Cross(int event) {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(event, &one, sizeof one), 8);
  }
};

TEST_F(WatchedUsageTest, ACrossingEndsTheWaitOnce) {
  Cross(Ask(1000));
  EXPECT_EQ(waiter_->Wait(1h, 0s), WatchWaiter::Woke::kThreshold);
  EXPECT_EQ(waiter_->Wait(0s, 0s), WatchWaiter::Woke::kTime);
}

TEST_F(WatchedUsageTest, ACrossingWaitsUntilTheSourceMayBeAskedAgain) {
  Cross(Ask(1000));
  EXPECT_EQ(waiter_->Wait(1ms, 1h), WatchWaiter::Woke::kTime);
  // It is not lost.
  EXPECT_EQ(waiter_->Wait(1h, 1ms), WatchWaiter::Woke::kThreshold);
}

TEST_F(WatchedUsageTest, NewLinesAreAskedForInPlaceOfTheOld) {
  const int before = Ask(1000);
  Cross(before);
  Cross(Ask(2000));
  EXPECT_EQ(waiter_->Wait(1h, 0s), WatchWaiter::Woke::kThreshold);
  EXPECT_EQ(waiter_->Wait(0s, 0s), WatchWaiter::Woke::kTime);
}

TEST(Base64Test, DecodesWhatIsSuchATextAndNothingElse) {
  EXPECT_THAT(DecodeBase64(""), Optional(std::string()));
  EXPECT_THAT(DecodeBase64("Zg=="), Optional(std::string("f")));
  EXPECT_THAT(DecodeBase64("Zm8="), Optional(std::string("fo")));
  EXPECT_THAT(DecodeBase64("Zm9v"), Optional(std::string("foo")));
  EXPECT_THAT(DecodeBase64("+/+/"), Optional(std::string("\xfb\xff\xbf")));
  for (const char* bad :
       {"Z", "Zg=", "Zg", "Z===", "Zm9v\n", "Zm 9", "Zg==Zg=="}) {
    EXPECT_EQ(DecodeBase64(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace fodc::guard
