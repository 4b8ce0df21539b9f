// SPDX-License-Identifier: Apache-2.0
#include "fodc/collect/kernel_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/log_testing.h"
#include "fodc/base/strings.h"
#include "fodc/collect/recording_testing.h"

namespace fodc::collect {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

using Samples = std::map<std::string, double>;

// A kernel that grants everything and counts what it was asked.
class FakeTelemetry final : public kernel::Telemetry {
 public:
  struct Seen {
    std::vector<kernel::TargetFilter> filters;
    int sets = 0;
    std::size_t max_targets = 8;
    std::vector<kernel::KernelEvent> events;
  };
  explicit FakeTelemetry(Seen* seen) : seen_(*seen) {}

  void SetTargets(std::span<const kernel::TargetFilter> targets) override {
    seen_.filters.assign(targets.begin(), targets.end());
    ++seen_.sets;
  }
  std::vector<kernel::TargetReading> Collect(
      std::vector<kernel::KernelEvent>* events) override {
    *events = seen_.events;
    seen_.events.clear();
    std::vector<kernel::TargetReading> readings(
        std::min(seen_.filters.size(), seen_.max_targets));
    for (std::size_t i = 0; i < readings.size(); ++i) {
      if (!seen_.filters[i].processes.empty())
        readings[i].state = kernel::FilterState::kByThreadGroup;
    }
    return readings;
  }
  const kernel::Overview& overview() const override { return overview_; }

 private:
  Seen& seen_;
  kernel::Overview overview_;
};

class KernelReaderTest : public ::testing::Test {
 protected:
  void Open(const std::vector<target::TargetSpec>& specs, bool is_on = true) {
    targets_.emplace(
        specs, target::TableOptions{.proc_root = tree_.path(), .own_pid = 1},
        loop_, recording_);
    std::unique_ptr<kernel::Telemetry> telemetry;
    if (is_on) telemetry = std::make_unique<FakeTelemetry>(&seen_);
    reader_.emplace(std::move(telemetry), "bad_interval",
                    KernelReader::Options{.interval = std::chrono::seconds(10)},
                    *targets_, loop_, recording_);
    reader_->set_on_recorded([this] { ++recorded_; });
  }
  void PutProcess(pid_t pid, const std::string& comm,
                  const std::string& cgroup) const {
    const std::string dir = StrCat(tree_.path(), "/", pid);
    ASSERT_TRUE(MakeDirectories(dir).ok());
    ASSERT_TRUE(WriteFileAtomically(
                    dir + "/stat",
                    StrCat(pid, " (", comm,
                           ") S 1 1 1 0 -1 0 1 0 1 0 1 1 0 0 20 0 3 0 4711 "
                           "819200 2\n"))
                    .ok());
    ASSERT_TRUE(WriteFileAtomically(dir + "/comm", comm + "\n").ok());
    ASSERT_TRUE(
        WriteFileAtomically(dir + "/cgroup", "0::" + cgroup + "\n").ok());
  }
  Samples Latest(const std::string& target) {
    return LatestSamples(recording_, "kernel " + target);
  }

  TempDirectory tree_;
  FakeClock clock_;
  net::EventLoop loop_{clock_};
  recorder::Recording recording_{1, {}};
  FakeTelemetry::Seen seen_;
  std::optional<Targets> targets_;
  std::optional<KernelReader> reader_;
  int recorded_ = 0;
};

TEST_F(KernelReaderTest, ReadsAndRecordsInOnePassAtItsInterval) {
  Open({{.container_name = "db"}});
  reader_->Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return recorded_ == 1; }));
  EXPECT_THAT(FrameTimes(recording_, "kernel db"), SizeIs(1));
  clock_.Advance(std::chrono::seconds(10));
  ASSERT_TRUE(loop_.RunUntil([&] { return recorded_ == 2; }));
  const auto times = FrameTimes(recording_, "kernel db");
  ASSERT_THAT(times, SizeIs(2));
  EXPECT_EQ(times[1] - times[0], 10'000);
}

TEST_F(KernelReaderTest, ATargetThatAppearsIsCountedAtOnce) {
  PutProcess(7, "db", "/pod/db");
  Open({{.container_name = "db", .pid = 7}});
  targets_->set_on_changed([this] { reader_->Follow(); });
  targets_->Read({.monotonic_ms = 1, .unix_ms = 1});
  ASSERT_THAT(seen_.filters, SizeIs(1));
  EXPECT_EQ(seen_.filters[0].name, "db");
  EXPECT_THAT(seen_.filters[0].processes, ElementsAre(7));
}

