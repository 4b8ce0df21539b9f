// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/slow_reads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/log_testing.h"
#include "fodc/base/strings.h"
#include "fodc/collect/kernel_samples.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::agent {
namespace {

using kernel::LatencyHistogram;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SlowReadsTest : public ::testing::Test {
 protected:
  SlowReadsTest() : SlowReadsTest("db") {}
  explicit SlowReadsTest(const std::string& name) : name_(name) {
    reading_.state = kernel::FilterState::kByCgroup;
    reading_.life = 1;
    reading_.read.emplace();
    slow_.set_on_incident([this] { ++told_; });
  }

  // One window in which each read takes so long.
  void Window(std::uint64_t ns) {
    auto& latency = reading_.read->calls[1][0].latency;
    latency.counts[LatencyHistogram::SlotOf(ns)] += 1000;
    now_ms_ += 10'000;
    const recorder::FrameTime time = {.monotonic_ms = now_ms_,
                                      .unix_ms = 1'700'000'000'000 + now_ms_};
    samples_.Record(reading_, {}, time);
    slow_.OnAppended();
    slow_.RecordStates(time);
  }
  double State(const std::string& series) {
    for (const recorder::SourceFrame& frame : recording_.Latest()) {
      if (frame.source_name != "detector " + name_) continue;
      for (std::size_t i = 0; i < frame.values.size(); ++i) {
        const recorder::Series& s = *(*frame.series)[i];
        if (StrCat(s.name(), "{", s.labels(), "}") == series)
          return frame.values[i];
      }
    }
    return -1;
  }

  const std::string name_;
  TempDirectory proc_;
  FakeClock clock_;
  net::EventLoop loop_{clock_};
  recorder::Recording recording_{7, {}};
  collect::Targets targets_{{{.container_name = name_}},
                            {.proc_root = proc_.path(), .own_pid = 1},
                            loop_,
                            recording_};
  evidence::IncidentList incidents_;
  SlowReads slow_{{}, {}, targets_, recording_, incidents_};
  collect::KernelSamples samples_{recording_, name_, name_, {}};
  kernel::TargetReading reading_;
  std::int64_t now_ms_ = 0;
  int told_ = 0;
};

TEST_F(SlowReadsTest, AnIncidentIsLoggedListedToldAndRecorded) {
  const LogCapture log;
  for (int i = 0; i < 20; ++i) Window(2000);
  EXPECT_THAT(incidents_.all(), IsEmpty());
  EXPECT_EQ(State("fodc_detector_state{state=\"calm\",target=\"db\"}"), 1);
  for (int i = 0; i < 4; ++i) Window(5'000'000);
  ASSERT_THAT(incidents_.all(), SizeIs(1));
  EXPECT_TRUE(incidents_.all()[0]->is_open());
  EXPECT_EQ(incidents_.all()[0]->target, "db");
  const std::string verdict = incidents_.all()[0]->verdict;
  EXPECT_THAT(log.Lines("incident started"), SizeIs(1));
  EXPECT_GE(told_, 1);
  EXPECT_EQ(State("fodc_detector_state{state=\"incident\",target=\"db\"}"), 1);
  EXPECT_EQ(State(StrCat("fodc_incidents_total{target=\"db\",verdict=\"",
                         verdict, "\"}")),
            1);
  for (int i = 0; i < 8; ++i) Window(2000);
  ASSERT_THAT(incidents_.all(), SizeIs(1));
  EXPECT_FALSE(incidents_.all()[0]->is_open());
  EXPECT_THAT(log.Lines("incident ended"), SizeIs(1));
  EXPECT_EQ(State(StrCat("fodc_incidents_total{target=\"db\",verdict=\"",
                         verdict, "\"}")),
            1);
}

class SlowReadsOfAnOddNameTest : public SlowReadsTest {
 protected:
  SlowReadsOfAnOddNameTest() : SlowReadsTest("d\tb") {}
};

TEST_F(SlowReadsOfAnOddNameTest, ItsStateIsRecorded) {
  for (int i = 0; i < 20; ++i) Window(2000);
  EXPECT_EQ(State("fodc_detector_state{state=\"calm\",target=\"d\tb\"}"), 1);
}

// A change of state is worth a line, the state itself is not.
TEST_F(SlowReadsTest, AnIncidentThatGoesOnIsLoggedOnlyWithAnotherVerdict) {
  reading_.policy.emplace();
  reading_.cache.emplace();
  reading_.cache->added_pages = 0;
  for (int i = 0; i < 20; ++i) Window(2000);
  const LogCapture log;
  for (int i = 0; i < 30; ++i) Window(5'000'000);
  ASSERT_THAT(incidents_.all(), SizeIs(1));
  EXPECT_GE(incidents_.all()[0]->revision, 4u);
  EXPECT_GE(told_, 4);
  EXPECT_EQ(incidents_.all()[0]->verdict, "W4");
  EXPECT_THAT(log.Lines("incident"), SizeIs(1));
  for (int i = 0; i < 20; ++i) {
    reading_.policy->calls += 1000;
    reading_.policy
        ->by_advice[static_cast<std::size_t>(kernel::Advice::kDontNeed)] +=
        1000;
    *reading_.cache->added_pages += 100'000;
    Window(5'000'000);
  }
  EXPECT_EQ(incidents_.all()[0]->verdict, "W3");
  EXPECT_THAT(log.Lines("incident has another verdict"), SizeIs(1));
  EXPECT_THAT(log.Lines("incident"), SizeIs(2));
}

}  // namespace
}  // namespace fodc::agent
