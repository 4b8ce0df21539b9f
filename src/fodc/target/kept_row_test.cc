// SPDX-License-Identifier: Apache-2.0
// What the table remembers over lives of the agent.
#include "fodc/target/kept_row.h"

#include <limits>

#include "fodc/target/table_testing.h"

namespace fodc::target {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kBoot[] = "5d2c0a4e-0000-4000-8000-000000000001";

class KeptRowTest : public TableTest {
 protected:
  KeptRowTest() {
    Boot(kBoot);
    Start({.pid = 10, .sockets = {7}});
    Listen({{2121, 7}});
  }
  void Boot(const std::string& id) {
    ASSERT_THAT(MakeDirectories(tree_.File("sys/kernel/random")), IsOk());
    ASSERT_THAT(
        WriteFileAtomically(tree_.File("sys/kernel/random/boot_id"), id + "\n"),
        IsOk());
  }
  void Namespace(std::uint64_t inode) {
    const std::string link = tree_.File("self/ns/pid");
    ASSERT_THAT(MakeDirectories(tree_.File("self/ns")), IsOk());
    (void)::unlink(link.c_str());
    ASSERT_EQ(::symlink(StrCat("pid:[", inode, "]").c_str(), link.c_str()), 0);
  }
  // The agent ends; what it kept goes to the disk and comes back.
  KeptRow Kept() {
    KeptRow row = table_->Keep(0);
    row.name = "db";
    table_.reset();
    const auto rows = DecodeKeptRows(EncodeKeptRows({row}));
    EXPECT_THAT(rows, IsOk());
    return rows.ok() && rows->size() == 1 ? rows->front() : KeptRow();
  }
  const Row& Return(const KeptRow& kept) {
    Table({.endpoint_ports = {2121}}).Restore(0, kept);
    return table_->rows()[0];
  }
  void Replace(pid_t pid, double started_s) {
    End(10);
    Start({.pid = pid, .started_s = started_s, .sockets = {8}});
    Listen({{2121, 8}});
  }
};

TEST_F(KeptRowTest, AProcessThatLivesIsNoDeath) {
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  const Row& row = Return(Kept());
  EXPECT_EQ(PidNow(), 10);
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].kind, EventKind::kAppeared);
  EXPECT_EQ(row.deaths_total, 0u);
  EXPECT_EQ(row.restarts_total, 0u);
}

TEST_F(KeptRowTest, AProcessThatIsGoneDiedAndItsSuccessorIsARestart) {
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  KeptRow kept = Kept();
  kept.deaths_total = 4;
  kept.restarts_total = 3;
  kept.last_exit.signal = 9;
  kept.process->uptime_seconds = 354.9;
  Replace(11, 1005);
  const Row& row = Return(kept);
  EXPECT_EQ(PidNow(), 11);
  ASSERT_THAT(events_, SizeIs(2));
  EXPECT_EQ(events_[0].kind, EventKind::kDied);
  EXPECT_TRUE(events_[0].unseen);
  EXPECT_EQ(events_[0].instance.pid, 10);
  EXPECT_EQ(events_[0].uptime_seconds, 354.9);
  EXPECT_EQ(events_[1].kind, EventKind::kRestarted);
  EXPECT_EQ(row.deaths_total, 5u);
  EXPECT_EQ(row.restarts_total, 4u);
  EXPECT_EQ(row.last_uptime_seconds, 354.9);
  EXPECT_FALSE(row.last_exit.signal) << "of this death it is not known";
}

// A helper of the same name that ran beside the target is not its successor,
// though it started after the last event that was kept.
TEST_F(KeptRowTest, WhoRanBesideItIsNotItsSuccessor) {
  Table({.comm_prefix = "db"});
  EXPECT_EQ(PidNow(), 10);
  KeptRow kept = Kept();
  kept.process->uptime_seconds = 1500 - Process{}.started_s;
  End(10);
  Start({.pid = 12, .started_s = 1100});
  Table({.comm_prefix = "db"}).Restore(0, kept);
  EXPECT_EQ(PidNow(), 0);
  EXPECT_EQ(table_->rows()[0].deaths_total, 1u);
  Start({.pid = 13, .started_s = 1501});
  for (int i = 0; i < 10 && PidNow() == 0; ++i) {
  }
  EXPECT_EQ(PidNow(), 13);
  EXPECT_EQ(table_->rows()[0].restarts_total, 1u);
}