// Several processes of one target count together, a neighbour of the same name
// does not.
TEST_F(KernelReaderTest, ProcessesOfOneGroupCountTogether) {
  PutProcess(7, "banyand", "/pod/db");
  PutProcess(8, "banyand-data", "/pod/db");
  PutProcess(9, "banyand", "/other/db");
  PutProcess(10, "sidecar", "/pod/db");
  Open({{.container_name = "db", .comm_prefix = "banyand"}});
  targets_->Read({.monotonic_ms = 1, .unix_ms = 1});
  reader_->Follow();
  ASSERT_THAT(seen_.filters, SizeIs(1));
  EXPECT_THAT(seen_.filters[0].processes, ElementsAre(7, 8));
}

TEST_F(KernelReaderTest, OfTheRootGroupOnlyWhatWasNamed) {
  PutProcess(7, "db", "/");
  PutProcess(8, "db", "/");
  Open({{.comm_prefix = "db"}});
  targets_->Read({.monotonic_ms = 1, .unix_ms = 1});
  reader_->Follow();
  EXPECT_THAT(seen_.filters[0].processes, ElementsAre(7, 8));
}

TEST_F(KernelReaderTest, WithoutAPortsOwnerTheDefaultNameIsFound) {
  PutProcess(7, "banyand", "/pod/db");
  Endpoint endpoint;
  endpoint.port = 2121;
  endpoint.is_loopback = true;
  const auto specs = MakeTargetSpecs({endpoint}, {});
  ASSERT_THAT(specs, SizeIs(1));
  Open(specs);
  targets_->Read({.monotonic_ms = 1, .unix_ms = 1});
  reader_->Follow();
  EXPECT_THAT(seen_.filters[0].processes, ElementsAre(7));
}

TEST_F(KernelReaderTest, ARowBeyondWhatTheKernelCountsSaysSo) {
  seen_.max_targets = 1;
  Open({{.container_name = "a"}, {.container_name = "b"}});
  reader_->Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return recorded_ == 1; }));
  EXPECT_THAT(Latest("b"), Contains(Pair("ktm_status{}", 0)));
  EXPECT_THAT(
      Latest("b"),
      Contains(Pair("ktm_reason_info{reason=\"too_many_targets\"}", 1)));
}

TEST_F(KernelReaderTest, ThatItIsOffIsRecordedWithTheReason) {
  Open({{.container_name = "db"}}, /*is_on=*/false);
  reader_->Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return recorded_ == 1; }));
  reader_->Follow();
  EXPECT_THAT(Latest("db"), Contains(Pair("ktm_status{}", 0)));
  EXPECT_THAT(Latest("db"),
              Contains(Pair("ktm_reason_info{reason=\"bad_interval\"}", 1)));
}

TEST_F(KernelReaderTest, DeathsAreLoggedAndLeaveTheirNumbers) {
  Open({{.container_name = "db"}});
  kernel::KernelEvent e;
  e.kind = kernel::KernelEvent::Kind::kOomVictim;
  e.pid = 7;
  e.comm = "db";
  e.anon_bytes = 8192;
  seen_.events.push_back(e);
  e.kind = kernel::KernelEvent::Kind::kExitBySignal;
  e.signal = 9;
  e.anon_bytes.reset();
  seen_.events.push_back(e);
  e.target = 5;  // no row
  seen_.events.push_back(e);
  const LogCapture log;
  reader_->Start();
  ASSERT_TRUE(loop_.RunUntil([&] { return recorded_ == 1; }));
  EXPECT_THAT(log.Lines("OOM victim"), SizeIs(1));
  EXPECT_THAT(log.Lines("a signal ended"), SizeIs(1));
  EXPECT_THAT(Latest("db"), Contains(Pair("ktm_last_exit_signal{}", 9)));
}

TEST_F(KernelReaderTest, WithoutTargetsThereIsNothing) {
  Open({});
  reader_->Start();
  EXPECT_THAT(recording_.Latest(), IsEmpty());
}

}  // namespace
}  // namespace fodc::collect
