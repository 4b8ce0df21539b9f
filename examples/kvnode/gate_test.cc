// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/gate.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status_matchers.h"

namespace kvnode {
namespace {

using fodc::IsOk;
using std::chrono::milliseconds;

class GateTest : public ::testing::Test {
 protected:
  GateTest() {
    metrics_ = *fodc::guard::Metrics::Create();
    EXPECT_THAT(metrics_->Declare("held_back", "Help.",
                                  fodc::guard::MetricType::kCounter),
                IsOk());
    held_back_ = *metrics_->FindCounter("held_back");
    fodc::guard::IsolationOptions o;
    o.slots = GateSlots(2);
    o.clock = &clock_;
    isolation_ = *fodc::guard::Isolation::Create(o);
    gate_.emplace(isolation_.get(), held_back_, clock_);
  }

  fodc::guard::HeavyWork Ask(const std::string& from) {
    fodc::net::HttpRequest request;
    request.peer_address = from;
    return gate_->AdmitHeavy(HeavyClass::kStreamRead, request);
  }
  void RefuseUpTo(unsigned refusals, const std::string& from) {
    for (unsigned i = 0; i < refusals; ++i) {
      ASSERT_FALSE(Ask(from).admitted());
    }
  }
  // Takes all the slots.
  std::vector<fodc::guard::HeavyWork> Fill() {
    std::vector<fodc::guard::HeavyWork> taken;
    for (fodc::guard::HeavyWork w; (w = Ask("10.0.0.9")).admitted();) {
      taken.push_back(std::move(w));
    }
    return taken;
  }

  fodc::FakeClock clock_;
  std::unique_ptr<fodc::guard::Metrics> metrics_;
  fodc::guard::Counter* held_back_ = nullptr;
  std::unique_ptr<fodc::guard::Isolation> isolation_;
  std::optional<Gate> gate_;
};

TEST_F(GateTest, HoldsBackWhoComesBackAtOnceWheneverHeIsRefused) {
  const auto slots = Fill();
  RefuseUpTo(Gate::kMostRefusals - 1, "10.0.0.1");
  EXPECT_THAT(gate_->Connect("10.0.0.1"), IsOk());
  RefuseUpTo(1, "10.0.0.1");
  const auto held_back = gate_->Connect("10.0.0.1");
  EXPECT_FALSE(held_back.ok());
  EXPECT_EQ(held_back.status().message(), "");
  EXPECT_EQ(held_back_->value(), 1u);
  // Others are let in, and he is in the next second.
  EXPECT_THAT(gate_->Connect("10.0.0.2"), IsOk());
  clock_.Advance(milliseconds(999));
  EXPECT_FALSE(gate_->Connect("10.0.0.1").ok());
  clock_.Advance(milliseconds(1));
  EXPECT_THAT(gate_->Connect("10.0.0.1"), IsOk());
}

TEST_F(GateTest, LetsInWhoIsRefusedNowAndThen) {
  const auto slots = Fill();
  for (int second = 0; second < 10; ++second) {
    clock_.Advance(milliseconds(1000));
    RefuseUpTo(Gate::kMostRefusals - 1, "10.0.0.1");
    EXPECT_THAT(gate_->Connect("10.0.0.1"), IsOk());
  }
  EXPECT_EQ(held_back_->value(), 0u);
}

}  // namespace
}  // namespace kvnode