// The same pid, as the first process of a container has it each time.
TEST_F(KeptRowTest, AnotherProcessOfTheSamePidIsARestart) {
  Table({.pid = 10});
  EXPECT_EQ(PidNow(), 10);
  const KeptRow kept = Kept();
  Start({.pid = 10, .started_s = 1003});
  Table({.pid = 10}).Restore(0, kept);
  EXPECT_EQ(PidNow(), 10);
  EXPECT_EQ(table_->rows()[0].deaths_total, 1u);
  EXPECT_EQ(table_->rows()[0].restarts_total, 1u);
}

// Even if pid and start happen to be the same.
TEST_F(KeptRowTest, AnotherBootIsARestart) {
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  const KeptRow kept = Kept();
  Boot("another");
  const Row& row = Return(kept);
  EXPECT_EQ(PidNow(), 10);
  EXPECT_EQ(row.deaths_total, 1u);
  EXPECT_EQ(row.restarts_total, 1u);
}

TEST_F(KeptRowTest, ADeathThatWasSeenIsCountedOnce) {
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  End(10);
  Listen({});
  EXPECT_EQ(PidNow(), 0);
  const double uptime = table_->rows()[0].last_uptime_seconds.value_or(0);
  const Row& row = Return(Kept());
  EXPECT_EQ(PidNow(), 0);
  EXPECT_EQ(row.deaths_total, 1u);
  EXPECT_NEAR(row.last_uptime_seconds.value_or(0), uptime, 0.001);
  Replace(11, 1005);
  EXPECT_EQ(PidNow(), 11);
  EXPECT_EQ(row.deaths_total, 1u);
  EXPECT_EQ(row.restarts_total, 1u);
}

// It is not found at once; what is known of it lives on.
TEST_F(KeptRowTest, AFormerProcessThatIsNotFoundYetIsKept) {
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  KeptRow kept = Kept();
  Listen({});
  Return(kept);
  EXPECT_EQ(PidNow(), 0);
  EXPECT_THAT(events_, IsEmpty());
  kept = Kept();
  ASSERT_TRUE(kept.process);
  EXPECT_EQ(kept.process->pid, 10);
  const Row& row = Return(kept);
  EXPECT_EQ(PidNow(), 0);
  End(10);
  EXPECT_EQ(PidNow(), 0);
  EXPECT_EQ(row.deaths_total, 1u);
}

// Redeployed from the host into a container, say: the node has another pid.
TEST_F(KeptRowTest, InAnotherNamespaceTheSameStartIsTheSameProcess) {
  Namespace(1);
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  const KeptRow kept = Kept();
  Namespace(2);
  End(10);
  Listen({});
  const Row& row = Return(kept);
  EXPECT_EQ(PidNow(), 0);
  EXPECT_THAT(events_, IsEmpty()) << "nobody tells whether it lives";
  const KeptRow again = table_->Keep(0);
  ASSERT_TRUE(again.process);
  EXPECT_EQ(again.process->pid_namespace, 1u);
  Start({.pid = 4711, .sockets = {7}});
  Listen({{2121, 7}});
  EXPECT_EQ(PidNow(), 4711);
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_EQ(events_[0].kind, EventKind::kAppeared);
  EXPECT_EQ(row.deaths_total, 0u);
  EXPECT_EQ(row.restarts_total, 0u);
}

TEST_F(KeptRowTest, InAnotherNamespaceAnotherStartIsARestart) {
  Namespace(1);
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  const KeptRow kept = Kept();
  Namespace(2);
  Start({.pid = 10, .started_s = 1000.5, .sockets = {7}});
  const Row& row = Return(kept);
  EXPECT_EQ(PidNow(), 10);
  ASSERT_THAT(events_, SizeIs(2));
  EXPECT_EQ(events_[0].kind, EventKind::kDied);
  EXPECT_TRUE(events_[0].unseen);
  EXPECT_EQ(events_[1].kind, EventKind::kRestarted);
  EXPECT_EQ(row.deaths_total, 1u);
  EXPECT_EQ(row.restarts_total, 1u);
}

TEST_F(KeptRowTest, WhoCannotBeLookedAtIsNotGone) {
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  const KeptRow kept = Kept();
  Listen({});
  // What cannot be read is no "no such process": here, a line that is cut.
  ASSERT_THAT(WriteFileAtomically(tree_.File("10/stat"), "10 (d"), IsOk());
  const Row& row = Return(kept);
  EXPECT_EQ(PidNow(), 0);
  EXPECT_EQ(row.deaths_total, 0u);
  End(10);
  EXPECT_EQ(PidNow(), 0);
  EXPECT_EQ(row.deaths_total, 1u);
}

