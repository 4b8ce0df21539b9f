// SPDX-License-Identifier: Apache-2.0
// Who counts as the target beside its instance.
#include "fodc/target/table_testing.h"

namespace fodc::target {
namespace {

using ::testing::ElementsAre;

class ProcessesTest : public TableTest {
 protected:
  // Makes the groups of the memory controller visible.
  void Mount() {
    ASSERT_THAT(MakeDirectories(tree_.File("self")), IsOk());
    ASSERT_THAT(WriteFileAtomically(tree_.File("self/mountinfo"),
                                    StrCat("30 20 0:30 / ", tree_.File("cg"),
                                           " rw - cgroup cgroup rw,memory\n")),
                IsOk());
  }
  void SetMembers(const std::string& group, const std::string& pids) {
    const std::string directory = tree_.File("cg") + group;
    ASSERT_THAT(MakeDirectories(directory), IsOk());
    ASSERT_THAT(WriteFileAtomically(directory + "/cgroup.procs", pids), IsOk());
  }
  std::vector<pid_t> Processes(const TargetSpec& spec) {
    Table(spec);
    Check();
    return table_->Processes(0);
  }
};

const TargetSpec kByPort = {.endpoint_ports = {2121}};
const TargetSpec kByComm = {.comm_prefix = "d"};

TEST_F(ProcessesTest, ThoseOfItsNameInItsContainerCount) {
  Listen({{2121, 1}});
  Start({.pid = 10, .sockets = {1}});
  Start({.pid = 11});
  Start({.pid = 12, .comm = "db2"});
  Start({.pid = 13, .container = "/pod/two"});
  EXPECT_THAT(Processes(kByPort), ElementsAre(10, 11));
  EXPECT_THAT(Processes(kByComm), ElementsAre(10, 11, 12));
  EXPECT_THAT(Processes({.pid = 10}), ElementsAre(10));
  End(10);
  Listen({});
  EXPECT_THAT(Processes(kByPort), ElementsAre());
}

// A machine may have thousands of processes, and its kernel tells which are in
// a group.
TEST_F(ProcessesTest, AreThoseThatTheGroupLists) {
  Mount();
  SetMembers("/pod/one", "11\n10\n0\n12\n14\n");
  Start({.pid = 10, .started_s = 400});
  // Nobody looks into which group each of them is.
  Start({.pid = 11, .container = "/not/asked"});
  Start({.pid = 12, .comm = "mesh"});
  Start({.pid = 13});  // moved meanwhile: not listed any more
  EXPECT_THAT(Processes(kByComm), ElementsAre(10, 11));
}

TEST_F(ProcessesTest, InTheRootThoseOfAGivenNameCount) {
  Mount();
  SetMembers("", "10\n11\n");
  Listen({{2121, 1}});
  Start({.pid = 10, .container = "/", .sockets = {1}});
  Start({.pid = 11, .container = "/"});
  Start({.pid = 12, .container = "/pod/two"});
  EXPECT_THAT(Processes(kByPort), ElementsAre(10));
  EXPECT_THAT(Processes(kByComm), ElementsAre(10, 11));
}

}  // namespace
}  // namespace fodc::target
