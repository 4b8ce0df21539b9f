// SPDX-License-Identifier: Apache-2.0
// 7.1, rule 8: bytes in flight.
#include "fodc/guard/inflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "fodc/base/status_matchers.h"

namespace fodc::guard {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kUnit = 1 << 10;

std::unique_ptr<ByteBudget> Make(std::uint64_t budget, unsigned percent = 12) {
  auto made = ByteBudget::Create({budget, kUnit, percent});
  EXPECT_THAT(made, IsOk());
  return *std::move(made);
}

// Reads a body: takes piece by piece until its end, or until it is refused.
Refusal ReadAll(RequestBytes* request) {
  while (request->next_bytes() > 0) {
    const Refusal refusal = request->Take(request->next_bytes());
    if (refusal != Refusal::kNone) return refusal;
  }
  return Refusal::kNone;
}

TEST(InflightTest, PeekTakesNothing) {
  const auto budget = Make(10 * kUnit, 0);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(budget->Peek(4 * kUnit), Refusal::kNone);
  }
  EXPECT_EQ(budget->held_bytes(), 0u);
  // It is charged once, then.
  RequestBytes request = budget->Begin(10 * kUnit);
  EXPECT_EQ(ReadAll(&request), Refusal::kNone);
  EXPECT_EQ(budget->held_bytes(), 10 * kUnit);
}

TEST(InflightTest, ChargesUnitByUnitWhileHeld) {
  const auto budget = Make(10 * kUnit);
  RequestBytes request = budget->Begin(3 * kUnit + 7);
  EXPECT_EQ(budget->held_bytes(), 0u);
  for (const std::uint64_t piece : {kUnit, kUnit, kUnit, std::uint64_t{7}}) {
    ASSERT_EQ(request.next_bytes(), piece);
    ASSERT_EQ(request.Take(piece), Refusal::kNone);
  }
  EXPECT_EQ(request.next_bytes(), 0u);
  EXPECT_EQ(budget->held_bytes(), 3 * kUnit + 7);
  // The first unit's outcome is final, the others are tried again.
  request.Give(kUnit);
  EXPECT_EQ(budget->held_bytes(), 2 * kUnit + 7);
  EXPECT_EQ(request.next_bytes(), 0u);
  request.Give(100 * kUnit);
  EXPECT_EQ(budget->held_bytes(), 0u);
  request.GiveAll();
  EXPECT_EQ(budget->held_bytes(), 0u);
}

TEST(InflightTest, LargerThanTheWholeBudgetFailsAtOnce) {
  const auto budget = Make(10 * kUnit, 10);
  EXPECT_EQ(budget->largest_bytes(), 9 * kUnit);
  EXPECT_EQ(budget->Peek(9 * kUnit), Refusal::kNone);
  EXPECT_EQ(budget->Peek(9 * kUnit + 1), Refusal::kTooLarge);
  EXPECT_EQ(budget->Peek(std::numeric_limits<std::uint64_t>::max()),
            Refusal::kTooLarge);
  // Of one that does not say how long it is: when it gets there.
  RequestBytes chunked = budget->Begin(std::nullopt);
  for (int i = 0; i < 9; ++i) ASSERT_EQ(chunked.Take(kUnit), Refusal::kNone);
  EXPECT_EQ(chunked.Take(1), Refusal::kTooLarge);
  EXPECT_EQ(budget->held_bytes(), 9 * kUnit);
  chunked.Give(kUnit);
  EXPECT_EQ(chunked.Take(kUnit), Refusal::kNone);
}

TEST(InflightTest, MoreThanWasDeclaredIsRefused) {
  const auto budget = Make(10 * kUnit);
  RequestBytes request = budget->Begin(5);
  EXPECT_EQ(request.Take(6), Refusal::kTooLarge);
  EXPECT_EQ(request.Take(5), Refusal::kNone);
  EXPECT_EQ(request.Take(1), Refusal::kTooLarge);
  request.GiveAll();
  EXPECT_EQ(request.Take(1), Refusal::kTooLarge);
}

