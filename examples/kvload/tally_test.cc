// SPDX-License-Identifier: Apache-2.0
#include "examples/kvload/tally.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kvload {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

TEST(TallyTest, TellsTimesOfWhatWasServedAndCountsTheRest) {
  Tally tally;
  for (int i = 1; i <= 100; ++i) {
    tally.Count(Answer{.status = 200, .body = "ab"}, milliseconds(i));
  }
  tally.Count(Answer{.status = 503}, milliseconds(1000));
  tally.Count(Answer{.status = 413}, milliseconds(1000));
  Tally other;
  other.Count(fodc::Unavailable("gone"), milliseconds(1000));
  tally.Join(other);
  EXPECT_EQ(tally.ok(), 100u);
  const std::string json = tally.Json("write", "put", milliseconds(1500));
  EXPECT_THAT(json, HasSubstr("\"ok\":100,\"rejected\":1,\"refused\":1,"
                              "\"failed\":1,\"bytes\":200,\"seconds\":1.500"));
  EXPECT_THAT(json, HasSubstr("\"p50_ms\":50.000,\"p99_ms\":99.000,"
                              "\"max_ms\":100.000"));
}

TEST(TallyTest, OfNothingTellsZeroes) {
  EXPECT_THAT(Tally().Json("scan", "scan", milliseconds(0)),
              HasSubstr("\"ok\":0"));
}

TEST(TallyTest, AKeyThatIsNotThereIsAnAnswer) {
  Tally tally;
  tally.Count(Answer{.status = 404}, milliseconds(1));
  EXPECT_EQ(tally.ok(), 1u);
}

}  // namespace
}  // namespace kvload
