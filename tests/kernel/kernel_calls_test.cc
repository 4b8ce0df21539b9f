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
      if (::preadv2(file, &v, 1, 0, RWF_HIPRI) < 0 &&
          ::preadv2(file, &v, 1, 0, 0) != 7) {
        ::abort();
      }
    }
    ::lseek(file, 0, SEEK_SET);
    for (int i = 0; i < 41; ++i) {
      if (::readv(file, &v, 1) != 7) ::abort();
    }
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) ::abort();
    int pipe_ends[2];
    if (::pipe(pipe_ends) != 0) ::abort();
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
  EXPECT_GE(count(ReadCall::kVectored, FileKind::kFile).latency.Count(), 109u);
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

}  // namespace
}  // namespace fodc::kernel
