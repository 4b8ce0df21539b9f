// SPDX-License-Identifier: Apache-2.0
// As in Kubernetes: agent and target share a process namespace that is not the
// kernel's first one, and each has a cgroup, a cgroup namespace and mounts of
// its own.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "fodc/base/file.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "tests/kernel/group.h"
#include "tests/support/http.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"
#include "tests/support/wait.h"

namespace fodc::test {
namespace {

using ::testing::HasSubstr;

// What a container is given of cgroups: its own group alone.
constexpr char kOwnCgroups[] =
    "umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && ";

// Of ktm_status.
constexpr double kByProcess = 1;
constexpr double kByCgroup = 2;

class PodTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      std::puts("SKIPPED: needs root to load programs");
      GTEST_SKIP();
    }
    if (!Cgroup2Root().starts_with("/sys/fs/cgroup")) {
      std::puts("SKIPPED: no cgroup2 is mounted below /sys/fs/cgroup");
      GTEST_SKIP();
    }
    pod_ = std::make_unique<Group>("fodc_pod");
    db_ = std::make_unique<Group>("db", pod_->path());
    agent_ = std::make_unique<Group>("agent", pod_->path());
    ASSERT_TRUE(WriteFileAtomically(dir_.File("data"), "a line\n").ok());
    port_ = FreePort();
  }
  // The target is process 2 of the pod, as its process namespace counts; the
  // kernel's own process 2 is a thread of the kernel. `mounts`: what the
  // agent's container has beside its own cgroup; `cgroups`: what the target's
  // is given.
  void Start(const std::string& mounts,
             const std::string& cgroups = kOwnCgroups) {
    const std::string db = StrCat(cgroups, "exec sh -c 'while read -r l < ",
                                  dir_.File("data"), "; do sleep 0.01; done'");
    const std::string agent = StrCat(
        mounts, kOwnCgroups, "exec ", ProgramPath("fodc-agent"),
        " --target-pid=2 --proxy-addr= --ktm-interval=200ms"
        " --poll-metrics-interval=200ms"
        " --pressure-profiler-enabled=true --pressure-profiler-dir=",
        dir_.File("events"), " --prometheus-listen-addr=127.0.0.1:", port_,
        " --diagnosis-listen-addr=127.0.0.1:", port_);
    const auto in = [](const Group& group, const std::string& what) {
      return StrCat("echo 0 > ", group.path(),
                    "/cgroup.procs && exec unshare --cgroup --mount sh -c \"",
                    what, "\"");
    };
    process_ = Process::Start(
        {.name = "pod",
         .argv = {FindProgram("unshare"), "--pid", "--fork", "--kill-child",
                  "--mount", "--mount-proc", "sh", "-c",
                  StrCat("( ", in(*db_, db), " ) & ", in(*agent_, agent))},
         .env = {},
         .log_path = dir_.File("pod.log"),
         .stdout_path = ""});
  }
  double Shown(const std::string& name) const {
    return ValueOf(Get(StrCat("http://127.0.0.1:", port_, "/metrics")).body,
                   name);
  }
  void ExpectCounted(double status) {
    EXPECT_TRUE(WaitUntil([&] { return Shown("ktm_status") == status; }, 20s))
        << process_.Log();
    const double reads = Shown("ktm_sys_read_latency_seconds_count");
    EXPECT_TRUE(WaitUntil(
        [&] {
          return Shown("ktm_sys_read_latency_seconds_count") >= reads + 20;
        },
        20s))
        << process_.Log();
  }

  const TempDirectory dir_;
  std::unique_ptr<Group> pod_;
  std::unique_ptr<Group> db_;
  std::unique_ptr<Group> agent_;
  std::uint16_t port_ = 0;
  Process process_;
};

TEST_F(PodTest, CountsByCgroupThroughTheTargetsOwnMount) {
  Start("");
  ExpectCounted(kByCgroup);
  EXPECT_THAT(process_.Log(), HasSubstr("cgroup=/proc/2/root/sys/fs/cgroup"));
}

TEST_F(PodTest, CountsByCgroupUnderAMountOfTheHosts) {
  ASSERT_TRUE(MakeDirectories(dir_.File("host")).ok());
  Start(StrCat("mount --rbind /sys/fs/cgroup ", dir_.File("host"), " && "));
  ExpectCounted(kByCgroup);
  EXPECT_THAT(process_.Log(), HasSubstr("/fodc_pod/db"));
  EXPECT_THAT(process_.Log(), HasSubstr("cgroup=" + dir_.File("host")));
}

// The kernel's own number of the process is another one than the agent's.
TEST_F(PodTest, CountsByProcessWhereNoMountShowsTheGroup) {
  Start("", "umount -R /sys/fs/cgroup && ");
  ExpectCounted(kByProcess);
  EXPECT_THAT(process_.Log(), HasSubstr("reason=no_cgroup2"));
}

// The agent is no parent of it, and the number that the kernel tells is not the
// one that the agent knows it by.
TEST_F(PodTest, TheKernelTellsHowTheTargetEnded) {
  Start("");
  ExpectCounted(kByCgroup);
  const auto pids = ReadFile(StrCat(db_->path(), "/cgroup.procs"));
  ASSERT_TRUE(pids.ok());
  std::istringstream lines(*pids);
  bool is_killed = false;
  for (pid_t pid = 0; lines >> pid;) {
    const auto stat = ReadProcessStat("/proc", pid);
    if (stat.ok() && stat->comm == "sh")
      is_killed = ::kill(pid, SIGSEGV) == 0 || is_killed;
  }
  ASSERT_TRUE(is_killed);
  std::string meta;
  EXPECT_TRUE(WaitUntil(
      [&] {
        const auto events = ListDirectory(dir_.File("events"));
        if (!events.ok()) return false;
        for (const std::string& event : *events) {
          const auto text =
              ReadFile(StrCat(dir_.File("events"), "/", event, "/meta.json"));
          if (!text.ok()) continue;
          meta = *text;
          const auto read = nlohmann::json::parse(meta, nullptr, false);
          if (read.value("death", nlohmann::json::object())
                  .value("signal", 0) == SIGSEGV) {
            return true;
          }
        }
        return false;
      },
      20s))
      << meta << process_.Log();
}

}  // namespace
}  // namespace fodc::test
