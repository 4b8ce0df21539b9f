// SPDX-License-Identifier: Apache-2.0
// What telemetry does when the kernel refuses, with the refusal injected. What
// it does when it may is in tests/kernel.
#include "fodc/kernel/telemetry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "fodc/base/file.h"
#include "fodc/base/log_testing.h"
#include "fodc/base/strings.h"

namespace fodc::kernel {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

class RefusingKernel final : public KernelView {
 public:
  Result<KernelTypes> Types() const override {
    ++asked;
    return types;
  }
  Status MayLoad() const override { return permission; }
  std::uint32_t PidMax() const override { return 32768; }
  ProcessNamespace Namespace() const override { return space; }

  ProcessNamespace space = ProcessNamespace::kFirst;
  mutable int asked = 0;
  Result<KernelTypes> types = Unimplemented("no type information");
  Status permission;
};

class TelemetryTest : public ::testing::Test {
 protected:
  TelemetryTest() { options_.kernel = &kernel_; }
  void SetUp() override { telemetry_ = Telemetry::Create(options_, clock_); }
  void SetTarget() {
    const TargetFilter row{.name = "db", .processes = {::getpid()}};
    telemetry_->SetTargets({&row, 1});
  }
  TargetReading Read() { return telemetry_->Collect(&events_).at(0); }

  FakeClock clock_;
  RefusingKernel kernel_;
  TelemetryOptions options_;
  std::unique_ptr<Telemetry> telemetry_;
  std::vector<KernelEvent> events_;
};

TEST_F(TelemetryTest, AsksTheKernelNothingWithoutATarget) {
  telemetry_->SetTargets({});
  EXPECT_TRUE(telemetry_->Collect(&events_).empty());
  EXPECT_EQ(kernel_.asked, 0);
  for (const FamilyState& family : telemetry_->overview().families) {
    EXPECT_FALSE(family.on);
    EXPECT_EQ(family.reason, "no_target");
  }
}

TEST_F(TelemetryTest, TellsThatThereIsNoTypeInformation) {
  SetTarget();
  const TargetReading r = Read();
  EXPECT_EQ(r.state, FilterState::kOff);
  EXPECT_EQ(r.reason, "no_program");
  EXPECT_FALSE(r.read || r.write || r.cache || r.policy || r.memory ||
               r.faults || r.block || r.sched || r.death);
  for (const FamilyState& family : telemetry_->overview().families) {
    EXPECT_FALSE(family.on);
    EXPECT_EQ(family.reason, "no_btf");
    EXPECT_THAT(family.detail, HasSubstr("no type information"));
  }
  EXPECT_EQ(telemetry_->overview().map_bytes, 0u);
}

TEST_F(TelemetryTest, TellsThatThereIsNoPermission) {
  kernel_.permission = PermissionDenied("CAP_BPF missing");
  const LogCapture log;
  SetTarget();
  (void)Read();
  EXPECT_THAT(log.Lines("follows a target"), IsEmpty());
  const FamilyState& read = telemetry_->overview().families[0];
  EXPECT_EQ(read.reason, "no_permission");
  EXPECT_THAT(read.detail, HasSubstr("CAP_BPF missing"));
  EXPECT_EQ(kernel_.asked, 0);
}

TEST_F(TelemetryTest, IsOffWhereProcShowsOtherProcesses) {
  kernel_.space = ProcessNamespace::kNotOurs;
  telemetry_ = Telemetry::Create(options_, clock_);
  const LogCapture log;
  SetTarget();
  SetTarget();
  EXPECT_THAT(log.Lines("pid_namespace"), SizeIs(1));
  EXPECT_EQ(Read().state, FilterState::kOff);
  EXPECT_EQ(Read().reason, "pid_namespace");
  EXPECT_EQ(kernel_.asked, 0);
}

TEST_F(TelemetryTest, TriesAgainOnceTheIntervalHasPassed) {
  SetTarget();
  EXPECT_EQ(kernel_.asked, 1);
  clock_.Advance(options_.retry_interval - 1ns);
  SetTarget();
  EXPECT_EQ(kernel_.asked, 1);
  clock_.Advance(1ns);
  SetTarget();
  EXPECT_EQ(kernel_.asked, 2);
  SetTarget();
  EXPECT_EQ(kernel_.asked, 2);
}

TEST_F(TelemetryTest, LeavesDisabledFamiliesAlone) {
  options_.disabled_families = FamilyBit(Family::kRead);
  telemetry_ = Telemetry::Create(options_, clock_);
  SetTarget();
  EXPECT_EQ(telemetry_->overview().families[0].reason, "disabled");
  EXPECT_EQ(telemetry_->overview().families[1].reason, "no_btf");
}

TEST_F(TelemetryTest, LeavesRowsBeyondTheMostOut) {
  const std::vector<TargetFilter> rows(3);
  telemetry_->SetTargets(rows);
  EXPECT_EQ(telemetry_->Collect(&events_).size(), 1u);
}

// A machine of files: /proc and one cgroup2 mount.
class TelemetryLifeTest : public TelemetryTest {
 protected:
  void SetUp() override {
    options_.proc_root = root_.File("proc");
    Write("proc/self/mountinfo", StrCat("30 20 0:26 / ", root_.File("cg"),
                                        " rw - cgroup2 cgroup2 rw\n"));
    Write("cg/db/cgroup.procs", "");
    TelemetryTest::SetUp();
  }
  void Write(const std::string& name, const std::string& text) {
    const std::string path = root_.File(name);
    FODC_CHECK(MakeDirectories(path.substr(0, path.rfind('/'))).ok());
    FODC_CHECK(WriteFileAtomically(path, text).ok());
  }
  std::uint64_t LifeWith(std::vector<pid_t> processes) {
    const TargetFilter row{.name = "db", .processes = std::move(processes)};
    telemetry_->SetTargets({&row, 1});
    return Read().life;
  }

