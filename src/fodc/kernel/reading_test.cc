// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/reading.h"

#include <gtest/gtest.h>

namespace fodc::kernel {
namespace {

TEST(ReadReadingTest, SumsByCallAndByKind) {
  ReadReading r;
  r.calls[0][0].latency.counts[7] = 2;
  r.calls[0][0].bytes = 100;
  r.calls[0][2].latency.counts[7] = 3;
  r.calls[0][2].bytes = 10;
  r.calls[1][0].latency.counts[9] = 5;
  r.calls[1][0].bytes = 1;
  EXPECT_EQ(r.OfCall(ReadCall::kRead).latency.Count(), 5u);
  EXPECT_EQ(r.OfCall(ReadCall::kRead).bytes, 110u);
  EXPECT_EQ(r.OfCall(ReadCall::kVectored).latency.Count(), 0u);
  EXPECT_EQ(r.OfKind(FileKind::kFile).latency.Count(), 7u);
  EXPECT_EQ(r.OfKind(FileKind::kFile).bytes, 101u);
  EXPECT_EQ(r.OfKind(FileKind::kPipe).bytes, 10u);
}

TEST(ReadingTest, NamesAreThoseOfTheMetrics) {
  EXPECT_EQ(FamilyName(Family::kRead), "read");
  EXPECT_EQ(FamilyName(Family::kDeath), "death");
  EXPECT_EQ(FileKindName(FileKind::kOther), "other");
  EXPECT_EQ(ErrorClassName(ErrorClass::kNoMemory), "no_memory");
  EXPECT_EQ(SyncCallName(SyncCall::kSyncFileRange), "sync_file_range");
  EXPECT_EQ(AdviceName(Advice::kDontNeed), "dontneed");
  EXPECT_EQ(BlockOperationName(BlockOperation::kWrite), "write");
  EXPECT_EQ(LossName(Loss::kRingFull), "ring_full");
}

}  // namespace
}  // namespace fodc::kernel
