// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/sampling.h"

#include <gtest/gtest.h>

namespace fodc::kernel {
namespace {

TEST(SampleEveryTest, BeginsAboveTheRateAndEndsAtThreeQuartersOfIt) {
  TelemetryOptions o;
  o.sample_above_per_second = 1000;
  o.sample_every = 9;
  EXPECT_EQ(SampleEvery(o, 1000, /*is_sampled=*/false), 1u);
  EXPECT_EQ(SampleEvery(o, 1001, /*is_sampled=*/false), 16u);
  EXPECT_EQ(SampleEvery(o, 999, /*is_sampled=*/true), 16u);
  EXPECT_EQ(SampleEvery(o, 751, /*is_sampled=*/true), 16u);
  EXPECT_EQ(SampleEvery(o, 750, /*is_sampled=*/true), 1u);
}

TEST(SampleEveryTest, IsBoundedAndOffByDefault) {
  TelemetryOptions o;
  EXPECT_EQ(SampleEvery(o, 1e9, /*is_sampled=*/false), 1u);
  o.sample_above_per_second = 1;
  o.sample_every = 1'000'000;
  EXPECT_EQ(SampleEvery(o, 1e9, /*is_sampled=*/false), 4096u);
  o.sample_every = 0;
  EXPECT_EQ(SampleEvery(o, 1e9, /*is_sampled=*/false), 1u);
}

TEST(CountCallsTest, AddsReadsAndWritesOfAllKindsAndThoseThatFailed) {
  TargetReading r;
  EXPECT_EQ(CountCalls(r), 0u);
  r.read.emplace().calls[1][2].latency.counts[5] = 3;
  r.write.emplace().kinds[3].latency.counts[7] = 4;
  EXPECT_EQ(CountCalls(r), 7u);
  // One that polls costs as much as one that reads.
  r.read->failures[1] = 10;
  r.write->failures[2] = 20;
  EXPECT_EQ(CountCalls(r), 37u);
}

}  // namespace
}  // namespace fodc::kernel
