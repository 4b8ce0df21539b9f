// SPDX-License-Identifier: Apache-2.0
// What telemetry does when the kernel refuses a program, when it is loaded or
// when it is attached: that one is off, the others count.
#include <sys/syscall.h>

#include <string>

#include "tests/kernel/kernel_fixture.h"

namespace fodc::kernel {
namespace {

using test::Group;
using test::Worker;

int pipe_ends[2];

class KernelRefusalsTest : public KernelTest {
 protected:
  static std::string& Path() {
    static std::string path = FileOf(64);
    return path;
  }
  static void Read101() { Pread(Path(), 101); }
  static void ReadPipe() {
    char byte = 0;
    if (::read(pipe_ends[0], &byte, 1) != 1) ::abort();
  }
  void SetUp() override {
    KernelTest::SetUp();
    if (IsSkipped()) return;
    (void)Path();
    ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
    options_.kernel = &kernel_;
  }
  void TearDown() override {
    ::close(pipe_ends[0]);
    ::close(pipe_ends[1]);
  }
  const FamilyState& State(const Telemetry& telemetry, Family family) {
    return telemetry.overview().families[static_cast<std::size_t>(family)];
  }

  LackingKernel kernel_;
  FakeClock clock_;
  TelemetryOptions options_;
};

TEST_F(KernelRefusalsTest, APartOfTheGateIsOffAndTheOthersAreLeftAlone) {
  kernel_.refused = {"read"};
  Group group("fodc_refusals");
  Worker worker({&group}, Read101);
  auto telemetry = Telemetry::Create(options_, clock_);
  Set(*telemetry, {worker.pid()});
  EXPECT_FALSE(State(*telemetry, Family::kRead).on);
  EXPECT_EQ(State(*telemetry, Family::kRead).reason, "refused");
  EXPECT_TRUE(State(*telemetry, Family::kWrite).on);
  EXPECT_TRUE(State(*telemetry, Family::kPolicy).on);
  const auto held = HeldBy(::getpid());
  for (int i = 0; i < 3; ++i) {
    clock_.Advance(options_.retry_interval);
    Set(*telemetry, {worker.pid()});
    EXPECT_EQ(HeldBy(::getpid()), held);
  }
}

TEST_F(KernelRefusalsTest, AGateWithMorePartsTakesThePlaceOfTheOldOne) {
  kernel_.refused = {"write"};
  Group group("fodc_refusals");
  Worker worker({&group}, Read101);
  Worker blocked({&group}, ReadPipe);
  auto telemetry = Telemetry::Create(options_, clock_);
  Set(*telemetry, {worker.pid(), blocked.pid()});
  worker.Run();
  blocked.Go();
  AwaitSleepIn(blocked.pid(), SYS_read);
  const auto missed = telemetry->overview().missed_runs;
  const auto held = HeldBy(::getpid());
  kernel_.refused.clear();
  clock_.Advance(options_.retry_interval);
  Set(*telemetry, {worker.pid(), blocked.pid()});
  EXPECT_TRUE(State(*telemetry, Family::kWrite).on);
  EXPECT_EQ(State(*telemetry, Family::kWrite).reason, "");
  EXPECT_EQ(HeldBy(::getpid()).size(), held.size());
  EXPECT_GE(telemetry->overview().missed_runs, missed);
  // Nothing saw whether it ended meanwhile.
  ASSERT_EQ(::write(pipe_ends[1], "x", 1), 1);
  blocked.AwaitDone();
  worker.Run();
  const auto r = Read(*telemetry);
  EXPECT_EQ(Preads(r), 202u);
  EXPECT_EQ(r.read->OfKind(FileKind::kPipe).latency.Count(), 0u);
  EXPECT_EQ(r.lost[static_cast<std::size_t>(Loss::kNoExit)], 1u);
}

TEST_F(KernelRefusalsTest, WithoutWhatTellsOfMovesAndDeathsCallsAreCounted) {
  kernel_.refused = {"gate_attach", "gate_death"};
  Group group("fodc_refusals");
  Worker worker({&group}, Read101);
  auto telemetry = Telemetry::Create(options_, clock_);
  Set(*telemetry, {worker.pid()});
  worker.Run();
  EXPECT_EQ(Preads(Read(*telemetry)), 101u);
  const auto held = HeldBy(::getpid());
  clock_.Advance(options_.retry_interval);
  Set(*telemetry, {worker.pid()});
  EXPECT_EQ(HeldBy(::getpid()), held);
}

TEST_F(KernelRefusalsTest, WithoutTheGateTheFamiliesBesideItCount) {
  kernel_.refused = {"gate_attach", "gate_death", "gate_enter", "gate_exit"};
  Group group("fodc_refusals");
  Worker worker({&group}, Read101);
  auto telemetry = Telemetry::Create(options_, clock_);
  Set(*telemetry, {worker.pid()});
  worker.Run();
  const auto r = Read(*telemetry);
  EXPECT_FALSE(r.read || r.write || r.policy);
  ASSERT_TRUE(r.sched);
  EXPECT_GT(r.sched->run_queue_wait.Count(), 0u);
}

TEST_F(KernelRefusalsTest, NothingBeginsACallWhoseEndCannotBeSeen) {
  kernel_.not_attached = {"gate_exit"};
  Group group("fodc_refusals");
  Worker worker({&group}, [] {
    Read101();
    (void)::posix_fadvise(0, 0, 0, POSIX_FADV_NORMAL);
  });
  auto telemetry = Telemetry::Create(options_, clock_);
  Set(*telemetry, {worker.pid()});
  worker.Run();
  auto r = Read(*telemetry);
  EXPECT_FALSE(r.read || r.write);
  EXPECT_EQ(Lost(r), 0u);
  EXPECT_EQ(State(*telemetry, Family::kRead).reason, "refused");
  EXPECT_EQ(State(*telemetry, Family::kPolicy).reason, "refused");
  // What needs the beginning alone comes back without the others.
  clock_.Advance(options_.retry_interval);
  Set(*telemetry, {worker.pid()});
  EXPECT_EQ(State(*telemetry, Family::kPolicy).reason, "");
  worker.Run();
  r = Read(*telemetry);
  ASSERT_TRUE(r.policy);
  EXPECT_EQ(r.policy->calls, 1u);
  EXPECT_FALSE(r.read || r.write);
  EXPECT_EQ(Lost(r), 0u);
  const auto held = HeldBy(::getpid());
  clock_.Advance(options_.retry_interval);
  Set(*telemetry, {worker.pid()});
  EXPECT_EQ(HeldBy(::getpid()), held);
  kernel_.not_attached.clear();
  clock_.Advance(options_.retry_interval);
  Set(*telemetry, {worker.pid()});
  worker.Run();
  r = Read(*telemetry);
  EXPECT_EQ(Preads(r), 101u);
  EXPECT_EQ(r.policy->calls, 2u);
  EXPECT_EQ(State(*telemetry, Family::kRead).reason, "");
}

// What one program of a family counts is absent without it, never 0.
class KernelAbsenceTest : public KernelRefusalsTest,
                          public ::testing::WithParamInterface<bool> {
 protected:
  // At load, or when it is attached.
  void Refuse(std::set<std::string, std::less<>> programs) {
    (GetParam() ? kernel_.refused : kernel_.not_attached) = std::move(programs);
  }
};

INSTANTIATE_TEST_SUITE_P(At, KernelAbsenceTest, ::testing::Bool(),
                         [](const auto& at) {
                           return at.param ? "Load" : "Attach";
                         });

TEST_P(KernelAbsenceTest, WhatARefusedProgramCountsIsAbsent) {
  Refuse({"cache_add", "memory_direct_end", "memory_shrink", "death_exit",
          "faults_living", "sched_switched"});
  Group group("fodc_refusals");
  Worker worker({&group}, Read101);
  auto telemetry = Telemetry::Create(options_, clock_);
  Set(*telemetry, {worker.pid()});
  worker.Run();
  const auto r = Read(*telemetry);
  ASSERT_TRUE(r.cache && r.memory && r.death);
  EXPECT_FALSE(r.cache->added_folios || r.cache->added_pages);
  EXPECT_TRUE(r.cache->deleted_folios && r.cache->lookups);
  EXPECT_FALSE(r.memory->scanned_pages || r.memory->direct_entries);
  EXPECT_TRUE(r.memory->memcg_entries);
  EXPECT_FALSE(telemetry->overview().kswapd);
  EXPECT_FALSE(r.death->exits_by_signal);
  EXPECT_TRUE(r.death->oom_kills);
  EXPECT_FALSE(r.faults || r.sched);
  EXPECT_EQ(Preads(r), 101u);
  EXPECT_TRUE(State(*telemetry, Family::kCache).on);
  EXPECT_EQ(State(*telemetry, Family::kCache).reason, "refused");
}

TEST_P(KernelAbsenceTest, RequestsAreCountedWithoutWhoTellsTheirMaker) {
  static constexpr std::size_t kPage = 4096;
  static const std::string path = DiskFile(37 * kPage);
  Refuse({"block_start"});
  Group group("fodc_refusals");
  Worker worker({&group}, [] {
    const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC);
    alignas(kPage) static char buffer[kPage];
    for (int i = 0; i < 37; ++i) {
      if (::pread(fd, buffer, kPage, i * static_cast<off_t>(kPage)) !=
          static_cast<ssize_t>(kPage)) {
        ::abort();
      }
    }
    ::close(fd);
  });
  auto telemetry = Telemetry::Create(options_, clock_);
  Set(*telemetry, {worker.pid()});
  worker.Run();
  const auto reads =
      Read(*telemetry)
          .block->operations[static_cast<std::size_t>(BlockOperation::kRead)];
  // Whoever sends a request to the driver is its maker then, so others' may be
  // among them.
  EXPECT_GE(reads.latency.Count(), 37u);
  EXPECT_GE(reads.bytes, 37 * kPage);
}

}  // namespace
}  // namespace fodc::kernel
