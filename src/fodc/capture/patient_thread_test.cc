// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/patient_thread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "fodc/base/status_matchers.h"
#include "tests/support/wait.h"

namespace fodc::capture {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)
using ::testing::_;
using ::testing::Field;

const std::stop_token kNever;

TEST(PatientThreadTest, GivesWhatTheWorkGives) {
  PatientThread patient;
  EXPECT_THAT(patient.Run([] { return StepText{.text = "x"}; }, 60s, kNever),
              IsOkAndHolds(Field(&StepText::text, "x")));
  EXPECT_THAT(patient.Run([]() -> Result<StepText> { return NotFound("n"); },
                          60s, kNever),
              StatusIs(Code::kNotFound, "n"));
}

TEST(PatientThreadTest, WaitsNoLongerThanItIsTold) {
  PatientThread patient;
  std::promise<void> let_go;
  const std::shared_future<void> held = let_go.get_future().share();
  const auto hang = [held] {
    held.wait();
    return StepText{.text = "late"};
  };
  EXPECT_THAT(patient.Run(hang, 1ms, kNever),
              StatusIs(Code::kDeadlineExceeded, _));
  // The kernel still has it.
  EXPECT_THAT(patient.Run([] { return StepText(); }, 60s, kNever),
              StatusIs(Code::kUnavailable, _));
  let_go.set_value();
  EXPECT_TRUE(test::WaitUntil([&] {
    const auto text =
        patient.Run([] { return StepText{.text = "new"}; }, 60s, kNever);
    return text.ok() && text->text == "new";
  }));
}

TEST(PatientThreadTest, EndsWaitingWhenItIsStopped) {
  PatientThread patient;
  std::promise<void> let_go;
  std::promise<void> begun;
  std::stop_source stop;
  std::jthread stopper([&] {
    begun.get_future().wait();
    stop.request_stop();
  });
  EXPECT_THAT(patient.Run(
                  [&begun, held = let_go.get_future().share()] {
                    begun.set_value();
                    held.wait();
                    return StepText();
                  },
                  600s, stop.get_token()),
              StatusIs(Code::kCancelled, _));
  let_go.set_value();
}

}  // namespace
}  // namespace fodc::capture
