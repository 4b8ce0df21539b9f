// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/scope.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::kernel {
namespace {

// A machine of files: /proc and one cgroup2 mount.
class ScopeTest : public ::testing::Test {
 protected:
  ScopeTest() {
    options_.proc_root = root_.File("proc");
    options_.sys_root = root_.path();
    Write("proc/self/mountinfo", "30 20 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
    FODC_CHECK(MakeDirectories(root_.File("cg")).ok());
  }

  void Write(const std::string& name, const std::string& text) {
    const std::string path = root_.File(name);
    FODC_CHECK(MakeDirectories(path.substr(0, path.rfind('/'))).ok());
    FODC_CHECK(WriteFileAtomically(path, text).ok());
  }
  void AddProcess(pid_t pid, pid_t parent, const std::string& group) {
    Write(StrCat("proc/", pid, "/cgroup"), StrCat("0::", group, "\n"));
    Write(StrCat("proc/", pid, "/stat"),
          StrCat(pid, " (x) S ", parent,
                 " 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n"));
  }
  void SetMembers(const std::string& group, const std::string& pids) {
    Write(StrCat("cg", group, "/cgroup.procs"), pids);
  }
  Scope Find(std::vector<pid_t> processes, std::vector<pid_t> all = {}) {
    return FindScope(processes, all, options_);
  }
  std::uint64_t Inode(const std::string& name) {
    struct stat s {};
    FODC_CHECK(::stat(root_.File(name).c_str(), &s) == 0);
    return s.st_ino;
  }

  TempDirectory root_;
  ScopeOptions options_;
};

TEST_F(ScopeTest, TakesAGroupThatHoldsTheTargetAlone) {
  AddProcess(10, 1, "/db");
  SetMembers("/db", "10\n");
  const Scope scope = Find({10});
  EXPECT_EQ(scope.state, FilterState::kByCgroup);
  EXPECT_EQ(scope.reason, "");
  EXPECT_EQ(scope.cgroup_id, Inode("cg/db"));
  EXPECT_EQ(scope.container_id.inode, scope.cgroup_id);
}

TEST_F(ScopeTest, TakesDescendantsInNestedGroupsForTheTarget) {
  AddProcess(10, 1, "/db");
  AddProcess(11, 10, "/db/workers");
  AddProcess(12, 11, "/db/workers");
  SetMembers("/db", "10\n");
  SetMembers("/db/workers", "11\n12\n");
  EXPECT_EQ(Find({10}).state, FilterState::kByCgroup);
}

TEST_F(ScopeTest, LeavesAGroupWithAForeignProcessAlone) {
  AddProcess(10, 1, "/pod");
  AddProcess(20, 1, "/pod/other");
  SetMembers("/pod", "10\n");
  SetMembers("/pod/other", "20\n");
  const Scope scope = Find({10});
  EXPECT_EQ(scope.state, FilterState::kByThreadGroup);
  EXPECT_EQ(scope.reason, "foreign_process");
  EXPECT_EQ(scope.cgroup_id, 0u);
  EXPECT_EQ(scope.container_id.inode, Inode("cg/pod"));
}

TEST_F(ScopeTest, LeavesAGroupWithAnotherTargetsProcessAlone) {
  AddProcess(10, 1, "/db");
  AddProcess(11, 10, "/db");
  AddProcess(12, 11, "/db");
  SetMembers("/db", "10\n11\n12\n");
  EXPECT_EQ(Find({10}).state, FilterState::kByCgroup);
  // One that the other target descends from, and its descendant.
  EXPECT_EQ(Find({10}, {10, 11}).reason, "foreign_process");
  EXPECT_EQ(Find({11, 12}, {10, 11, 12}).reason, "foreign_process");
  SetMembers("/db", "10\n12\n");
  EXPECT_EQ(Find({10}, {10, 11}).reason, "foreign_process");
}

TEST_F(ScopeTest, TakesAProcessOfAnotherNamespaceForForeign) {
  AddProcess(10, 1, "/pod");
  SetMembers("/pod", "10\n0\n");
  EXPECT_EQ(Find({10}).reason, "foreign_process");
}

TEST_F(ScopeTest, NeverTakesTheRoot) {
  AddProcess(10, 1, "/");
  SetMembers("", "10\n");
  const Scope scope = Find({10});
  EXPECT_EQ(scope.state, FilterState::kByThreadGroup);
  EXPECT_EQ(scope.reason, "root_cgroup");
}

// In a container the agent's own mount shows its own group alone, and that of
// the target is the top of the target's mount.
TEST_F(ScopeTest, TakesTheGroupAtTheTopOfTheTargetsOwnMount) {
  AddProcess(10, 1, "/../db");
  Write("proc/10/mountinfo", "51 50 0:26 /../db /cg ro - cgroup2 cgroup2 rw\n");
  Write("proc/10/root/cg/cgroup.procs", "10\n");
  const Scope scope = Find({10});
  EXPECT_EQ(scope.state, FilterState::kByCgroup);
  EXPECT_EQ(scope.reason, "");
  EXPECT_EQ(scope.cgroup_id, Inode("proc/10/root/cg"));
}

TEST_F(ScopeTest, CountsByThreadGroupWhenTheTargetIsInSeveralGroups) {
  AddProcess(10, 1, "/a");
  AddProcess(11, 1, "/b");
  SetMembers("/a", "10\n");
  SetMembers("/b", "11\n");
  EXPECT_EQ(Find({10, 11}).reason, "several_cgroups");
}

TEST_F(ScopeTest, CountsByThreadGroupWithoutCgroup2) {
  Write("proc/self/mountinfo", "30 20 0:26 / /cg rw - cgroup cgroup rw,cpu\n");
  AddProcess(10, 1, "/db");
  const Scope scope = Find({10});
  EXPECT_EQ(scope.state, FilterState::kByThreadGroup);
  EXPECT_EQ(scope.reason, "no_cgroup2");
}

TEST_F(ScopeTest, AZombieTellsNoContainerOnVersion1) {
  Write("proc/self/mountinfo",
        "30 20 0:26 / /cg rw - cgroup cgroup rw,memory\n");
  Write("cg/db/cgroup.procs", "11\n");
  for (const pid_t pid : {10, 11}) {
    Write(StrCat("proc/", pid, "/cgroup"),
          pid == 10 ? "3:memory:/\n" : "3:memory:/db\n");
    Write(StrCat("proc/", pid, "/stat"),
          StrCat(pid, " (x) ", pid == 10 ? "Z" : "S",
                 " 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0\n"));
  }
  EXPECT_EQ(Find({10}).container_path, "");
  EXPECT_EQ(Find({10, 11}).container_path, root_.File("cg/db"));
}

TEST_F(ScopeTest, IsOffWithoutAProcess) {
  EXPECT_EQ(Find({}).state, FilterState::kOff);
  EXPECT_EQ(Find({}).reason, "no_target");
}

TEST_F(ScopeTest, FindsAForcedPathAbsoluteOrUnderTheRoot) {
  SetMembers("/a/b", "77\n");
  options_.forced_path = "a/b";
  EXPECT_EQ(Find({}).state, FilterState::kByCgroup);
  EXPECT_EQ(Find({}).cgroup_id, Inode("cg/a/b"));
  options_.forced_path = "/a/b";
  EXPECT_EQ(Find({}).cgroup_id, Inode("cg/a/b"));
  options_.forced_path = root_.File("cg/a/b");
  EXPECT_EQ(Find({}).cgroup_id, Inode("cg/a/b"));
  Write("cg/a/b/cgroup.events", "populated 1\nfrozen 0\n");
  EXPECT_EQ(Find({}).state, FilterState::kByCgroup);
  Write("cg/a/b/cgroup.events", "populated 0\nfrozen 0\n");
  EXPECT_EQ(Find({10}).state, FilterState::kOff);
  EXPECT_EQ(Find({10}).reason, "no_target");
  options_.forced_path = "a/../../proc";
  EXPECT_EQ(Find({}).reason, "cgroup_path");
  options_.forced_path = root_.File("cg/../proc");
  EXPECT_EQ(Find({}).reason, "cgroup_path");
  options_.forced_path = "a/none";
  EXPECT_EQ(Find({}).state, FilterState::kOff);
  EXPECT_EQ(Find({}).reason, "cgroup_path");
}

TEST_F(ScopeTest, KnowsWhetherAContainerIsTheSame) {
  SetMembers("/db", "10\n");
  const std::string path = root_.File("cg/db");
  AddProcess(10, 1, "/db");
  const ContainerId id = Find({10}).container_id;
  EXPECT_TRUE(ContainerLives(path, id));
  EXPECT_FALSE(ContainerLives(path, {id.device, id.inode + 1}));
  EXPECT_FALSE(ContainerLives(path, {id.device + 1, id.inode}));
  EXPECT_FALSE(ContainerLives(root_.File("cg/none"), id));
  EXPECT_FALSE(ContainerLives("", {}));
}

}  // namespace
}  // namespace fodc::kernel