TEST_F(KeptRowTest, AMainThreadThatHasEndedIsNotTheProcess) {
  Table({.endpoint_ports = {2121}});
  EXPECT_EQ(PidNow(), 10);
  const KeptRow kept = Kept();
  Start({.pid = 10, .state = 'Z', .virtual_bytes = 0, .threads = 3});
  const Row& row = Return(kept);
  EXPECT_EQ(PidNow(), 0);
  EXPECT_EQ(row.deaths_total, 0u);
  Start({.pid = 10, .state = 'Z', .virtual_bytes = 0});
  EXPECT_EQ(PidNow(), 0);
  EXPECT_EQ(row.deaths_total, 1u);
}

// The table is at work when it learns what an earlier one kept.
class MergeTest : public KeptRowTest {
 protected:
  // Of process 10, watched by an earlier table.
  KeptRow KeptOf10() {
    Table({.endpoint_ports = {2121}});
    EXPECT_EQ(PidNow(), 10);
    KeptRow kept = Kept();
    kept.deaths_total = 17;
    kept.restarts_total = 16;
    kept.last_exit.signal = 9;
    kept.last_death_at = FromUnixMillis(5);
    return kept;
  }
  const Row& Anew() {
    Table({.endpoint_ports = {2121}});
    return Check();
  }
};

TEST_F(MergeTest, TheSameProcessAddsWhatHappenedSince) {
  const KeptRow kept = KeptOf10();
  const Row& row = Anew();
  Replace(11, 1005);
  EXPECT_EQ(PidNow(), 11);
  ASSERT_EQ(row.deaths_total, 1u);
  EXPECT_FALSE(table_->Merge(0, kept));
  EXPECT_EQ(row.deaths_total, 18u);
  EXPECT_EQ(row.restarts_total, 17u);
  EXPECT_NE(row.last_death_at, kept.last_death_at);
  EXPECT_FALSE(table_->Merge(0, kept));
  EXPECT_EQ(row.deaths_total, 18u) << "once";
}

TEST_F(MergeTest, AProcessThatDiedBeforeThisLifeIsADeath) {
  const KeptRow kept = KeptOf10();
  Replace(11, 1005);
  const Row& row = Anew();
  ASSERT_EQ(row.deaths_total, 0u);
  EXPECT_TRUE(table_->Merge(0, kept));
  EXPECT_EQ(row.deaths_total, 18u);
  EXPECT_EQ(row.restarts_total, 17u);
  EXPECT_EQ(row.last_death_at, clock_.Unix());
  EXPECT_FALSE(row.last_exit.signal);
  EXPECT_EQ(PidNow(), 11);
  EXPECT_THAT(events_, IsEmpty());
}

TEST_F(MergeTest, OfAnotherBootItDied) {
  KeptRow kept = KeptOf10();
  kept.boot_id = "another";
  const Row& row = Anew();
  EXPECT_TRUE(table_->Merge(0, kept));
  EXPECT_EQ(row.deaths_total, 18u);
  EXPECT_EQ(row.restarts_total, 17u);
}

// Two agents watched for a while.
TEST_F(MergeTest, WhatBothSawIsCountedOnce) {
  const KeptRow kept = KeptOf10();
  Start({.pid = 9, .started_s = 400, .sockets = {6}});
  Listen({{2121, 6}});
  const Row& row = Anew();
  End(9);
  Listen({{2121, 7}});
  EXPECT_EQ(PidNow(), 10);
  ASSERT_EQ(row.deaths_total, 1u);
  ASSERT_EQ(row.restarts_total, 1u);
  EXPECT_FALSE(table_->Merge(0, kept));
  EXPECT_EQ(row.deaths_total, 17u);
  EXPECT_EQ(row.restarts_total, 16u);
}

TEST_F(MergeTest, ADeathThatWasKeptMakesTheNextARestart) {
  KeptRow kept = KeptOf10();
  kept.process.reset();
  kept.has_died = true;
  Replace(11, 1005);
  const Row& row = Anew();
  EXPECT_FALSE(table_->Merge(0, kept));
  EXPECT_EQ(row.deaths_total, 17u);
  EXPECT_EQ(row.restarts_total, 17u);
  EXPECT_EQ(row.last_exit.signal, 9);
}

TEST_F(MergeTest, BeforeAnythingIsFoundItIsRestored) {
  const KeptRow kept = KeptOf10();
  End(10);
  Listen({});
  const Row& row = Anew();
  EXPECT_FALSE(table_->Merge(0, kept));
  EXPECT_EQ(PidNow(), 0);
  ASSERT_THAT(events_, SizeIs(1));
  EXPECT_TRUE(events_[0].unseen);
  EXPECT_EQ(row.deaths_total, 18u);
}

