// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/slots.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "container_cpus.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kRead = 0;
constexpr std::size_t kScan = 1;

std::unique_ptr<SlotLimiter> Make(unsigned slots,
                                  std::vector<SlotClass> classes = {
                                      {"read", 2, {}}, {"scan", 1, {}}}) {
  auto made = SlotLimiter::Create({slots, std::move(classes)});
  EXPECT_THAT(made, IsOk());
  return *std::move(made);
}

std::vector<Slot> TakeAll(SlotLimiter* limiter, std::size_t class_index) {
  std::vector<Slot> slots;
  for (;;) {
    Slot slot = limiter->Acquire(class_index);
    if (!slot.admitted()) return slots;
    slots.push_back(std::move(slot));
  }
}

// 7.1, rule 1.
TEST(SlotsTest, AFullPoolRefusesAtOnce) {
  const auto limiter = Make(1);
  const Slot first = limiter->Acquire(kRead);
  ASSERT_TRUE(first.admitted());
  EXPECT_EQ(first.refusal(), Refusal::kNone);
  const Slot second = limiter->Acquire(kRead);
  EXPECT_FALSE(second.admitted());
  EXPECT_EQ(second.refusal(), Refusal::kFull);
  EXPECT_EQ(limiter->in_use(kRead), 1u);
}

// 7.1, rule 3: a command that blocks takes a slot for each step.
TEST(SlotsTest, ABlockedCommandHoldsNoSlotWhileItIsParked) {
  const auto limiter = Make(1);
  for (int step = 0; step < 3; ++step) {
    Slot slot = limiter->Acquire(kRead);
    ASSERT_TRUE(slot.admitted());
    slot.Release();  // it parks here
    Slot other = limiter->Acquire(kRead);
    EXPECT_TRUE(other.admitted()) << "while it is parked";
  }
  const Slot other = limiter->Acquire(kRead);
  // Only a step that finds no slot is refused.
  EXPECT_EQ(limiter->Acquire(kRead).refusal(), Refusal::kFull);
}

// 7.1, rule 4.
TEST(SlotsTest, NestedWorkTakesNoSecondSlotInAPoolOfOne) {
  const auto limiter = Make(1);
  Slot script = limiter->Acquire(kRead);
  ASSERT_TRUE(script.admitted());
  {
    const Slot call = limiter->Acquire(kScan, script.token());
    EXPECT_TRUE(call.admitted());
    EXPECT_TRUE(call.is_nested());
    const Slot deeper = limiter->Acquire(kRead, call.token());
    EXPECT_TRUE(deeper.admitted());
    EXPECT_EQ(limiter->in_use(kRead) + limiter->in_use(kScan), 1u);
  }
  // Their ends gave back nothing that was not theirs.
  EXPECT_EQ(limiter->in_use(kRead), 1u);
  EXPECT_EQ(limiter->Acquire(kRead).refusal(), Refusal::kFull);
  script.Release();
  EXPECT_TRUE(limiter->Acquire(kRead).admitted());
}

TEST(SlotsTest, TheTokenOfNoSlotOrOfAnotherLimiterIsWorthNothing) {
  const auto limiter = Make(1);
  const auto other = Make(1);
  const Slot held = limiter->Acquire(kRead);
  const Slot elsewhere = other->Acquire(kRead);
  const Slot refused = limiter->Acquire(kRead);
  EXPECT_FALSE(limiter->Acquire(kRead, SlotToken()).admitted());
  EXPECT_FALSE(limiter->Acquire(kRead, elsewhere.token()).admitted());
  EXPECT_FALSE(limiter->Acquire(kRead, refused.token()).admitted());
}

