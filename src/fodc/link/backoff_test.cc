// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace fodc::link {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

TEST(BackoffTest, DoublesItsBoundUpToTheLast) {
  for (std::uint64_t seed = 1; seed < 200; ++seed) {
    Backoff backoff(milliseconds(200), milliseconds(1000), seed);
    for (const int most : {200, 400, 800, 1000, 1000, 1000}) {
      const nanoseconds delay = backoff.Next();
      EXPECT_GE(delay, milliseconds(100));
      EXPECT_LE(delay, milliseconds(most));
    }
    backoff.Reset();
    EXPECT_LE(backoff.Next(), milliseconds(200));
  }
}

TEST(BackoffTest, SpreadsAFleetOverTheWholeOfIt) {
  std::set<std::int64_t> tenths;
  for (std::uint64_t seed = 1; seed < 500; ++seed) {
    Backoff backoff(milliseconds(200), milliseconds(15'000), seed);
    for (int i = 0; i < 7; ++i) (void)backoff.Next();
    tenths.insert(backoff.Next() / milliseconds(1500));
  }
  EXPECT_GE(tenths.size(), 10u);
}

}  // namespace
}  // namespace fodc::link
