// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/oom_kills.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"

namespace fodc::agent {
namespace {

using ::testing::Optional;

class MachineOomKillsTest : public ::testing::Test {
 protected:
  void Put(const std::string& text) const {
    ASSERT_THAT(WriteFileAtomically(tree_.File("vmstat"), text), IsOk());
  }
  TempDirectory tree_;
};

TEST_F(MachineOomKillsTest, CountsWhatCameSinceItBegan) {
  Put("pgfault 9\noom_kill 5\noom_kill_x 7\n");
  MachineOomKills kills(tree_.path());
  EXPECT_THAT(kills.Count(), Optional(0u));
  Put("pgfault 9\noom_kill 7\noom_kill_x 9\n");
  EXPECT_THAT(kills.Count(), Optional(2u));
}

TEST_F(MachineOomKillsTest, AKernelThatDoesNotTellIsNotZero) {
  Put("pgfault 9\n");
  MachineOomKills kills(tree_.path());
  EXPECT_EQ(kills.Count(), std::nullopt);
  MachineOomKills none(tree_.File("nothing"));
  EXPECT_EQ(none.Count(), std::nullopt);
}

}  // namespace
}  // namespace fodc::agent
