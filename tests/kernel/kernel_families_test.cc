// SPDX-License-Identifier: Apache-2.0
// The families beside read and write, each with a situation made for real:
// page cache, advice, reclaim in a memory cgroup, faults, the run queue,
// deaths.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "bpf/records.h"
#include "fodc/base/proc.h"
#include "tests/kernel/kernel_fixture.h"

namespace fodc::kernel {
namespace {

using test::Group;
using test::Worker;

constexpr std::size_t kPage = 4096;

class KernelFamiliesTest : public KernelTest {};

std::string path;

TEST_F(KernelFamiliesTest, CountsAdviceAndWhatItDropsFromThePageCache) {
  path = DiskFile(101 * kPage);
  Group group("fodc_families");
  Worker worker({&group}, [] {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    static char buffer[101 * kPage];
    // No read-ahead: each page is asked for, and added, by itself or not; all
    // are in the end.
    if (::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) != 0) ::abort();
    for (int round = 0; round < 3; ++round) {
      if (::pread(fd, buffer, sizeof buffer, 0) != sizeof buffer) ::abort();
      if (::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0) ::abort();
    }
    for (int i = 0; i < 7; ++i) {
      (void)::posix_fadvise(fd, 0, 2 * kPage, POSIX_FADV_DONTNEED);
    }
    (void)::posix_fadvise(fd, 0, 0, 77);
    ::close(fd);
  });
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  worker.Run();
  const auto r = Read(*telemetry);
  ASSERT_TRUE(r.policy && r.cache);
  EXPECT_EQ(r.policy->calls, 1u + 3 + 7 + 1);
  EXPECT_EQ(r.policy->by_advice[static_cast<std::size_t>(Advice::kRandom)], 1u);
  EXPECT_EQ(r.policy->by_advice[static_cast<std::size_t>(Advice::kDontNeed)],
            10u);
  EXPECT_EQ(r.policy->dontneed_bytes, 3u * 101 * kPage + 7 * 2 * kPage);
  EXPECT_EQ(r.cache->added_pages, 303u);
  EXPECT_EQ(r.cache->deleted_pages, 303u);
  EXPECT_LE(r.cache->added_folios, r.cache->added_pages);
  EXPECT_GE(r.cache->added_folios, 3u);
  EXPECT_GE(r.cache->lookups.value_or(0), 3u);
}

TEST_F(KernelFamiliesTest, CountsFaultsOfTheLivingAndTheDead) {
  Group group("fodc_families");
  Worker worker({&group}, [] {
    const auto touch = [] {
      constexpr std::size_t kPages = 1009;
      char* at = static_cast<char*>(::mmap(nullptr, kPages * kPage,
                                           PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      (void)::madvise(at, kPages * kPage, MADV_NOHUGEPAGE);
      for (std::size_t i = 0; i < kPages; ++i) at[i * kPage] = 1;
      ::munmap(at, kPages * kPage);
    };
    touch();
    std::thread(touch).join();
    const pid_t child = ::fork();
    if (child == 0) {
      touch();
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
  });
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  const auto before = Read(*telemetry);
  ASSERT_TRUE(before.faults);
  worker.Run();
  const auto after = Read(*telemetry);
  const auto minor = after.faults->minor - before.faults->minor;
  EXPECT_GE(minor, 3u * 1009);
  EXPECT_LT(minor, 3u * 1009 + 600);  // fork, threads and stacks have theirs
  worker.Kill(SIGKILL);
  worker.AwaitExit();
  Set(*telemetry, {});
  EXPECT_GE(Read(*telemetry).faults->minor, after.faults->minor);
}

// Written by the worker, read by the test.
std::atomic<std::uint64_t>* faults_made;

TEST_F(KernelFamiliesTest, CountsFaultsOfATaskThatDiesMeanwhileOnce) {
  constexpr std::size_t kPages = 1009;
  faults_made = static_cast<std::atomic<std::uint64_t>*>(
      ::mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
             -1, 0));
  Group group("fodc_families");
  Worker worker({&group}, [] {
    const pid_t child = ::fork();
    if (child == 0) {
      char* at = static_cast<char*>(::mmap(nullptr, kPages * kPage,
                                           PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      (void)::madvise(at, kPages * kPage, MADV_NOHUGEPAGE);
      for (std::size_t i = 0; i < kPages; ++i) at[i * kPage] = 1;
      ::_exit(0);
    }
    ::waitpid(child, nullptr, 0);
    rusage self{};
    rusage children{};
    (void)::getrusage(RUSAGE_SELF, &self);
    (void)::getrusage(RUSAGE_CHILDREN, &children);
    faults_made->store(
        static_cast<std::uint64_t>(self.ru_minflt + children.ru_minflt));
  });
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  for (int round = 0; round < 400; ++round) {
    faults_made->store(0);
    worker.Go();
    while (faults_made->load() == 0) (void)Read(*telemetry);
    worker.AwaitDone();
    const std::uint64_t made = faults_made->load();
    const std::uint64_t counted = Read(*telemetry).faults->minor;
    EXPECT_LE(counted, made + kPages / 2) << round;
    EXPECT_GE(counted + kPages / 2, made) << round;
  }
  (void)::munmap(faults_made, kPage);
}

TEST_F(KernelFamiliesTest, CountsMajorFaultsOfColdMappings) {
  path = DiskFile(101 * kPage);
  Group group("fodc_families");
  Worker worker({&group}, [] {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    const char* at = static_cast<const char*>(
        ::mmap(nullptr, 101 * kPage, PROT_READ, MAP_SHARED, fd, 0));
    (void)::madvise(const_cast<char*>(at), 101 * kPage, MADV_RANDOM);
    volatile char sum = 0;
    for (std::size_t i = 0; i < 101; i += 10) {
      sum = static_cast<char>(sum + at[i * kPage]);
    }
    ::close(fd);
  });
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  const auto before = Read(*telemetry);
  worker.Run();
  const auto after = Read(*telemetry);
  EXPECT_GE(after.faults->major - before.faults->major, 5u);
  EXPECT_LE(after.faults->major - before.faults->major, 11u);
}

TEST_F(KernelFamiliesTest, TimesTheWaitForACpu) {
  Group group("fodc_families");
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  // Two that want the same CPU.
  const auto spin = [] {
    volatile std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < 300'000'000; ++i) sum = sum + i;
  };
  Worker target({&group}, spin);
  Worker rival({}, spin);
  ASSERT_EQ(::sched_setaffinity(target.pid(), sizeof one, &one), 0);
  ASSERT_EQ(::sched_setaffinity(rival.pid(), sizeof one, &one), 0);
  auto telemetry = Make();
  Set(*telemetry, {target.pid()});
  const auto waited = [&] {
    const auto text =
        ReadFile("/proc/" + std::to_string(target.pid()) + "/schedstat");
    FODC_CHECK(text.ok());
    return std::stoull(text->substr(text->find(' ') + 1));
  };
  const std::uint64_t kernel_before = waited();
  const auto before = Read(*telemetry);
  rival.Go();
  target.Go();
  target.AwaitDone();
  const auto after = Read(*telemetry);
  const std::uint64_t by_kernel = waited() - kernel_before;
  const LatencyHistogram& waits = after.sched->run_queue_wait;
  const std::uint64_t by_us =
      waits.sum_ns - before.sched->run_queue_wait.sum_ns;
  EXPECT_GT(waits.Count(), before.sched->run_queue_wait.Count());
  EXPECT_GT(by_us, 0u);
  // The kernel's own sum, read earlier and later. Some switches are not traced,
  // and a wait on a CPU that the task was moved away from is in it alone.
  EXPECT_LE(by_us, by_kernel);
}

class KernelMemoryTest : public KernelFamiliesTest {
 protected:
  static constexpr std::size_t kFileBytes = std::size_t{96} << 20;
  static constexpr std::size_t kLimitBytes = std::size_t{32} << 20;
  // More than the limit holds: each round reclaims what the one before read.
  static void ReadTwice() {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    static char buffer[64 * kPage];
    for (int round = 0; round < 2; ++round) {
      off_t at = 0;
      while (::pread(fd, buffer, sizeof buffer, at) > 0) at += sizeof buffer;
    }
    ::close(fd);
  }
  void SetUp() override {
    KernelTest::SetUp();
    if (IsSkipped()) return;
    root_ = test::Cgroup1Root("memory");
    if (root_.empty()) {
      GTEST_SKIP() << "SKIPPED: no v1 memory controller is mounted";
    }
  }
  std::string root_;
};

TEST_F(KernelMemoryTest, TimesReclaimAtTheLimitOfACgroup) {
  path = DiskFile(kFileBytes);
  Group group("fodc_families");
  Group memory("fodc_families", root_);
  memory.Write("memory.limit_in_bytes", std::to_string(kLimitBytes));
  Worker worker({&memory, &group}, ReadTwice);
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  ASSERT_EQ(Read(*telemetry).state, FilterState::kByCgroup);
  worker.Run();
  const auto r = Read(*telemetry);
  ASSERT_TRUE(r.memory);
  EXPECT_GT(r.memory->memcg_entries, 10u);
  EXPECT_GT(r.memory->memcg_stall_ns, 10'000u);
  EXPECT_GT(r.memory->scanned_pages, 1000u);
  EXPECT_GT(r.memory->reclaimed_pages, 1000u);
  EXPECT_GE(r.memory->scanned_pages, r.memory->reclaimed_pages);
  EXPECT_GT(r.memory->shrink_events, 10u);
  EXPECT_EQ(Lost(r), 0u);
  EXPECT_TRUE(telemetry->overview().kswapd);
}

TEST_F(KernelMemoryTest, CountsTheStallsThatFindNoRoom) {
  path = DiskFile(kFileBytes);
  Group group("fodc_families");
  Group memory("fodc_families", root_);
  memory.Write("memory.limit_in_bytes", std::to_string(kLimitBytes));
  Worker worker({&memory, &group}, ReadTwice);
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  {
    // No thread has such an id.
    const FullMap<std::uint32_t, fodc_stall> full("stalls", 1u << 30);
    EXPECT_EQ(full.size(), std::size_t{FODC_MAX_STALLS});
    worker.Run();
    const auto r = Read(*telemetry);
    ASSERT_TRUE(r.memory);
    EXPECT_GT(r.memory->memcg_entries, 10u);
    EXPECT_EQ(r.memory->memcg_stall_ns, 0u);
    EXPECT_EQ(LostForRoom(r),
              *r.memory->memcg_entries + *r.memory->direct_entries);
    EXPECT_EQ(Lost(r), LostForRoom(r));
  }
  const auto before = Read(*telemetry);
  worker.Run();
  const auto r = Read(*telemetry);
  EXPECT_GT(r.memory->memcg_stall_ns, 10'000u);
  EXPECT_EQ(Lost(r), Lost(before));
}

TEST_F(KernelMemoryTest, TellsAnOomVictimWithItsNumbers) {
  Group group("fodc_families");
  Group memory("fodc_families", root_);
  memory.Write("memory.limit_in_bytes", std::to_string(32 << 20));
  Worker worker(
      {&memory, &group},
      [] {
        constexpr std::size_t kBytes = std::size_t{256} << 20;
        char* at =
            static_cast<char*>(::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        for (std::size_t i = 0; i < kBytes; i += kPage) at[i] = 1;
      },
      "glutton");
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  const pid_t pid = worker.pid();
  const auto stat = ReadProcessStat("/proc", pid);
  ASSERT_TRUE(stat.ok());
  worker.Go();
  const int status = worker.AwaitExit();
  ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  const auto r = Read(*telemetry);
  ASSERT_TRUE(r.death);
  EXPECT_EQ(r.death->oom_kills, 1u);
  EXPECT_EQ(r.death->exits_by_signal, 1u);
  ASSERT_EQ(events_.size(), 2u);
  EXPECT_EQ(events_[0].kind, KernelEvent::Kind::kOomVictim);
  EXPECT_EQ(events_[0].pid, pid);
  EXPECT_EQ(events_[0].comm, "glutton");
  EXPECT_GT(events_[0].anon_bytes.value_or(0), std::size_t{16} << 20);
  EXPECT_LT(events_[0].anon_bytes.value_or(0), std::size_t{64} << 20);
  EXPECT_EQ(events_[1].kind, KernelEvent::Kind::kExitBySignal);
  EXPECT_EQ(events_[1].signal, SIGKILL);
  for (const KernelEvent& event : events_)
    EXPECT_EQ(event.start_ticks, stat->start_ticks);
  EXPECT_GE(events_[1].at, events_[0].at);
}

TEST_F(KernelFamiliesTest, CountsTheEventsThatFindNoRoom) {
  static constexpr std::uint64_t kDeaths = 307;
  Group group("fodc_families");
  Worker worker({&group}, [] {
    for (std::uint64_t i = 0; i < kDeaths; ++i) {
      const pid_t child = ::fork();
      if (child == 0) {
        (void)::kill(::getpid(), SIGKILL);
        ::_exit(1);
      }
      if (child < 0 || ::waitpid(child, nullptr, 0) != child) ::abort();
    }
  });
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  worker.Run();
  const auto r = Read(*telemetry);
  ASSERT_TRUE(r.death);
  EXPECT_EQ(r.death->exits_by_signal, kDeaths);
  EXPECT_LT(events_.size(), kDeaths);
  EXPECT_EQ(events_.size() + r.lost[static_cast<std::size_t>(Loss::kRingFull)],
            kDeaths);
}

TEST_F(KernelFamiliesTest, TellsEachProcessThatASignalEndsOnce) {
  Group group("fodc_families");
  Group beside("fodc_families_beside");
  Worker neighbour({&beside}, [] {});
  Worker worker(
      {&group},
      [] {
        std::vector<std::thread> threads;
        threads.reserve(7);
        for (int i = 0; i < 7; ++i) {
          threads.emplace_back([] {
            for (;;) ::pause();
          });
        }
        for (;;) ::pause();
      },
      "victim");
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  const pid_t pid = worker.pid();
  worker.Go();
  ASSERT_TRUE(test::WaitUntil([&] {
    const auto names = ListDirectory("/proc/" + std::to_string(pid) + "/task");
    return names.ok() && names->size() == 8;
  }));
  neighbour.Kill(SIGTERM);
  neighbour.AwaitExit();
  worker.Kill(SIGTERM);
  worker.AwaitExit();
  const auto r = Read(*telemetry);
  ASSERT_TRUE(r.death);
  EXPECT_EQ(r.death->exits_by_signal, 1u);
  EXPECT_EQ(r.death->oom_kills, 0u);
  ASSERT_EQ(events_.size(), 1u);
  EXPECT_EQ(events_[0].kind, KernelEvent::Kind::kExitBySignal);
  EXPECT_EQ(events_[0].pid, pid);
  EXPECT_EQ(events_[0].comm, "victim");
  EXPECT_EQ(events_[0].signal, SIGTERM);
  EXPECT_FALSE(events_[0].core_dumped);
  EXPECT_EQ(events_[0].target, 0u);
  EXPECT_GT(events_[0].age.count(), 0);
}

TEST_F(KernelFamiliesTest, TellsADeathOnceHoweverManyThreadsEndAtOnce) {
  constexpr int kVictims = 199;
  Group group("fodc_families");
  Worker worker({&group}, [] {
    for (int i = 0; i < kVictims; ++i) {
      int ready[2];
      if (::pipe2(ready, O_CLOEXEC) != 0) ::abort();
      const pid_t victim = ::fork();
      if (victim == 0) {
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
          threads.emplace_back([] {
            volatile int spins = 0;
            for (;;) (void)spins;
          });
        }
        (void)!::write(ready[1], "x", 1);
        for (;;) ::pause();
      }
      char byte = 0;
      (void)!::read(ready[0], &byte, 1);
      ::close(ready[0]);
      ::close(ready[1]);
      ::kill(victim, SIGKILL);
      ::waitpid(victim, nullptr, 0);
    }
  });
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  worker.Run();
  EXPECT_EQ(Read(*telemetry).death->exits_by_signal,
            static_cast<std::uint64_t>(kVictims));
  EXPECT_EQ(events_.size(), static_cast<std::size_t>(kVictims));
}

TEST_F(KernelFamiliesTest, ANormalExitIsNoDeathBySignal) {
  Group group("fodc_families");
  Worker worker({&group}, [] { ::_exit(3); });
  auto telemetry = Make();
  Set(*telemetry, {worker.pid()});
  worker.Go();
  worker.AwaitExit();
  EXPECT_EQ(Read(*telemetry).death->exits_by_signal, 0u);
  EXPECT_TRUE(events_.empty());
}

}  // namespace
}  // namespace fodc::kernel
