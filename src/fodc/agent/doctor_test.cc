// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fodc/base/file.h"
#include "fodc/base/file_testing.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A kernel that answers as it is told.
class FakeKernel final : public kernel::KernelView {
 public:
  // Everything that is asked for is there.
  FakeKernel() {
    types.victim_is_task = true;
    types.has_rdonly_cast = true;
    for (const kernel::KernelAnswer& a : kernel::ExamineKernel(*this)) {
      std::string_view what = a.what;
      if (ConsumePrefix(&what, "tracepoint "))
        types.tracepoints.emplace_back(what);
    }
  }
  Result<kernel::KernelTypes> Types() const override {
    if (!has_types) return Unimplemented("no type information");
    return types;
  }
  Status MayLoad() const override { return may; }
  std::uint32_t PidMax() const override { return pid_max; }

  kernel::KernelTypes types;
  bool has_types = true;
  Status may;
  std::uint32_t pid_max = 32768;
};

class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() {
    Put("proc/self/status", "CapEff:\t000001ffffffffff\n");
    Put("proc/self/mountinfo",
        "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    Put("proc/pressure/memory", "some avg10=0.00 avg60=0.00 total=0\n");
    Put("sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
    // The owner of the port that is scraped by default, in a group of its own.
    Put("proc/net/tcp",
        "  sl  local_address rem_address   st ...\n 0: 0100007F:0849 "
        "00000000:0000 0A 0:0 0:0 0 1000 0 77 1 0\n");
    Put("proc/42/stat",
        "42 (db) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 500 8192 1 0\n");
    Put("proc/42/comm", "db\n");
    Put("proc/42/cgroup", "0::/db\n");
    Put("proc/42/statm", "1000 1000 0 0 0 0 0\n");
    Put("proc/meminfo", "MemTotal: 16777216 kB\n");
    Put("sys/fs/cgroup/db/memory.max", "1048576000\n");
    Put("sys/fs/cgroup/db/memory.current", "209715200\n");
    Put("sys/fs/cgroup/db/memory.stat",
        "inactive_file 0\nactive_file 0\nslab_reclaimable 0\n");
    Put("sys/fs/cgroup/db/cgroup.procs", "42\n");
    EXPECT_THAT(MakeDirectories(tree_.File("proc/42/fd")), IsOk());
    EXPECT_EQ(::symlink("socket:[77]", tree_.File("proc/42/fd/3").c_str()), 0);
  }
  void Put(const std::string& path, const std::string& text) const {
    WriteTree(tree_.path(), {{path, text}});
  }
  Diagnosis Look() const {
    return Examine(options_, *Check(options_), kernel_,
                   {.proc_root = tree_.File("proc"), .sys_root = tree_.path()});
  }

  TempDirectory tree_;
  FakeKernel kernel_;
  Options options_;
};

TEST_F(DoctorTest, AKernelThatAllowsAllIsFull) {
  const Diagnosis d = Look();
  EXPECT_EQ(d.health, Health::kFull) << DiagnosisText(d);
  EXPECT_THAT(DiagnosisText(d), Not(HasSubstr("MISSING")));
  EXPECT_THAT(DiagnosisText(d), HasSubstr("an array by thread id, 524288"));
}

TEST_F(DoctorTest, SaysWhereTheFirstResponseStands) {
  EXPECT_THAT(DiagnosisText(Look()),
              HasSubstr("ok       first response: armed: would capture pid 42 "
                        "(db) at 750 MiB of 1000 MiB; it has 200 MiB"));
  options_.capture.dir = tree_.File("proc/meminfo/events");
  EXPECT_THAT(DiagnosisText(Look()),
              HasSubstr("MISSING  --pressure-profiler-dir"));
  options_.capture.enabled = false;
  EXPECT_THAT(DiagnosisText(Look()), HasSubstr("first response: switched off"));
}

TEST_F(DoctorTest, WithoutPermissionThereIsNothing) {
  kernel_.may = PermissionDenied("CAP_BPF missing");
  Put("proc/self/status", "CapEff:\t0\n");
  const Diagnosis d = Look();
  EXPECT_EQ(d.health, Health::kNot);
  EXPECT_THAT(DiagnosisText(d),
              HasSubstr("MISSING  permission to load programs: CAP_BPF missing"
                        "\n         -> run with CAP_BPF and CAP_PERFMON"));
  // Once.
  EXPECT_THAT(DiagnosisText(d), Not(HasSubstr("for kernel telemetry")));
}

TEST_F(DoctorTest, WithoutTypesThereIsNothing) {
  kernel_.has_types = false;
  EXPECT_EQ(Look().health, Health::kNot);
  EXPECT_THAT(DiagnosisText(Look()), HasSubstr("CONFIG_DEBUG_INFO_BTF"));
}

TEST_F(DoctorTest, WithoutATracepointOrACgroupMountItIsPartly) {
  std::erase(kernel_.types.tracepoints, "block_rq_issue");
  EXPECT_EQ(Look().health, Health::kPartly);
  EXPECT_THAT(DiagnosisText(Look()),
              HasSubstr("MISSING  tracepoint block_rq_issue"));
  kernel_.types = FakeKernel().types;
  Put("proc/self/mountinfo", "30 24 0:26 / / rw - ext4 x rw\n");
  EXPECT_EQ(Look().health, Health::kPartly);
  EXPECT_THAT(DiagnosisText(Look()), HasSubstr("MISSING  cgroup v2"));
}

TEST_F(DoctorTest, WhatWasRefusedWhenTriedCounts) {
  TriedFamilies tried;
  for (kernel::FamilyState& f : tried) f.on = true;
  const auto look = [&] {
    return Examine(options_, *Check(options_), kernel_,
                   {.proc_root = tree_.File("proc"), .sys_root = tree_.path()},
                   tried);
  };
  EXPECT_EQ(look().health, Health::kFull) << DiagnosisText(look());
  kernel::FamilyState& block =
      tried[static_cast<std::size_t>(kernel::Family::kBlock)];
  block = {.on = true, .reason = "refused", .detail = "block_rq_issue: EINVAL"};
  EXPECT_EQ(look().health, Health::kPartly);
  EXPECT_THAT(DiagnosisText(look()),
              HasSubstr("MISSING  programs of family block: some are refused: "
                        "refused (block_rq_issue: EINVAL)"));
  for (kernel::FamilyState& f : tried)
    f = {.on = false, .reason = "no_memory", .detail = "memlock"};
  EXPECT_EQ(look().health, Health::kNot);
}

TEST_F(DoctorTest, TellsByWhatTheTargetIsCounted) {
  EXPECT_THAT(DiagnosisText(Look()),
              HasSubstr(StrCat("ok       target :2121: pid 42 (db), counted by "
                               "cgroup ",
                               tree_.File("sys/fs/cgroup/db"))));
  // Somebody else is there: it is no lack of the machine.
  Put("sys/fs/cgroup/db/cgroup.procs", "42\n0\n");
  EXPECT_THAT(DiagnosisText(Look()),
              HasSubstr("MISSING  target :2121: pid 42 (db), counted by "
                        "process: foreign_process\n         -> docs/"));
  EXPECT_EQ(Look().health, Health::kFull);
  // From a cgroup namespace, where nothing shows its group.
  Put("proc/42/cgroup", "0::/../db\n");
  EXPECT_THAT(DiagnosisText(Look()),
              HasSubstr("counted by process: no_cgroup2"));
  options_.poll_metrics_ports = {"2122"};
  options_.container_names = {"data"};
  EXPECT_THAT(
      DiagnosisText(Look()),
      HasSubstr("MISSING  target data :2122: nothing listens on the port"));
  EXPECT_EQ(Look().health, Health::kFull);
}

TEST_F(DoctorTest, TellsWhetherTheNamedGroupIsThere) {
  options_.ktm_cgroup_path = "none";
  EXPECT_THAT(DiagnosisText(Look()), HasSubstr("not counted: cgroup_path"));
  EXPECT_THAT(DiagnosisText(Look()),
              HasSubstr("MISSING  the group of --ktm-cgroup-path: no cgroup "
                        "(v2) is at none"));
  EXPECT_EQ(Look().health, Health::kPartly);
  // Also where nothing else tells the target.
  options_.poll_metrics_ports = {"2122"};
  EXPECT_THAT(DiagnosisText(Look()), HasSubstr("not counted: cgroup_path"));
  options_.ktm_cgroup_path = "db";
  EXPECT_THAT(DiagnosisText(Look()),
              HasSubstr("ok       target :2122: whoever is in "
                        "--ktm-cgroup-path, counted by cgroup"));
  EXPECT_EQ(Look().health, Health::kFull);
}

TEST_F(DoctorTest, SwitchedOffIsNot) {
  // All that is off for the agent.
  for (const char* off : {"false", "False", "0", "f", "F"}) {
    options_.ktm_enabled = off;
    EXPECT_EQ(Look().health, Health::kNot) << off;
    EXPECT_THAT(DiagnosisText(Look()), HasSubstr("MISSING  kernel telemetry"));
  }
  options_.ktm_enabled = "auto";
  EXPECT_EQ(Look().health, Health::kFull);
  options_.ktm_interval = std::chrono::seconds(0);
  EXPECT_EQ(Look().health, Health::kNot);
  EXPECT_THAT(DiagnosisText(Look()),
              HasSubstr("-> start the agent with a --ktm-interval above 0\n"));
}

TEST_F(DoctorTest, LockdownForConfidentialityForbidsIt) {
  Put("sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
  EXPECT_EQ(Look().health, Health::kNot);
  EXPECT_THAT(DiagnosisText(Look()), HasSubstr("lockdown=integrity"));
}

TEST_F(DoctorTest, TellsWhatIsKeptOfCallsInFlight) {
  kernel_.pid_max = 4 << 20;
  EXPECT_THAT(DiagnosisText(Look()), HasSubstr("task storage"));
}

TEST_F(DoctorTest, WhatOnlyOtherFeaturesWantDoesNotCount) {
  // Without CAP_SYS_PTRACE and PSI.
  Put("proc/self/status", "CapEff:\t000000c000000004\n");
  std::filesystem::remove_all(tree_.File("proc/pressure"));
  EXPECT_EQ(Look().health, Health::kFull);
  EXPECT_THAT(DiagnosisText(Look()),
              HasSubstr("MISSING  pressure stall information"));
  EXPECT_THAT(DiagnosisText(Look()), HasSubstr("CAP_SYS_PTRACE missing"));
  EXPECT_THAT(DiagnosisText(Look()), Not(HasSubstr("ports below 1024")));
  options_.prometheus_listen_addr = ":90";
  EXPECT_THAT(DiagnosisText(Look()),
              HasSubstr("MISSING  capabilities for ports below 1024"));
}

TEST_F(DoctorTest, JsonHasTheSame) {
  kernel_.may = PermissionDenied("CAP_BPF \"missing\"");
  const auto j = nlohmann::json::parse(DiagnosisJson(Look()));
  EXPECT_EQ(j["kernel_telemetry"], "not");
  EXPECT_EQ(j["answers"].size(), Look().answers.size());
  EXPECT_TRUE(
      std::any_of(j["answers"].begin(), j["answers"].end(), [](const auto& a) {
        return !a["ok"] && a["detail"] == "CAP_BPF \"missing\"";
      }));
}

TEST(DoctorOnThisMachineTest, EndsWithTheCodeOfWhatItSays) {
  const Diagnosis d = Examine(Options(), *Check(Options()),
                              kernel::SystemKernel(), Surroundings());
  const Status may = kernel::SystemKernel().MayLoad();
  const bool is_possible = may.ok() && kernel::SystemKernel().Types().ok();
  EXPECT_EQ(d.health != Health::kNot, is_possible) << DiagnosisText(d);
}

// Where all tracepoints are and loading is permitted, a try finds nothing else.
TEST(DoctorOnThisMachineTest, TheTryAgreesWithWhatWasAsked) {
  const kernel::KernelView& kernel = kernel::SystemKernel();
  if (!kernel.MayLoad().ok()) {
    std::puts("SKIPPED: loading programs is not permitted");
    GTEST_SKIP();
  }
  const Checked checked = *Check(Options());
  const Diagnosis asked = Examine(Options(), checked, kernel, Surroundings());
  const Diagnosis tried =
      Examine(Options(), checked, kernel, Surroundings(), TryFamilies());
  EXPECT_EQ(tried.health, asked.health) << DiagnosisText(tried);
  EXPECT_EQ(tried.answers.size(), asked.answers.size() + kernel::kFamilies);
}

}  // namespace
}  // namespace fodc::agent
