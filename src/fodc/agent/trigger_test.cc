// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/trigger.h"

#include <gtest/gtest.h>

namespace fodc::agent {
namespace {

using namespace std::chrono_literals;

TEST(TriggerTest, NamesLeadBack) {
  for (std::size_t i = 0; i < kTriggerKinds; ++i) {
    const auto kind = static_cast<TriggerKind>(i);
    EXPECT_EQ(FindTrigger(TriggerName(kind)), kind);
  }
  EXPECT_EQ(FindTrigger("nothing"), std::nullopt);
}

TEST(TriggerTest, AStormIsOneCapture) {
  FakeClock clock;
  EventTriggers triggers({});
  const auto ask = [&](TriggerKind kind) {
    return triggers.Ask(kind, clock.Monotonic(), {.at = clock.Unix()});
  };
  EXPECT_TRUE(ask(TriggerKind::kOomKill));
  for (int i = 0; i < 1000; ++i) EXPECT_FALSE(ask(TriggerKind::kOomKill));
  EXPECT_EQ(triggers.View(TriggerKind::kOomKill).last->reason, "in_progress");
  // Each has a pace of its own.
  EXPECT_TRUE(ask(TriggerKind::kReadLatency));
  triggers.End(TriggerKind::kOomKill, clock.Monotonic(), true);
  EXPECT_FALSE(ask(TriggerKind::kOomKill));
  const TriggerView view = triggers.View(TriggerKind::kOomKill);
  EXPECT_EQ(view.last->reason, "cooldown");
  EXPECT_EQ(view.last_fired->reason, "fired");
  EXPECT_EQ(view.fired, 1U);
  clock.Advance(5min);
  EXPECT_TRUE(ask(TriggerKind::kOomKill));
}

TEST(TriggerTest, WithoutEvidenceThereIsNoCooldown) {
  FakeClock clock;
  EventTriggers triggers({});
  EXPECT_TRUE(triggers.Ask(TriggerKind::kTargetGone, clock.Monotonic(), {}));
  triggers.End(TriggerKind::kTargetGone, clock.Monotonic(), false);
  EXPECT_FALSE(triggers.Ask(TriggerKind::kTargetGone, clock.Monotonic(), {}));
  EXPECT_EQ(triggers.View(TriggerKind::kTargetGone).last->reason,
            "retry_later");
  clock.Advance(1s);
  EXPECT_TRUE(triggers.Ask(TriggerKind::kTargetGone, clock.Monotonic(), {}));
}

TEST(TriggerTest, TheCooldownSurvivesTheAgent) {
  FakeClock clock;
  EventTriggers triggers({});
  triggers.Restore(TriggerKind::kEndpointDown, clock.Monotonic(), 4min);
  EXPECT_FALSE(triggers.Ask(TriggerKind::kEndpointDown, clock.Monotonic(), {}));
  clock.Advance(1min);
  EXPECT_TRUE(triggers.Ask(TriggerKind::kEndpointDown, clock.Monotonic(), {}));
}

}  // namespace
}  // namespace fodc::agent
