// SPDX-License-Identifier: Apache-2.0
// Captures on real file systems that fill up under way or may not be written.
// Each case is a process in a mount namespace of its own; what it mounts goes
// with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "fodc/base/mutex.h"
#include "fodc/base/proc.h"
#include "fodc/capture/capture_runner.h"
#include "fodc/evidence/event_store_testing.h"
#include "fodc/net/http_test_peer.h"

namespace fodc::capture {
namespace {

using evidence::OpenStore;
using evidence::Shell;
using evidence::StepOutcome;
using net::RawServer;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kHead[] = "heap profile: 1: 2 [ 3: 4] @ heapprofile\n";

class CaptureDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      std::cout << "SKIPPED: only root may mount\n";
      GTEST_SKIP();
    }
    ASSERT_THAT(MakeDirectories(disk_), IsOk());
  }

  // Runs `inside` with a file system of `bytes` at disk_.
  template <typename Inside>
  void OnDiskOf(std::size_t bytes, const Inside& inside) {
    std::cout.flush();
    const pid_t child = ::fork();
    if (child == 0) {
      const std::string options = StrCat("mode=755,size=", bytes);
      if (::unshare(CLONE_NEWNS) != 0 ||
          ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          ::mount("tmpfs", disk_.c_str(), "tmpfs", 0, options.c_str()) != 0) {
        ADD_FAILURE() << "no file system of its own";
      } else {
        inside();
      }
      (void)std::fflush(nullptr);
      ::_exit(HasFailure() ? 1 : 0);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "what is above failed";
  }

  // Of this process, whose heap `server` serves.
  static CaptureResult Capture(evidence::EventStore* store,
                               const RawServer& server) {
    Mutex mutex;
    CondVar there;
    std::optional<CaptureResult> result;
    CaptureRunner runner(
        {.targets = {{.profiles = *ProfileSource::Parse(server.Url(""))}},
         .profiles = *ChooseProfileTypes({}),
         .budget = {.max_bytes = 16 << 20, .min_bytes = 1}},
        {.on_captured =
             [&](CaptureResult r) {
               MutexLock lock(mutex);
               result = std::move(r);
               there.NotifyAll();
             }},
        store, SystemClock());
    CaptureRequest request = {.at = FakeClock().Unix(), .target = "db"};
    request.processes = {
        {.pid = ::getpid(),
         .start_ticks = ReadProcessStat(kProcRoot, ::getpid())->start_ticks}};
    EXPECT_THAT(runner.Begin(std::move(request)), IsOk());
    MutexLock lock(mutex);
    while (!result) there.Wait(mutex);
    return *result;
  }

  TempDirectory tree_;
  const std::string disk_ = tree_.File("disk");
  const std::string root_ = disk_ + "/events";
};

TEST_F(CaptureDiskTest, OneThatFillsUpUnderWayStillKeepsWhatIsSmall) {
  OnDiskOf(8 << 20, [this] {
    const auto store = OpenStore(root_);
    bool is_first = true;
    const RawServer server([&](int fd, const std::string&) {
      if (std::exchange(is_first, false)) {
        // Another's file takes all but a piece of what was free.
        EXPECT_EQ(
            Shell(StrCat("head -c 7000000 /dev/zero >", disk_, "/filler")), 0);
        RawServer::Send(fd, "HTTP/1.1 200 OK\r\n\r\n");
        RawServer::Send(fd, kHead);
        while (RawServer::Send(fd, std::string(100'000, 'x'))) {
        }
        return false;
      }
      RawServer::Send(fd, StrCat("HTTP/1.1 200 OK\r\nContent-Length: ",
                                 sizeof kHead - 1, "\r\n\r\n", kHead));
      return true;
    });
    const CaptureResult result = Capture(store.get(), server);
    ASSERT_THAT(result.status, IsOk());
    const auto info = store->Read(result.event_id);
    ASSERT_THAT(info, IsOk());
    bool has_heap = false;
    for (const evidence::EventStep& step : info->meta.steps) {
      if (step.step == "heap") {
        has_heap = true;
        EXPECT_EQ(step.outcome, StepOutcome::kFailed);
        EXPECT_THAT(step.reason, HasSubstr("No space left"));
      } else if (step.step == "status" || step.step == "goroutine") {
        EXPECT_EQ(step.outcome, StepOutcome::kComplete) << step.reason;
      }
    }
    EXPECT_TRUE(has_heap);
  });
}

TEST_F(CaptureDiskTest, OneThatIsReadOnlyFailsAtOnce) {
  OnDiskOf(8 << 20, [this] {
    (void)OpenStore(root_);
    ASSERT_EQ(::mount(nullptr, disk_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY,
                      nullptr),
              0);
    const auto store = OpenStore(root_);
    const RawServer server([](int, const std::string&) -> bool {
      ADD_FAILURE() << "it was asked";
      return false;
    });
    const CaptureResult result = Capture(store.get(), server);
    EXPECT_FALSE(result.status.ok());
    EXPECT_THAT(result.status.message(), HasSubstr("Read-only file system"));
    EXPECT_FALSE(result.has_evidence);
    EXPECT_THAT(store->List(), IsOkAndHolds(IsEmpty()));
  });
}

}  // namespace
}  // namespace fodc::capture
