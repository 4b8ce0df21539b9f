// SPDX-License-Identifier: Apache-2.0
// Read and write calls of a real target on the real kernel: delivered and lost
// are what was made, exactly.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmath>
#include <numeric>
#include <string>
#include <thread>

#include "tests/kernel/kernel_fixture.h"

namespace fodc::kernel {
namespace {

using test::Group;
using test::Worker;

class KernelCallsTest : public KernelTest {};

TEST_F(KernelCallsTest, CountsEachReadCallByKind) {
  static const std::string path = FileOf(4096);
  Group group("fodc_calls");
  Worker worker({&group}, [] {
    char buffer[64];
    iovec v{buffer, 7};
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 101; ++i) {
      if (::lseek(file, 0, SEEK_SET) != 0 || ::read(file, buffer, 5) != 5) {
        ::abort();
      }
    }
    for (int i = 0; i < 211; ++i) {
      if (::pread(file, buffer, 3, i) != 3) ::abort();
    }
    for (int i = 0; i < 31; ++i) {
      if (::preadv(file, &v, 1, 0) != 7) ::abort();
    }
    for (int i = 0; i < 37; ++i) {
      if (::preadv2(file, &v, 1, 0, RWF_NOWAIT) != 7) ::abort();
    }
    ::lseek(file, 0, SEEK_SET);
    for (int i = 0; i < 41; ++i) {
      if (::readv(file, &v, 1) != 7) ::abort();
    }
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) ::abort();
    int pipe_ends[2];
    if (::pipe2(pipe_ends, O_CLOEXEC) != 0) ::abort();
    const int event = ::eventfd(0, EFD_CLOEXEC);
    for (int i = 0; i < 53; ++i) {
      if (::write(ends[0], buffer, 2) != 2 || ::read(ends[1], buffer, 2) != 2) {
        ::abort();
      }
    }
    for (int i = 0; i < 59; ++i) {
      if (::write(pipe_ends[1], buffer, 1) != 1 ||
          ::read(pipe_ends[0], buffer, 1) != 1) {
        ::abort();
      }
    }
    for (int i = 0; i < 61; ++i) {
      const std::uint64_t one = 1;
      if (::write(event, &one, 8) != 8 || ::read(event, buffer, 8) != 8) {
        ::abort();
      }
    }
    ::fcntl(pipe_ends[0], F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 67; ++i) {
      if (::read(pipe_ends[0], buffer, 1) != -1) ::abort();
    }
    for (int i = 0; i < 71; ++i) {
      if (::read(-1, buffer, 1) != -1) ::abort();
    }
  });
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  const auto before = Read(*telemetry);
  ASSERT_EQ(before.state, FilterState::kByCgroup) << before.reason;
  worker.Run();
  const auto after = Read(*telemetry);
  ASSERT_TRUE(after.read && after.write);
  const auto count = [&](ReadCall call, FileKind kind) {
    return after.read
        ->calls[static_cast<std::size_t>(call)][static_cast<std::size_t>(kind)];
  };
  EXPECT_EQ(count(ReadCall::kRead, FileKind::kFile).latency.Count(), 101u);
  EXPECT_EQ(count(ReadCall::kRead, FileKind::kFile).bytes, 505u);
  EXPECT_EQ(count(ReadCall::kPread, FileKind::kFile).latency.Count(), 211u);
  EXPECT_EQ(count(ReadCall::kPread, FileKind::kFile).bytes, 633u);
  EXPECT_EQ(count(ReadCall::kVectored, FileKind::kFile).latency.Count(), 109u);
  EXPECT_EQ(count(ReadCall::kVectored, FileKind::kFile).bytes, 763u);
  EXPECT_EQ(count(ReadCall::kRead, FileKind::kSocket).latency.Count(), 53u);
  EXPECT_EQ(count(ReadCall::kRead, FileKind::kPipe).latency.Count(), 59u);
  EXPECT_EQ(count(ReadCall::kRead, FileKind::kOther).latency.Count(), 61u);
  EXPECT_EQ(after.read->failures[static_cast<std::size_t>(ErrorClass::kAgain)],
            67u);
  EXPECT_EQ(
      after.read->failures[static_cast<std::size_t>(ErrorClass::kBadCall)],
      71u);
  EXPECT_EQ(Lost(after), 0u);
}