TEST_F(MergeTest, CountersDoNotFall) {
  KeptRow kept = KeptOf10();
  kept.deaths_total = 0;
  kept.restarts_total = 0;
  Start({.pid = 9, .started_s = 400, .sockets = {6}});
  Listen({{2121, 6}});
  const Row& row = Anew();
  End(9);
  Listen({{2121, 7}});
  EXPECT_EQ(PidNow(), 10);
  EXPECT_FALSE(table_->Merge(0, kept));
  EXPECT_EQ(row.deaths_total, 1u);
  EXPECT_EQ(row.restarts_total, 1u);
}

TEST(KeptRowsTest, ComeBackAsTheyWere) {
  KeptRow full;
  full.name = "a \\ b\nc";
  full.pod = "db-0 \n";
  full.deaths_total = 7;
  full.restarts_total = 6;
  full.last_uptime_seconds = 12.345;
  full.last_death_at = FromUnixMillis(1'795'307'897'720);
  full.last_exit.status = 3;
  full.process = KeptProcess{.pid = 4711,
                             .start_ticks = 99,
                             .comm = "x\ny",
                             .started_at = FromUnixMillis(-5),
                             .pid_namespace = 4026531836,
                             .uptime_seconds = {}};
  full.boot_id = kBoot;
  full.last_alive_ticks = 123;
  KeptRow bare;
  bare.name = "bare";
  bare.has_died = true;
  bare.last_exit.signal = 9;
  const std::string text = EncodeKeptRows({full, bare});
  const auto rows = DecodeKeptRows(text);
  ASSERT_THAT(rows, IsOk());
  ASSERT_THAT(*rows, SizeIs(2));
  EXPECT_EQ(EncodeKeptRows(*rows), text);
  const KeptRow& r = (*rows)[0];
  EXPECT_EQ(r.name, full.name);
  EXPECT_EQ(r.pod, full.pod);
  EXPECT_EQ(r.deaths_total, 7u);
  EXPECT_EQ(r.restarts_total, 6u);
  EXPECT_DOUBLE_EQ(r.last_uptime_seconds.value_or(0), 12.345);
  EXPECT_EQ(r.last_death_at, full.last_death_at);
  EXPECT_EQ(r.last_exit.status, 3);
  ASSERT_TRUE(r.process);
  EXPECT_EQ(r.process->pid, 4711);
  EXPECT_EQ(r.process->start_ticks, 99u);
  EXPECT_EQ(r.process->pid_namespace, 4026531836u);
  EXPECT_EQ(r.process->comm, "x\ny");
  EXPECT_EQ(r.process->started_at, full.process->started_at);
  EXPECT_EQ(r.boot_id, kBoot);
  EXPECT_EQ(r.last_alive_ticks, 123u);
  EXPECT_FALSE(r.has_died);
  EXPECT_TRUE((*rows)[1].has_died);
  EXPECT_EQ((*rows)[1].last_exit.signal, 9);
  EXPECT_FALSE((*rows)[1].process);
}

TEST(KeptRowsTest, NothingIsWrittenThatReadingRefuses) {
  for (const double uptime : {std::numeric_limits<double>::quiet_NaN(), -1.0,
                              1e300, std::numeric_limits<double>::infinity()}) {
    KeptRow row;
    row.name = "db";
    row.deaths_total = 17;
    row.last_uptime_seconds = uptime;
    row.last_death_at = UnixTime::min();
    row.last_exit.signal = -1;
    row.last_exit.status = -2;
    row.process = KeptProcess{.pid = 5,
                              .start_ticks = 1,
                              .comm = "db",
                              .started_at = UnixTime::min(),
                              .pid_namespace = 0,
                              .uptime_seconds = {}};
    KeptRow bare = row;
    bare.process->pid = -1;
    const auto rows = DecodeKeptRows(EncodeKeptRows({row, bare}));
    ASSERT_THAT(rows, IsOk()) << uptime;
    ASSERT_THAT(*rows, SizeIs(2));
    EXPECT_EQ((*rows)[0].deaths_total, 17u);
    EXPECT_FALSE((*rows)[0].last_uptime_seconds) << uptime;
    EXPECT_TRUE((*rows)[0].process);
    EXPECT_FALSE((*rows)[1].process);
  }
}

TEST(KeptRowsTest, DamageAnywhereIsFound) {
  KeptRow row;
  row.name = "db";
  row.deaths_total = 2;
  const std::string text = EncodeKeptRows({row});
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_THAT(DecodeKeptRows(changed),
                StatusIs(Code::kDataLoss, HasSubstr("")))
        << i;
    EXPECT_THAT(DecodeKeptRows(text.substr(0, i)),
                StatusIs(Code::kDataLoss, HasSubstr("")))
        << i;
  }
  EXPECT_THAT(DecodeKeptRows(text + "x"),
              StatusIs(Code::kDataLoss, HasSubstr("checksum")));
}

}  // namespace
}  // namespace fodc::target
