// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/server_core.h"

#include <gtest/gtest.h>

namespace fodc::link {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

TEST(ServerCoreTest, AProxyThatWasFrozenForgetsNobody) {
  FakeClock clock;
  net::EventLoop loop(clock);
  fleet::Fleet fleet(clock, {});
  ServerCore core(loop, fleet, {});
  fleet::Registry::Claim claim;
  claim.kind = fleet::AgentKind::kFlight;
  claim.identity.pod_name = "a";
  claim.identity.role = "ROLE_DATA";
  claim.identity.instance_id = "i";
  claim.identity.incarnation = 5;
  const fleet::AgentId id = fleet.Admit(claim).id;
  fleet.Watch();
  const auto at_work = [&](seconds time) {
    for (const auto end = clock.Monotonic() + time; clock.Monotonic() < end;) {
      clock.Advance(fleet::Fleet::kWatchPeriod);
      fleet.Watch();
    }
  };
  at_work(seconds(15));
  core.Sweep();
  // The agent spoke all the while; its words wait behind this sweep.
  clock.Advance(minutes(10));
  core.Sweep();
  ASSERT_NE(fleet.mirror(id), nullptr);
  ASSERT_TRUE(fleet.registry().Heartbeat(id).ok());
  at_work(seconds(15));
  core.Sweep();
  EXPECT_NE(fleet.mirror(id), nullptr);
  // One that is silent indeed goes.
  for (int i = 0; i < 22; ++i) {
    at_work(seconds(15));
    core.Sweep();
  }
  EXPECT_EQ(fleet.mirror(id), nullptr);
}

}  // namespace
}  // namespace fodc::link