TEST_F(KernelCallsTest, CountsEachWriteCallByKindAndEachSync) {
  static const std::string path = FileOf(4096);
  Group group("fodc_calls");
  Worker worker({&group}, [] {
    char buffer[64] = {};
    iovec v{buffer, 7};
    const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    for (int i = 0; i < 11; ++i) {
      ::lseek(file, 0, SEEK_SET);
      if (::write(file, buffer, 5) != 5) ::abort();
    }
    for (int i = 0; i < 13; ++i) {
      if (::pwrite(file, buffer, 3, i) != 3) ::abort();
    }
    for (int i = 0; i < 17; ++i) {
      ::lseek(file, 0, SEEK_SET);
      if (::writev(file, &v, 1) != 7) ::abort();
    }
    for (int i = 0; i < 19; ++i) {
      if (::pwritev(file, &v, 1, 0) != 7) ::abort();
    }
    for (int i = 0; i < 23; ++i) {
      if (::pwritev2(file, &v, 1, 0, RWF_DSYNC) != 7) ::abort();
    }
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0) ::abort();
    for (int i = 0; i < 5; ++i) {
      if (::write(ends[0], buffer, 2) != 2) ::abort();
    }
    for (int i = 0; i < 3; ++i) {
      if (::fsync(file) != 0) ::abort();
    }
    for (int i = 0; i < 5; ++i) {
      if (::fdatasync(file) != 0) ::abort();
    }
    for (int i = 0; i < 7; ++i) {
      if (::sync_file_range(file, 0, 0, SYNC_FILE_RANGE_WRITE) != 0) ::abort();
    }
    for (int i = 0; i < 29; ++i) {
      if (::fsync(-1) != -1) ::abort();
    }
    for (int i = 0; i < 31; ++i) {
      if (::write(-1, buffer, 1) != -1) ::abort();
    }
  });
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  worker.Run();
  const auto r = Read(*telemetry);
  ASSERT_TRUE(r.write);
  const auto& file = r.write->kinds[static_cast<std::size_t>(FileKind::kFile)];
  EXPECT_EQ(file.latency.Count(), 11u + 13 + 17 + 19 + 23);
  EXPECT_EQ(file.bytes, 11u * 5 + 13 * 3 + (17 + 19 + 23) * 7);
  const auto& socket =
      r.write->kinds[static_cast<std::size_t>(FileKind::kSocket)];
  EXPECT_EQ(socket.latency.Count(), 5u);
  EXPECT_EQ(r.write->syncs[0].Count(), 3u);
  EXPECT_EQ(r.write->syncs[1].Count(), 5u);
  EXPECT_EQ(r.write->syncs[2].Count(), 7u);
  const auto bad = static_cast<std::size_t>(ErrorClass::kBadCall);
  EXPECT_EQ(r.write->sync_failures[bad], 29u);
  EXPECT_EQ(r.write->failures[bad], 31u);
  EXPECT_EQ(Lost(r), 0u);
}

int pipe_ends[2];

