// SPDX-License-Identifier: Apache-2.0
// The table over a made-up process tree and a clock that the test moves.
#include "fodc/target/table_testing.h"

namespace fodc::target {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(TableTest, FindsByThePrefixOfTheName) {
  Start({.pid = 10, .comm = "other"});
  Start({.pid = 11, .comm = "banyand-server-", .started_s = 600});
  // The agent itself, a zombie and a kernel thread are no targets.
  Start({.pid = kAgent, .comm = "banyand-agent", .started_s = 1});
  Start({.pid = 12, .comm = "banyand-z", .started_s = 2, .state = 'Z'});
  Start({.pid = 13, .comm = "banyand-k", .started_s = 3, .virtual_bytes = 0});
  // Longer than the kernel keeps.
  Table({.comm_prefix = "banyand-server-data"});
  const Row& row = Check();
  ASSERT_TRUE(row.instance);
  EXPECT_EQ(row.instance->pid, 11);
  EXPECT_EQ(row.instance->number, 1u);
  EXPECT_EQ(row.instance->comm, "banyand-server-");
  EXPECT_EQ(ToUnixMillis(row.instance->started_at), 1767225200'000);
  EXPECT_EQ(row.candidates, 1u);
  EXPECT_THAT(row.problem, IsEmpty());
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].kind, EventKind::kAppeared);
  Check();
  EXPECT_THAT(events_, IsEmpty());
  Table({.comm_prefix = "banyand"});
  EXPECT_EQ(PidNow(), 11);
}

TEST_F(TableTest, ChoosesTheSameOfSeveralEachTime) {
  // A server with two workers, and another server that started later.
  Start({.pid = 20, .parent = 30, .started_s = 400});
  Start({.pid = 21, .parent = 30, .started_s = 400});
  Start({.pid = 30, .started_s = 401});
  Start({.pid = 15, .started_s = 700});
  Table({.comm_prefix = "db"});
  EXPECT_EQ(PidNow(), 30);
  EXPECT_EQ(table_->rows()[0].candidates, 4u);
}

TEST_F(TableTest, ThePortDecidesBetweenProcessesOfOneName) {
  Start({.pid = 10, .started_s = 100, .sockets = {7}});
  Start({.pid = 11, .started_s = 200, .sockets = {8, 9}});
  Listen({{2121, 9}});
  Table({.comm_prefix = "db", .endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 11);
}

TEST_F(TableTest, NeverTakesAnotherContainersProcessWhenThePortHasAnOwner) {
  Start({.pid = 10, .comm = "db", .container = "/pod/two"});
  Start({.pid = 11, .comm = "mesh", .container = "/pod/one", .sockets = {9}});
  Listen({{2121, 9}});
  Table({.comm_prefix = "db", .endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 0);
  EXPECT_THAT(table_->rows()[0].problem, HasSubstr("in the container"));
  Start({.pid = 12, .comm = "db", .started_s = 900, .container = "/pod/one"});
  EXPECT_EQ(PidNow(), 12);
}

TEST_F(TableTest, FindsTheOwnerOfTheScrapedPort) {
  Start({.pid = 10, .sockets = {1, 2}});
  Start({.pid = 11, .comm = "x", .sockets = {3, 4}});
  // The agent holds a socket of that number, too (inherited): never itself.
  Start({.pid = kAgent, .sockets = {4}});
  Listen({{17913, 1}, {2121, 4}});
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 11);
  Table({.endpoint_ports = {1, 17913}});
  EXPECT_EQ(PidNow(), 10);
}

// To search for owners is to read all descriptors of all processes.
TEST_F(TableTest, SearchesNoOwnerAgainAtOnceWithAnyNumberOfPorts) {
  Listen({{2121, 1}, {2122, 2}, {2123, 3}});
  Table({.endpoint_ports = {2121, 2122, 2123}});
  EXPECT_EQ(PidNow(), 0);
  Start({.pid = 10, .sockets = {1, 2, 3}});
  EXPECT_EQ(PidNow(), 0);  // the sockets are those that had no owner just now
  clock_.Advance(TableOptions().port_check_interval);
  EXPECT_EQ(PidNow(), 10);
}

TEST_F(TableTest, AScrapedPortIsTheOneOnTheLoopback) {
  Start({.pid = 10, .sockets = {1}});
  Start({.pid = 11, .sockets = {2}});
  Listen({{2121, 1, false}, {2121, 2, true}});
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 11);
}