TEST(InflightTest, ManySmallRequestsAreChargedWhatTheyAre) {
  const auto budget = Make(8 * kUnit, 0);
  std::vector<RequestBytes> small;
  for (;;) {
    RequestBytes request = budget->Begin(16);
    if (ReadAll(&request) != Refusal::kNone) break;
    small.push_back(std::move(request));
  }
  EXPECT_EQ(small.size(), 8 * kUnit / 16);
  EXPECT_EQ(budget->Peek(16), Refusal::kFull);
  small.pop_back();
  EXPECT_EQ(budget->Peek(16), Refusal::kNone);
}

TEST(InflightTest, FewLargeRequestsDoNotShutOutSmallOnes) {
  const auto budget = Make(100 * kUnit);
  std::vector<RequestBytes> large(3);
  for (RequestBytes& r : large) {
    r = budget->Begin(80 * kUnit);
    (void)ReadAll(&r);
  }
  EXPECT_EQ(budget->Peek(80 * kUnit), Refusal::kFull);
  EXPECT_EQ(budget->held_bytes(), 88 * kUnit);
  RequestBytes small = budget->Begin(kUnit);
  EXPECT_EQ(ReadAll(&small), Refusal::kNone);
}

TEST(InflightTest, ManySmallRequestsDoNotShutOutLargeOnes) {
  const auto budget = Make(100 * kUnit);
  std::vector<RequestBytes> small;
  for (;;) {
    RequestBytes request = budget->Begin(kUnit);
    if (ReadAll(&request) != Refusal::kNone) break;
    small.push_back(std::move(request));
  }
  EXPECT_EQ(small.size(), 88u);
  RequestBytes large = budget->Begin(12 * kUnit);
  EXPECT_EQ(ReadAll(&large), Refusal::kNone);
  EXPECT_EQ(budget->held_bytes(), 100 * kUnit);
}

TEST(InflightTest, IsGivenBackOnEveryPath) {
  const auto budget = Make(10 * kUnit);
  {
    RequestBytes a = budget->Begin(2 * kUnit);
    ASSERT_EQ(ReadAll(&a), Refusal::kNone);
    RequestBytes b = std::move(a);
    EXPECT_EQ(b.held_bytes(), 2 * kUnit);
    RequestBytes c = budget->Begin(1);
    ASSERT_EQ(ReadAll(&c), Refusal::kNone);
    c = std::move(b);
    EXPECT_EQ(budget->held_bytes(), 2 * kUnit);
    EXPECT_EQ(budget->held_bytes(ByteClass::kSmall), 0u);
  }
  EXPECT_EQ(budget->held_bytes(), 0u);
  RequestBytes nobody;
  EXPECT_EQ(nobody.Take(1), Refusal::kFull);
  EXPECT_EQ(nobody.next_bytes(), 0u);
}

// 7.1, rule 11.
TEST(InflightTest, SoftHalvesHardRefuses) {
  const auto budget = Make(20 * kUnit, 0);
  RequestBytes held = budget->Begin(std::nullopt);
  for (int i = 0; i < 12; ++i) ASSERT_EQ(held.Take(kUnit), Refusal::kNone);
  budget->SetLevel(MemoryLevel::kSoft);
  EXPECT_EQ(budget->budget_bytes(), 10 * kUnit);
  EXPECT_EQ(budget->Peek(kUnit), Refusal::kMemory);
  EXPECT_EQ(held.Take(kUnit), Refusal::kMemory);
  // It would fit on a better day.
  EXPECT_EQ(budget->Peek(15 * kUnit), Refusal::kMemory);
  held.Give(3 * kUnit);
  EXPECT_EQ(held.Take(kUnit), Refusal::kNone);
  budget->SetLevel(MemoryLevel::kHard);
  EXPECT_EQ(budget->Peek(1), Refusal::kMemory);
  EXPECT_EQ(budget->Peek(0), Refusal::kNone);
  budget->SetLevel(MemoryLevel::kNormal);
  EXPECT_EQ(budget->Peek(kUnit), Refusal::kNone);
}