// 7.1, rule 6.
TEST(SlotsTest, ASlotIsGivenBackOnceOnEveryPath) {
  const auto limiter = Make(2);
  {
    Slot a = limiter->Acquire(kRead);
    Slot b = std::move(a);
    a.Release();  // NOLINT(bugprone-use-after-move): it holds nothing
    EXPECT_EQ(limiter->in_use(kRead), 1u);
    b.Release();
    b.Release();
    EXPECT_EQ(limiter->in_use(kRead), 0u);
    b = limiter->Acquire(kScan);
    b = limiter->Acquire(kRead);  // the first goes back
    EXPECT_EQ(limiter->in_use(kScan), 0u);
    EXPECT_EQ(limiter->in_use(kRead), 1u);
  }
  EXPECT_EQ(limiter->in_use(kRead), 0u);
  try {
    const Slot slot = limiter->Acquire(kRead);
    throw std::runtime_error("the command failed");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(limiter->in_use(kRead), 0u);
  }
}

// 7.1, rule 9.
class ContainerCpusTest : public ::testing::Test {
 protected:
  void Put(const std::string& path, const std::string& text) {
    const std::string whole = StrCat(tree_.path(), "/", path);
    ASSERT_THAT(MakeDirectories(whole.substr(0, whole.rfind('/'))), IsOk());
    ASSERT_THAT(WriteFileAtomically(whole, text), IsOk());
  }
  void PutGroup() {
    Put(StrCat("proc/", ::getpid(), "/cgroup"), "0::/pod/db\n");
    Put("proc/self/mountinfo",
        "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    Put("sys/fs/cgroup/pod/db/cpu.stat", "usage_usec 1\n");
    Put("sys/fs/cgroup/pod/db/cgroup.controllers", "cpu memory\n");
  }
  double Cpus(double machine) {
    return ContainerCpus(StrCat(tree_.path(), "/proc"), tree_.path(), machine);
  }
  TempDirectory tree_;
};

TEST_F(ContainerCpusTest, TheSmallestQuotaAboveCounts) {
  PutGroup();
  Put("sys/fs/cgroup/pod/db/cpu.max", "max 100000\n");
  Put("sys/fs/cgroup/pod/cpu.max", "150000 100000\n");
  EXPECT_DOUBLE_EQ(Cpus(64), 1.5);
  EXPECT_DOUBLE_EQ(Cpus(1), 1);
}

TEST_F(ContainerCpusTest, WithoutAQuotaTheMachineCounts) {
  EXPECT_DOUBLE_EQ(Cpus(64), 64);  // nothing to be read at all
  PutGroup();
  Put("sys/fs/cgroup/pod/db/cpu.max", "max 100000\n");
  EXPECT_DOUBLE_EQ(Cpus(64), 64);
}

TEST(SlotsTest, TwoForEachCpuOfTheContainer) {
  EXPECT_EQ(Make(0)->slots(),
            2 * static_cast<unsigned>(std::ceil(ContainerCpus())));
}

// 7.1, rule 11.
TEST(SlotsTest, SoftHalvesHardRefuses) {
  const auto limiter = Make(8, {{"all", 0, {}}});
  std::vector<Slot> held = TakeAll(limiter.get(), 0);
  EXPECT_EQ(held.size(), 8u);
  limiter->SetLevel(MemoryLevel::kSoft);
  EXPECT_EQ(limiter->slots(), 4u);
  EXPECT_EQ(limiter->Acquire(0).refusal(), Refusal::kFull);
  held.resize(4);
  EXPECT_EQ(limiter->Acquire(0).refusal(), Refusal::kMemory);
  held.pop_back();
  EXPECT_TRUE(limiter->Acquire(0).admitted());
  limiter->SetLevel(MemoryLevel::kHard);
  EXPECT_EQ(limiter->slots(), 0u);
  EXPECT_EQ(limiter->Acquire(0).refusal(), Refusal::kMemory);
  // What runs goes on, and so does what it calls.
  EXPECT_TRUE(limiter->Acquire(0, held[0].token()).admitted());
  limiter->SetLevel(MemoryLevel::kNormal);
  EXPECT_EQ(TakeAll(limiter.get(), 0).size(), 5u);
}

TEST(SlotsTest, SoftLeavesOneSlotOfOne) {
  const auto limiter = Make(1);
  limiter->SetLevel(MemoryLevel::kSoft);
  EXPECT_EQ(limiter->slots(), 1u);
  EXPECT_TRUE(limiter->Acquire(kScan).admitted());
}

// 7.1, rule 12.
TEST(SlotsTest, AClassNeverTakesWhatIsGuaranteedToAnother) {
  const auto limiter = Make(8);
  // Half of 8 by weights 2 and 1: 2 and 1; 5 for whoever comes first.
  const std::vector<Slot> scans = TakeAll(limiter.get(), kScan);
  EXPECT_EQ(scans.size(), 6u);
  EXPECT_EQ(limiter->slots_of(kScan), 6u);
  const std::vector<Slot> reads = TakeAll(limiter.get(), kRead);
  EXPECT_EQ(reads.size(), 2u);
  EXPECT_EQ(limiter->slots_of(kRead), 7u);
}

TEST(SlotsTest, GuaranteesMayBeGivenOutright) {
  const auto limiter =
      Make(10, {{"a", 1, 4}, {"b", 1, 0}, {"c", 3, {}}, {"d", 1, {}}});
  EXPECT_EQ(TakeAll(limiter.get(), 1).size(), 3u);  // half of 6 shared
  EXPECT_EQ(limiter->slots_of(0), 7u);
  EXPECT_EQ(limiter->slots_of(2), 5u);
  EXPECT_EQ(limiter->slots_of(3), 4u);
}

TEST(SlotsTest, AtSoftGuaranteesHoldToo) {
  const auto limiter = Make(8);
  limiter->SetLevel(MemoryLevel::kSoft);
  const std::vector<Slot> scans = TakeAll(limiter.get(), kScan);
  EXPECT_EQ(scans.size(), 3u);
  EXPECT_EQ(TakeAll(limiter.get(), kRead).size(), 1u);
}

TEST(SlotsTest, ImpossibleOptionsAreRefused) {
  EXPECT_THAT(SlotLimiter::Create({4, {}}),
              StatusIs(Code::kInvalidArgument, HasSubstr("0 classes")));
  EXPECT_THAT(
      SlotLimiter::Create(
          {4, {{"a", 1, {}}, {"b", 1, {}}, {"c", 1, {}}, {"d", 1, {}}, {}}}),
      StatusIs(Code::kInvalidArgument, HasSubstr("5 classes")));
  EXPECT_THAT(SlotLimiter::Create({4, {{"", 1, {}}}}),
              StatusIs(Code::kInvalidArgument, HasSubstr("no name")));
  EXPECT_THAT(SlotLimiter::Create({4, {{"a", 1, {}}, {"a", 1, {}}}}),
              StatusIs(Code::kInvalidArgument, HasSubstr("\"a\"")));
  EXPECT_THAT(SlotLimiter::Create({4, {{"a", 1, 3}, {"b", 1, 2}}}),
              StatusIs(Code::kInvalidArgument,
                       HasSubstr("5 slots are guaranteed, but there are 4")));
  EXPECT_THAT(SlotLimiter::Create({70000, {{"a", 1, {}}}}),
              StatusIs(Code::kInvalidArgument, HasSubstr("65535")));
}

TEST(SlotsTest, ThreadsNeverHoldMoreThanThereAre) {
  const auto limiter = Make(5);
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::atomic<int> admitted{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<Slot> held;
      unsigned random = t + 1;
      for (int i = 0; i < 20'000; ++i) {
        random = random * 1664525 + 1013904223;
        if ((random >> 16) % 2 == 0 && !held.empty()) {
          inside.fetch_sub(1);
          held.pop_back();
          continue;
        }
        if (t == 0 && i % 100 == 0) {
          limiter->SetLevel(static_cast<MemoryLevel>((random >> 20) % 2));
        }
        Slot slot = limiter->Acquire((random >> 17) % 2);
        if (!slot.admitted()) continue;
        const int now = inside.fetch_add(1) + 1;
        int seen = most.load();
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        admitted.fetch_add(1);
        held.push_back(std::move(slot));
      }
      inside.fetch_sub(static_cast<int>(held.size()));
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_LE(most.load(), 5);
  EXPECT_GT(admitted.load(), 0);
  EXPECT_EQ(limiter->in_use(kRead), 0u);
  EXPECT_EQ(limiter->in_use(kScan), 0u);
}

}  // namespace
}  // namespace fodc::guard
