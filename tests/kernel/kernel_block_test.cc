// SPDX-License-Identifier: Apache-2.0
// Requests to a real disk: whose they are, and how long they took.
#include <sched.h>

#include <atomic>
#include <map>
#include <string>
#include <utility>

#include "bpf/records.h"
#include "tests/kernel/kernel_fixture.h"

namespace fodc::kernel {
namespace {

using test::Group;
using test::Worker;

constexpr std::size_t kPage = 4096;
constexpr int kRequests = 401;

std::string path;

class KernelBlockTest : public KernelTest {
 protected:
  // A request for each page.
  static void ReadDirectly() {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    alignas(kPage) static char buffer[kPage];
    for (int i = 0; i < kRequests; ++i) {
      if (::pread(fd, buffer, kPage, i * static_cast<off_t>(kPage)) !=
          static_cast<ssize_t>(kPage)) {
        ::abort();
      }
    }
    ::close(fd);
  }
  static CallReading Reads(const TargetReading& r) {
    return r.block->operations[static_cast<std::size_t>(BlockOperation::kRead)];
  }
};

TEST_F(KernelBlockTest, TimesDirectReadsFromTheDisk) {
  path = DiskFile(kRequests * kPage);
  Group group("fodc_block");
  Worker worker({&group}, ReadDirectly);
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  // Where the disk is busy with others' requests a thread of the kernel issues
  // some, and they are nobody's: one round in which it was not is awaited.
  TargetReading r;
  std::uint64_t requests = 0;
  std::uint64_t bytes = 0;
  for (int round = 0; round < 20 && requests != kRequests; ++round) {
    const TargetReading before = std::exchange(r, {});
    worker.Run();
    r = Read(*telemetry);
    ASSERT_TRUE(r.block);
    requests = Reads(r).latency.Count();
    bytes = Reads(r).bytes;
    if (before.block) {
      requests -= Reads(before).latency.Count();
      bytes -= Reads(before).bytes;
    }
    EXPECT_LE(requests, static_cast<std::uint64_t>(kRequests));
  }
  EXPECT_EQ(requests, static_cast<std::uint64_t>(kRequests));
  EXPECT_EQ(bytes, kRequests * kPage);
  EXPECT_GT(Reads(r).latency.sum_ns, 0u);
  // Each was within one read of the target.
  EXPECT_LT(Reads(r).latency.sum_ns,
            r.read->OfCall(ReadCall::kPread).latency.sum_ns);
}

TEST_F(KernelBlockTest, CountsTheRequestsThatFindNoRoom) {
  path = DiskFile(kRequests * kPage);
  Group group("fodc_block");
  Worker worker({&group}, ReadDirectly);
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  {
    // No request lies at such an address.
    const FullMap<std::uint64_t, fodc_request> full("requests", 1);
    EXPECT_EQ(full.size(), std::size_t{FODC_MAX_REQUESTS});
    worker.Run();
    const auto r = Read(*telemetry);
    EXPECT_EQ(Reads(r).latency.Count(), 0u);
    EXPECT_EQ(LostForRoom(r), static_cast<std::uint64_t>(kRequests));
    EXPECT_EQ(Lost(r), LostForRoom(r));
    // What was asked for is counted all the same.
    EXPECT_EQ(Preads(r), static_cast<std::uint64_t>(kRequests));
  }
  worker.Run();
  const auto r = Read(*telemetry);
  EXPECT_EQ(Reads(r).latency.Count(), static_cast<std::uint64_t>(kRequests));
  EXPECT_EQ(Lost(r), static_cast<std::uint64_t>(kRequests));
}

TEST_F(KernelBlockTest, ANeighbourDoesNotInheritTheRequestsOfTheTarget) {
  path = DiskFile(kRequests * kPage);
  Group group("fodc_block");
  Worker target({&group}, ReadDirectly);
  Worker neighbour({}, ReadDirectly);
  // On one CPU, which takes requests from one place again and again.
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  ASSERT_EQ(::sched_setaffinity(target.pid(), sizeof one, &one), 0);
  ASSERT_EQ(::sched_setaffinity(neighbour.pid(), sizeof one, &one), 0);
  auto telemetry = Make();
  Set(*telemetry, {target.pid()});
  const int requests = OwnMap("requests");
  std::map<std::uint64_t, fodc_request> seen;
  // What would be left if they had merged into others: nobody completes those.
  ASSERT_TRUE(test::WaitUntil([&] {
    target.Go();
    for (int i = 0; i < 20'000; ++i) {
      std::uint64_t key = 0;
      fodc_request r{};
      if (bpf_map_get_next_key(requests, nullptr, &key) == 0 &&
          bpf_map_lookup_elem(requests, &key, &r) == 0) {
        seen[key] = r;
      }
    }
    target.AwaitDone();
    return seen.size() >= 16;
  })) << seen.size();
  const auto before = Reads(Read(*telemetry));
  for (const auto& [key, r] : seen) {
    ASSERT_EQ(bpf_map_update_elem(requests, &key, &r, BPF_ANY), 0);
  }
  for (int i = 0; i < 4; ++i) neighbour.Run();
  const auto after = Reads(Read(*telemetry));
  EXPECT_EQ(after.latency.Count(), before.latency.Count());
  EXPECT_EQ(after.bytes, before.bytes);
}

}  // namespace
}  // namespace fodc::kernel