TEST_F(KernelCallsTest, TimesAPipeReadBetweenTheDelayAndWhatIsSeenOutside) {
  ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
  Group group("fodc_calls");
  Worker worker({&group}, [] {
    char byte = 0;
    if (::read(pipe_ends[0], &byte, 1) != 1) ::abort();
  });
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  const auto begin = SystemClock().Monotonic();
  worker.Go();
  AwaitSleepIn(worker.pid(), SYS_read);
  const auto seen_asleep = SystemClock().Monotonic();
  std::this_thread::sleep_for(std::chrono::milliseconds(53));
  const auto delay = SystemClock().Monotonic() - seen_asleep;
  ASSERT_EQ(::write(pipe_ends[1], "x", 1), 1);
  worker.AwaitDone();
  const auto outside = SystemClock().Monotonic() - begin;
  const auto r = Read(*telemetry);
  const auto pipe = r.read->OfKind(FileKind::kPipe);
  EXPECT_EQ(pipe.latency.Count(), 1u);
  EXPECT_GE(pipe.latency.sum_ns, static_cast<std::uint64_t>(delay.count()));
  EXPECT_LE(pipe.latency.sum_ns, static_cast<std::uint64_t>(outside.count()));
  EXPECT_EQ(pipe.latency.counts[LatencyHistogram::SlotOf(pipe.latency.sum_ns)],
            1u);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

TEST_F(KernelCallsTest, AccountsForACallInWhichItsThreadIsKilled) {
  ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
  Group group("fodc_calls");
  auto telemetry = Make();
  Worker worker({&group}, [] {
    char byte = 0;
    (void)!::read(pipe_ends[0], &byte, 1);
  });
  Set(*telemetry, {worker.pid()});
  worker.Go();
  AwaitSleepIn(worker.pid(), SYS_read);
  worker.Kill(SIGKILL);
  worker.AwaitExit();
  const auto r = Read(*telemetry);
  const auto& failures = r.read->failures;
  EXPECT_EQ(r.read->OfKind(FileKind::kPipe).latency.Count() +
                failures[static_cast<std::size_t>(ErrorClass::kInterrupted)] +
                Lost(r),
            1u);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

TEST_F(KernelCallsTest, WeighsCallsThatStandForOthersWhileItSamples) {
  static const std::string path = FileOf(4096);
  Group group("fodc_calls");
  Worker worker({&group}, [] {
    char buffer[4];
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 16 * 1000; ++i) {
      if (::pread(file, buffer, 2, i % 64) != 2) ::abort();
    }
    for (int i = 0; i < 103; ++i) {
      if (::pread(-1, buffer, 2, 0) != -1) ::abort();
    }
    ::close(file);
  });
  auto telemetry = Make({.sample_above_per_second = 1, .sample_every = 16});
  Set(*telemetry, {worker.pid()});
  (void)Read(*telemetry);
  worker.Run();
  const auto exact = Read(*telemetry);
  EXPECT_EQ(exact.sample_every, 1u);
  EXPECT_EQ(exact.read->OfCall(ReadCall::kPread).latency.Count(), 16000u);
  // Now that the rate is known.
  worker.Run();
  const auto sampled = Read(*telemetry);
  EXPECT_EQ(sampled.sample_every, 16u);
  const auto calls =
      sampled.read->OfCall(ReadCall::kPread).latency.Count() - 16000;
  // One in 16 on each CPU that the worker was on.
  EXPECT_NEAR(static_cast<double>(calls), 16000, 16 * 8 * 4);
  EXPECT_EQ(sampled.read->OfCall(ReadCall::kPread).bytes, 32000 + 2 * calls);
  EXPECT_EQ(
      sampled.read->failures[static_cast<std::size_t>(ErrorClass::kBadCall)],
      206u);
  EXPECT_EQ(Lost(sampled), 0u);
}

// A program whose calls have a rhythm: one that is in step with the choice of
// calls would be told wrong by as much as it makes.
TEST_F(KernelCallsTest, TellsRhythmicCallsRightWhileItSamples) {
  static const std::string path = FileOf(4096);
  constexpr int kPairs = 200'000;
  Group group("fodc_calls");
  Worker worker({&group}, [] {
    char byte = 'x';
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    for (int i = 0; i < kPairs; ++i) {
      if (::pread(file, &byte, 1, 0) != 1) ::abort();
      if (::pwrite(file, &byte, 1, 0) != 1) ::abort();
    }
    ::close(file);
  });
  auto telemetry = Make({.sample_above_per_second = 1, .sample_every = 16});
  Set(*telemetry, {worker.pid()});
  (void)Read(*telemetry);
  worker.Run();
  const auto exact = Read(*telemetry);
  EXPECT_EQ(Preads(exact), 200'000u);
  EXPECT_EQ(exact.write->kinds[0].latency.Count(), 200'000u);
  worker.Run();
  const auto sampled = Read(*telemetry);
  ASSERT_EQ(sampled.sample_every, 16u);
  // 20 standard deviations: of each 16 calls, half are reads, and one that is
  // drawn stands for all.
  const double bound = 20 * 16 * std::sqrt(2.0 * kPairs / 16 * 0.5 * 0.5);
  EXPECT_NEAR(static_cast<double>(Preads(sampled)), 2.0 * kPairs, bound);
  EXPECT_NEAR(static_cast<double>(sampled.write->kinds[0].latency.Count()),
              2.0 * kPairs, bound);
  EXPECT_EQ(Lost(sampled), 0u);
}

}  // namespace
}  // namespace fodc::kernel