TEST_F(TableTest, TheListeningPortComesBeforeTheScrapedOnes) {
  Start({.pid = 10, .sockets = {1}});
  Start({.pid = 11, .sockets = {2}});
  Listen({{2121, 1}, {17912, 2}});
  Table({.listen_port = 17912, .endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 11);
  Table({.listen_port = 5, .endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 0);
  EXPECT_THAT(table_->rows()[0].problem, HasSubstr("nothing listens"));
}

TEST_F(TableTest, ThePidComesFirstAndIsFollowedByTheNextRule) {
  Start({.pid = 10, .comm = "x"});
  Start({.pid = 11, .comm = "db", .started_s = 100});
  Table({.pid = 10, .comm_prefix = "db"});
  EXPECT_EQ(PidNow(), 10);
  End(10);
  // The one of the name ran all the time: it is not what died.
  EXPECT_EQ(PidNow(), 0);
  EXPECT_THAT(table_->rows()[0].problem, HasSubstr("after the last one died"));
  Start({.pid = 12, .comm = "db", .started_s = 1003});
  EXPECT_EQ(PidNow(), 12);
  EXPECT_EQ(table_->rows()[0].restarts_total, 1u);
}

// A suspended machine has a clock that stands still; processes' starts do not
// count by it.
TEST_F(TableTest, ASuspensionMakesNoSuccessorOfANeighbour) {
  ASSERT_THAT(WriteFileAtomically(tree_.File("uptime"), "6500.25 5.00\n"),
              IsOk());
  Start({.pid = 10, .comm = "x", .started_s = 6000});
  Start({.pid = 11, .comm = "db", .started_s = 6001});
  Table({.pid = 10, .comm_prefix = "db"});
  EXPECT_EQ(PidNow(), 10);
  End(10);
  EXPECT_EQ(PidNow(), 0);
  EXPECT_THAT(table_->rows()[0].problem, HasSubstr("after the last one died"));
  Start({.pid = 12, .comm = "db", .started_s = 6501});
  EXPECT_EQ(PidNow(), 12);
}

TEST_F(TableTest, APidWithoutAProcessIsToldAndWaitedFor) {
  Table({.pid = 10, .comm_prefix = "db"});
  Start({.pid = 11});
  EXPECT_EQ(PidNow(), 0);
  EXPECT_THAT(table_->rows()[0].problem, HasSubstr("no process has pid 10"));
}

TEST_F(TableTest, APidAloneIsFollowedByLikeness) {
  Start({.pid = 10});
  Table({.pid = 10});
  EXPECT_EQ(PidNow(), 10);
  End(10);
  Start({.pid = 11, .started_s = 1001.5, .command_line = "/usr/bin/db -h"});
  EXPECT_EQ(PidNow(), 0);
  Start({.pid = 12, .started_s = 1001.5});
  EXPECT_EQ(PidNow(), 12);
}

TEST_F(TableTest, ADeathIsCountedWithItsUptime) {
  Start({.pid = 10, .started_s = 990});
  Table({.comm_prefix = "db"});
  Check();  // at 1001 s
  const Row& row = Check();
  EXPECT_EQ(row.deaths_total, 0u);
  EXPECT_EQ(row.last_uptime_seconds, std::nullopt);
  End(10);
  Check();  // at 1003 s
  EXPECT_FALSE(row.instance);
  EXPECT_EQ(row.deaths_total, 1u);
  EXPECT_EQ(row.restarts_total, 0u);
  EXPECT_DOUBLE_EQ(row.last_uptime_seconds.value_or(0), 13);
  EXPECT_EQ(row.last_death_at, clock_.Unix());
  EXPECT_THAT(row.problem, HasSubstr("no process is named"));
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].kind, EventKind::kDied);
  EXPECT_EQ(events_[0].instance.pid, 10);
  EXPECT_EQ(ExitText(events_[0].exit), "");
  Start({.pid = 11, .started_s = 1003.5});
  Check();
  ASSERT_TRUE(row.instance);
  EXPECT_EQ(row.instance->number, 2u);
  EXPECT_EQ(row.restarts_total, 1u);
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].kind, EventKind::kRestarted);
}

