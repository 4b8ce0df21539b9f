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

// Work that ends when it is let go.
class Hang {
 public:
  PatientThread::Work Work() {
    return [held = held_] {
      held.wait();
      return StepText{.text = "late"};
    };
  }
  void LetGo() { let_go_.set_value(); }

 private:
  std::promise<void> let_go_;
  std::shared_future<void> held_ = let_go_.get_future().share();
};

PatientThread::Work Quick() {
  return [] { return StepText{.text = "new"}; };
}

// `hang` has begun, and is no longer waited for.
void Leave(PatientThread& patient, Hang& hang) {
  const auto begun = std::make_shared<std::promise<void>>();
  std::stop_source stop;
  std::jthread stopper([&] {
    begun->get_future().wait();
    stop.request_stop();
  });
  EXPECT_THAT(patient.Run(
                  [begun, work = hang.Work()]() mutable {
                    begun->set_value();
                    return work();
                  },
                  600s, stop.get_token()),
              StatusIs(Code::kCancelled, _));
}

TEST(PatientThreadTest, WaitsNoLongerThanItIsTold) {
  Hang hang;
  PatientThread patient;
  EXPECT_THAT(patient.Run(hang.Work(), 1ms, kNever),
              StatusIs(Code::kDeadlineExceeded, _));
  hang.LetGo();
}

TEST(PatientThreadTest, AReadThatHangsIsLeftToItself) {
  Hang hang;
  const auto lost = std::make_shared<LostReads>();
  PatientThread patient(lost);
  Leave(patient, hang);
  EXPECT_EQ(lost->now(), 0u);  // it may still come back in time for the next
  // The kernel still has it.
  EXPECT_THAT(patient.Run(Quick(), 60s, kNever),
              IsOkAndHolds(Field(&StepText::text, "new")));
  EXPECT_EQ(lost->now(), 1u);
  hang.LetGo();
  EXPECT_TRUE(test::WaitUntil([&] { return lost->now() == 0; }));
  EXPECT_THAT(patient.Run(Quick(), 60s, kNever), IsOk());
}

TEST(PatientThreadTest, SoManyAreLeftToThemselvesAndNoMore) {
  Hang hang;
  const auto lost = std::make_shared<LostReads>(2);
  PatientThread one(lost);
  PatientThread other(lost);
  for (PatientThread* patient : {&one, &other, &one}) Leave(*patient, hang);
  EXPECT_EQ(lost->now(), 1u);
  Leave(other, hang);
  EXPECT_EQ(lost->now(), 2u);
  EXPECT_THAT(
      one.Run(Quick(), 60s, kNever),
      StatusIs(Code::kUnavailable, "3 earlier reads have not come back"));
  hang.LetGo();
  EXPECT_TRUE(test::WaitUntil(
      [&] { return one.Run(Quick(), 60s, kNever).ok() && lost->now() == 0; }));
}

// Else the agent would not end while a disk hangs.
TEST(PatientThreadTest, DoesNotWaitForWhatHangsWhenItGoes) {
  Hang hang;
  {
    PatientThread patient;
    Leave(patient, hang);
  }
  hang.LetGo();
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
