// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "environment_testing.h"
#include "event_log.h"
#include "fodc/guard/memwatch.h"

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint64_t kMib = 1 << 20;
constexpr char kThreshold[] = "T1_MEMORY_SHUTDOWN_THRESHOLD_MB";
constexpr char kInterval[] = "T1_MEMORY_SHUTDOWN_POLL_INTERVAL";

class MemwatchEnvTest : public ::testing::Test {
 protected:
  MemwatchOptions Read(const char* name, const char* value) {
    log_ = std::make_unique<EventLog>();
    MemwatchOptions o;
    o.events = log_->sink();
    o.hard.bytes = 5;  // of the host's configuration
    o.poll_interval = 5s;
    const ScopedVariable variable(name, value);
    ReadMemwatchEnvironment(&o, "T1");
    return o;
  }
  std::unique_ptr<EventLog> log_;
};

TEST_F(MemwatchEnvTest, AThresholdIsInMibWithBlanksTrimmed) {
  EXPECT_EQ(Read(kThreshold, " 512\t").hard.bytes, 512 * kMib);
  EXPECT_THAT(log_->lines(), IsEmpty());
}

TEST_F(MemwatchEnvTest, UnsetLeavesWhatTheHostChose) {
  const MemwatchOptions o = Read(kThreshold, nullptr);
  EXPECT_EQ(o.hard.bytes, 5);
  EXPECT_EQ(o.poll_interval, 5s);
}

TEST_F(MemwatchEnvTest, EmptyAndZeroAreOffWithoutALine) {
  for (const char* off : {"", "0", "  ", "000"}) {
    EXPECT_EQ(Read(kThreshold, off).hard.bytes, 0) << off;
    EXPECT_THAT(log_->lines(), IsEmpty()) << off;
  }
}

// R6: a product that wraps would give a tiny threshold, which fires at once.
TEST_F(MemwatchEnvTest, R6AThresholdThatWouldWrapIsOffWithAWarning) {
  EXPECT_EQ(Read(kThreshold, "17592186044415").hard.bytes,
            17592186044415 * kMib);
  EXPECT_THAT(log_->lines(), IsEmpty());
  EXPECT_EQ(Read(kThreshold, "17592186044416").hard.bytes, 0);
  EXPECT_THAT(log_->lines(),
              ElementsAre(AllOf(HasSubstr("WARN "), HasSubstr(kThreshold),
                                HasSubstr("17592186044416"))));
}

TEST_F(MemwatchEnvTest, WhatIsNoThresholdIsOffWithAWarning) {
  for (const char* bad : {"many", "-1", "+1", "1.5", "512MiB", "512 MB", "0x10",
                          "99999999999999999999"}) {
    EXPECT_EQ(Read(kThreshold, bad).hard.bytes, 0) << bad;
    EXPECT_THAT(log_->lines(),
                ElementsAre(AllOf(HasSubstr(kThreshold), HasSubstr(bad))));
  }
}

TEST_F(MemwatchEnvTest, AnIntervalIsAGoDuration) {
  EXPECT_EQ(Read(kInterval, "250ms").poll_interval, 250ms);
  EXPECT_EQ(Read(kInterval, " 1m30s ").poll_interval, 90s);
  EXPECT_EQ(Read(kInterval, "").poll_interval, 5s);
  EXPECT_THAT(log_->lines(), IsEmpty());
}

TEST_F(MemwatchEnvTest, WhatIsNoIntervalIsASecondWithAWarning) {
  for (const char* bad : {"soon", "0", "-1s", "10", "1h60"}) {
    EXPECT_EQ(Read(kInterval, bad).poll_interval, 1s) << bad;
    EXPECT_THAT(log_->lines(),
                ElementsAre(AllOf(HasSubstr(kInterval), HasSubstr(bad))));
  }
}

// R8: kept here, raised by the watchdog to what the loop uses.
TEST_F(MemwatchEnvTest, R8AMicrosecondIsTakenAndRaisedLater) {
  EXPECT_EQ(Read(kInterval, "1us").poll_interval, 1us);
  EXPECT_THAT(log_->lines(), IsEmpty());
}

}  // namespace
}  // namespace fodc::guard