TEST_F(TableTest, ATargetThatGivesItselfAnotherNameStaysTheTarget) {
  Start({.pid = 10, .sockets = {1}});
  Listen({{2121, 1}});
  Table({.comm_prefix = "db", .endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  // With the prefix and without it.
  for (const char* name : {"db-leader", "leader"}) {
    Start({.pid = 10, .comm = name, .sockets = {1}});
    EXPECT_EQ(PidNow(), 10) << name;
    EXPECT_THAT(events_, IsEmpty()) << name;
  }
  const Row& row = Check();
  EXPECT_EQ(row.instance->number, 1u);
  EXPECT_EQ(row.deaths_total, 0u);
}

TEST_F(TableTest, TheNameOfAPortsOwnerIsLookedAtAgain) {
  Start({.pid = 10, .comm = "sh", .sockets = {1}});
  Listen({{2121, 1}});
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  Start({.pid = 10, .comm = "db", .sockets = {2}});
  Listen({{2121, 2}});
  clock_.Advance(std::chrono::seconds(60));
  EXPECT_EQ(PidNow(), 10);
  EXPECT_EQ(table_->rows()[0].instance->comm, "db");
  EXPECT_EQ(table_->rows()[0].instance->number, 1u);
}

TEST_F(TableTest, APidThatIsUsedAgainIsAnotherProcess) {
  Start({.pid = 10, .started_s = 990});
  Table({.comm_prefix = "db"});
  Check();
  End(10);
  Start({.pid = 10, .started_s = 1001.5});
  const Row& row = Check();
  EXPECT_EQ(row.deaths_total, 1u);
  EXPECT_EQ(row.restarts_total, 1u);
  ASSERT_TRUE(row.instance);
  EXPECT_EQ(row.instance->number, 2u);
  ASSERT_THAT(events_, SizeIs(2));
  EXPECT_EQ(events_[0].kind, EventKind::kDied);
  EXPECT_EQ(events_[1].kind, EventKind::kRestarted);
}

TEST_F(TableTest, ANodeThatDiesBeforeItListensShowsAsNumbers) {
  Start({.pid = 10, .started_s = 900, .sockets = {1}});
  Listen({{2121, 1}});
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  End(10);
  Listen({});
  EXPECT_EQ(PidNow(), 0);
  for (int i = 0; i < 5; ++i) {
    const pid_t pid = 100 + i;
    const double now =
        std::chrono::duration<double>(clock_.Monotonic().time_since_epoch())
            .count();
    // A new container each time, beside the old one.
    Start({.pid = pid, .started_s = now, .container = StrCat("/pod/n", i)});
    EXPECT_EQ(PidNow(), pid);
    EXPECT_EQ(events_.at(0).kind, EventKind::kRestarted);
    Check();
    End(pid);
    EXPECT_EQ(PidNow(), 0);
    EXPECT_NEAR(table_->rows()[0].last_uptime_seconds.value_or(0), 3, 0.02);
  }
  const Row& row = table_->rows()[0];
  EXPECT_EQ(row.deaths_total, 6u);
  EXPECT_EQ(row.restarts_total, 5u);
  // At last it comes up and listens: still the same instance.
  Start({.pid = 200, .started_s = 1100, .sockets = {9}});
  EXPECT_EQ(PidNow(), 200);
  Listen({{2121, 9}});
  Check();
  EXPECT_EQ(row.instance->number, 7u);
  EXPECT_EQ(row.restarts_total, 6u);
}

TEST_F(TableTest, WhoeverTakesThePortIsTheTarget) {
  Start({.pid = 10, .sockets = {1}});
  Start({.pid = 11, .comm = "new"});
  Listen({{2121, 1}});
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  Check();
  Start({.pid = 11, .comm = "new", .sockets = {2}});
  Listen({{2121, 2}});
  for (int i = 0; i < 6; ++i) Check();
  const Row& row = table_->rows()[0];
  ASSERT_TRUE(row.instance);
  EXPECT_EQ(row.instance->pid, 11);
  EXPECT_EQ(row.instance->number, 2u);
  EXPECT_EQ(row.deaths_total, 0u);
  EXPECT_EQ(row.restarts_total, 0u);
}

TEST_F(TableTest, WithoutARuleItSaysSo) {
  Table({.container_name = "data"});
  EXPECT_EQ(PidNow(), 0);
  EXPECT_THAT(table_->rows()[0].problem, HasSubstr("no rule"));
}

TEST_F(TableTest, TheFallbackNameCountsWhileNothingListens) {
  Start({.pid = 10, .comm = "banyand-data", .sockets = {1}});
  Start({.pid = 11, .comm = "banyand-data", .parent = 10});
  const TargetSpec spec = {.endpoint_ports = {2121},
                           .fallback_comm_prefix = "banyand"};
  Table(spec);
  EXPECT_EQ(PidNow(), 10);
  // Whoever listens is the target; if that cannot be told, nobody is.
  Listen({{2121, 7}});
  Table(spec);
  EXPECT_EQ(PidNow(), 0);
  EXPECT_THAT(table_->rows()[0].problem, HasSubstr("owns the port"));
  Listen({{2121, 1}});
  Table(spec);
  EXPECT_EQ(PidNow(), 10);
}

// On a machine with several tenants.
TEST_F(TableTest, TheFallbackNameTakesNobodyOfSeveralContainers) {
  Start({.pid = 10, .comm = "banyand", .container = "/theirs"});
  Start({.pid = 20, .comm = "banyand", .started_s = 600});
  Table({.endpoint_ports = {2121}, .fallback_comm_prefix = "banyand"});
  EXPECT_EQ(PidNow(), 0);
  EXPECT_EQ(table_->rows()[0].candidates, 2u);
  EXPECT_THAT(table_->rows()[0].problem,
              HasSubstr("2 processes named \"banyand...\""));
  Start({.pid = 20, .comm = "banyand", .started_s = 600, .sockets = {1}});
  Listen({{2121, 1}});
  EXPECT_EQ(PidNow(), 20);
}

TEST_F(TableTest, AnEmptyTreeIsNoError) {
  Listen({{2121, 77}});
  Table({.endpoint_ports = {2121}});
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(PidNow(), 0);
    EXPECT_EQ(table_->rows()[0].problem,
              "no process visible here owns the port");
  }
}

}  // namespace
}  // namespace fodc::target