  TempDirectory root_;
};

TEST_F(TelemetryLifeTest, AProcessThatHasJustDiedIsNoOtherContainer) {
  Write("proc/10/cgroup", "0::/db\n");
  EXPECT_EQ(LifeWith({10}), 1u);
  // The table has not heard of its end yet.
  std::filesystem::remove_all(root_.File("proc/10"));
  EXPECT_EQ(LifeWith({10}), 1u);
  Write("proc/11/cgroup", "0::/db\n");
  EXPECT_EQ(LifeWith({11}), 1u);
  Write("cg/other/cgroup.procs", "");
  Write("proc/12/cgroup", "0::/other\n");
  EXPECT_EQ(LifeWith({12}), 2u);
}

// As in a container where no volume shows the host's groups: each process is
// looked for below its own root.
TEST_F(TelemetryLifeTest, ARestartInAContainerThatStaysHasNoOtherLife) {
  Write("pod/cg/cgroup.procs", "");
  for (const pid_t pid : {10, 11}) {
    const std::string process = StrCat("proc/", pid);
    Write(process + "/cgroup", "0::/../db\n");
    Write(process + "/stat",
          StrCat(pid, " (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 1 0\n"));
    Write(process + "/mountinfo",
          "51 50 0:26 /../db /cg ro - cgroup2 cgroup2 rw\n");
    std::filesystem::create_directory_symlink(root_.File("pod"),
                                              root_.File(process + "/root"));
  }
  EXPECT_EQ(LifeWith({10}), 1u);
  std::filesystem::remove_all(root_.File("proc/10"));
  EXPECT_EQ(LifeWith({}), 1u);
  EXPECT_EQ(LifeWith({11}), 1u);
  // The container made anew.
  std::filesystem::rename(root_.File("pod/cg"), root_.File("pod/old"));
  Write("pod/cg/cgroup.procs", "");
  EXPECT_EQ(LifeWith({}), 1u);
  EXPECT_EQ(LifeWith({11}), 1u) << "the same process, moved";
  std::filesystem::rename(root_.File("proc/11"), root_.File("proc/12"));
  Write("proc/12/stat",
        "12 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9 1 0\n");
  std::filesystem::rename(root_.File("pod/cg"), root_.File("pod/older"));
  Write("pod/cg/cgroup.procs", "");
  EXPECT_EQ(LifeWith({12}), 2u);
}

TEST_F(TelemetryLifeTest, AForcedGroupMadeAnewHasAnotherLife) {
  options_.cgroup_path = "/db";
  telemetry_ = Telemetry::Create(options_, clock_);
  // Its process is elsewhere, and stays.
  Write("proc/10/cgroup", "0::/other\n");
  Write("proc/10/stat",
        "10 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 1 0\n");
  EXPECT_EQ(LifeWith({10}), 1u);
  EXPECT_EQ(LifeWith({10}), 1u);
  std::filesystem::rename(root_.File("cg/db"), root_.File("cg/old"));
  Write("cg/db/cgroup.procs", "");
  EXPECT_EQ(LifeWith({10}), 2u);
}

TEST_F(TelemetryLifeTest, AProcessThatIsMovedHasNoOtherLife) {
  const auto start = [this](int ticks) {
    Write("proc/10/stat",
          StrCat("10 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 ", ticks,
                 " 1 0\n"));
  };
  start(500);
  Write("proc/10/cgroup", "0::/db\n");
  EXPECT_EQ(LifeWith({10}), 1u);
  Write("cg/db/below/cgroup.procs", "");
  Write("proc/10/cgroup", "0::/db/below\n");
  EXPECT_EQ(LifeWith({10}), 1u);
  Write("cg/other/cgroup.procs", "");
  Write("proc/10/cgroup", "0::/other\n");
  EXPECT_EQ(LifeWith({10}), 1u);
  // Another process of the number.
  start(600);
  Write("proc/10/cgroup", "0::/db\n");
  EXPECT_EQ(LifeWith({10}), 2u);
}

}  // namespace
}  // namespace fodc::kernel