TEST(InflightTest, ImpossibleOptionsAreRefused) {
  EXPECT_THAT(ByteBudget::Create({0, 1, 0}),
              StatusIs(Code::kInvalidArgument, HasSubstr("positive")));
  EXPECT_THAT(ByteBudget::Create({1, 0, 0}),
              StatusIs(Code::kInvalidArgument, HasSubstr("positive")));
  EXPECT_THAT(ByteBudget::Create({100, 1, 51}),
              StatusIs(Code::kInvalidArgument, HasSubstr("51 %")));
  EXPECT_THAT(ByteBudget::Create({100, 95, 10}),
              StatusIs(Code::kInvalidArgument, HasSubstr("unit of 95")));
  // No product overflows.
  const auto most = ByteBudget::Create(
      {std::numeric_limits<std::uint64_t>::max(), kUnit, 50});
  ASSERT_THAT(most, IsOk());
  EXPECT_EQ((*most)->budget_bytes(), std::numeric_limits<std::uint64_t>::max());
}

// Any schedule of begins, pieces, failures, retries and ends.
TEST(InflightTest, NeverMoreThanTheBudgetWhateverTheSchedule) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    const std::uint64_t total = (4 + random() % 40) * kUnit;
    const auto budget = Make(total, static_cast<unsigned>(random() % 40));
    std::vector<RequestBytes> requests;
    for (int step = 0; step < 4000; ++step) {
      const auto pick = random() % 100;
      if (pick < 25) {
        // What a client declares may be anything.
        std::optional<std::uint64_t> declared = random() % (8 * kUnit);
        if (pick < 3) declared.reset();
        if (pick == 3) declared = std::numeric_limits<std::uint64_t>::max();
        requests.push_back(budget->Begin(declared));
      } else if (!requests.empty()) {
        const std::size_t i = random() % requests.size();
        if (pick < 70) {
          (void)requests[i].Take(random() % 2 == 0 ? requests[i].next_bytes()
                                                   : random() % (2 * kUnit));
        } else if (pick < 85) {
          requests[i].Give(random() % (2 * kUnit));
        } else {
          requests[i] = std::move(requests.back());
          requests.pop_back();
        }
      }
      if (pick == 99) {
        budget->SetLevel(static_cast<MemoryLevel>(random() % 3));
      }
      std::uint64_t held = 0;
      for (const RequestBytes& r : requests) held += r.held_bytes();
      ASSERT_LE(held, total) << "seed " << seed << " step " << step;
      ASSERT_EQ(held, budget->held_bytes()) << seed;
    }
    requests.clear();
    EXPECT_EQ(budget->held_bytes(), 0u);
    budget->SetLevel(MemoryLevel::kNormal);
    // All of it can be had again.
    RequestBytes one = budget->Begin(std::nullopt);
    EXPECT_EQ(one.Take(budget->largest_bytes()), Refusal::kNone);
  }
}

TEST(InflightTest, ThreadsNeverHoldMoreThanTheBudget) {
  const auto budget = Make(16 * kUnit);
  std::atomic<std::uint64_t> most{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < 3000; ++i) {
        RequestBytes r = budget->Begin(random() % (6 * kUnit));
        (void)ReadAll(&r);
        const std::uint64_t held = budget->held_bytes();
        std::uint64_t seen = most.load();
        while (held > seen && !most.compare_exchange_weak(seen, held)) {
        }
        r.Give(random() % kUnit);
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_GT(most.load(), 0u);
  EXPECT_LE(most.load(), 16 * kUnit);
  EXPECT_EQ(budget->held_bytes(), 0u);
}

}  // namespace
}  // namespace fodc::guard
