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
    return table_->Processes()[0];
  }
  std::vector<std::vector<pid_t>> ProcessesOf(std::vector<TargetSpec> specs) {
    TableOf(std::move(specs));
    Check();
    return table_->Processes();
  }
};

const TargetSpec kByPort = {.endpoint_ports = {2121}};
const TargetSpec kByOtherPort = {.endpoint_ports = {2122}};
const TargetSpec kByComm = {.comm_prefix = "d"};

TEST_F(ProcessesTest, OfANameAreAllOfItInTheContainer) {
  Listen({{2121, 1}});
  Start({.pid = 10, .sockets = {1}});
  Start({.pid = 11});
  Start({.pid = 12, .comm = "db2"});
  Start({.pid = 13, .container = "/pod/two"});
  Start({.pid = 14, .comm = "mesh"});
  Start({.pid = 15, .comm = "sh", .parent = 12});
  EXPECT_THAT(Processes(kByComm), ElementsAre(10, 11, 12, 15));
  EXPECT_THAT(Processes({.endpoint_ports = {1}, .fallback_comm_prefix = "db2"}),
              ElementsAre(12, 15));
  End(10);
  Listen({});
  EXPECT_THAT(Processes(kByPort), ElementsAre());
}

TEST_F(ProcessesTest, OfAPidAreThatAndItsDescendants) {
  Start({.pid = 10});
  Start({.pid = 11});
  Start({.pid = 12, .comm = "sh", .parent = 10});
  Start({.pid = 13, .comm = "cp", .parent = 12});
  Start({.pid = 14, .parent = 10, .container = "/pod/two"});
  Start({.pid = 15, .comm = "mv", .parent = 14});
  EXPECT_THAT(Processes({.pid = 10}), ElementsAre(10, 12, 13, 15));
}

// Workers that were forked before, by a parent that does not listen.
TEST_F(ProcessesTest, OfAPortAreThoseThatShareTheSocket) {
  Listen({{2121, 1}});
  Start({.pid = 10, .sockets = {7, 1}});
  Start({.pid = 11, .sockets = {1}});
  Start({.pid = 12, .sockets = {8}});
  Start({.pid = 13, .comm = "sh", .parent = 11});
  Start({.pid = 14, .comm = "inetd", .sockets = {1}});
  EXPECT_THAT(Processes(kByPort), ElementsAre(10, 11, 13));
  // One that is forked later, and a number that is used again.
  Start({.pid = 16, .sockets = {1}});
  Start({.pid = 11, .started_s = 900, .sockets = {2}});
  EXPECT_THAT(table_->Processes()[0], ElementsAre(10, 16));
}

TEST_F(ProcessesTest, TwoInstancesInOneContainerAreApart) {
  Listen({{2121, 1}, {2122, 2}});
  Start({.pid = 10, .sockets = {1}});
  Start({.pid = 11, .sockets = {2}});
  Start({.pid = 12, .parent = 11});
  const std::vector<pid_t> first = {10};
  const std::vector<pid_t> second = {11, 12};
  EXPECT_THAT(ProcessesOf({kByPort, kByOtherPort}), ElementsAre(first, second));
  // Each by an agent of its own.
  EXPECT_THAT(Processes(kByPort), ElementsAre(10));
  EXPECT_THAT(Processes(kByOtherPort), ElementsAre(11, 12));
  // A name does not take what another row has found.
  EXPECT_THAT(ProcessesOf({{.comm_prefix = "db", .endpoint_ports = {2121}},
                           kByOtherPort}),
              ElementsAre(first, second));
}

TEST_F(ProcessesTest, ADescendantIsOfTheNearestRowAboveIt) {
  Listen({{2121, 1}, {2122, 2}});
  Start({.pid = 10, .sockets = {1}});
  Start({.pid = 11, .parent = 10});
  Start({.pid = 12, .parent = 11, .sockets = {2}});
  Start({.pid = 13, .comm = "sh", .parent = 12});
  const std::vector<pid_t> first = {10, 11};
  const std::vector<pid_t> second = {12, 13};
  EXPECT_THAT(ProcessesOf({kByPort, kByOtherPort}), ElementsAre(first, second));
}

TEST_F(ProcessesTest, WhatTwoRowsFindIsOfTheFirst) {
  Listen({{2121, 1}, {2122, 2}});
  Start({.pid = 10, .sockets = {1, 2}});
  Start({.pid = 11, .sockets = {1, 2}});
  const std::vector<pid_t> first = {10, 11};
  const std::vector<pid_t> second = {};
  EXPECT_THAT(ProcessesOf({kByPort, kByOtherPort}), ElementsAre(first, second));
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
  EXPECT_THAT(Processes({.fallback_comm_prefix = "db"}), ElementsAre());
  End(12);
  EXPECT_THAT(Processes({.fallback_comm_prefix = "db"}), ElementsAre(10));
}

}  // namespace
}  // namespace fodc::target
