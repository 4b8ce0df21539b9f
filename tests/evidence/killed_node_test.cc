// SPDX-License-Identifier: Apache-2.0
// A real node with libfodc-guard that is killed without a warning: what it had
// in use is evidence all the same, for the agent holds the table it shares.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>

#include "fodc/evidence/event_store.h"
#include "fodc/pprof/heap_table.h"
#include "fodc/pprof/profile.h"
#include "tests/guard/kvnode_fixture.h"

namespace fodc::test {
namespace {

class KilledNodeTest : public KvnodeTest {
 protected:
  void StartAll() {
    ASSERT_TRUE(node_.Start());
    ASSERT_EQ(Load(node_, {"--write-burst", "--count=300"}).exit_code, 0);
    agent_ = std::make_unique<FodcAgent>(
        dir_, AgentOptions{.pod = "p",
                           .endpoint_ports = {node_.port()},
                           .interval = "100ms",
                           .recorder_dir = "spill",
                           .flags = {"--target-comm=kvnode",
                                     "--proxy-addr=", "--ktm-enabled=false"}});
    ASSERT_TRUE(agent_->Start()) << agent_->Log();
    ASSERT_TRUE(WaitUntil(
        [&] {
          const auto maps =
              ReadFile(StrCat("/proc/", agent_->process().pid(), "/maps"));
          return maps.ok() && maps->find(pprof::kHeapTableName) != maps->npos;
        },
        std::chrono::seconds(20)))
        << agent_->Log();
  }
  std::vector<evidence::EventInfo> Events() const {
    // Beside the agent it sweeps nothing.
    auto store = evidence::EventStore::Open({.root = dir_.File("events-p")});
    if (!store.ok()) return {};
    return (*store)->List().value_or({});
  }

  Server node_ = MakeNode();
  std::unique_ptr<FodcAgent> agent_;
};

TEST_F(KilledNodeTest, WhatItHadInUseIsEvidence) {
  ASSERT_NO_FATAL_FAILURE(StartAll());
  node_.process().Signal(SIGKILL);
  ASSERT_TRUE(
      WaitUntil([&] { return !Events().empty(); }, std::chrono::seconds(30)))
      << agent_->Log();
  const evidence::EventInfo event = Events().back();
  EXPECT_EQ(event.meta.trigger.kind, "target_gone");
  ASSERT_EQ(event.meta.profiles.size(), 1U);
  EXPECT_EQ(event.meta.profiles[0].type, "heap-table");
  const auto text = ReadFile(
      StrCat(dir_.File("events-p"), "/", event.id, "/heap-table.pprof"));
  ASSERT_TRUE(text.ok()) << text.status().message();
  const auto profile = pprof::ReadProfile(*text);
  ASSERT_TRUE(profile.ok()) << profile.status().message();
  EXPECT_GT(profile->sample_count(), 0U);
}

// What stands in the directory's way goes while the agent runs.
TEST_F(KilledNodeTest, ADirectoryThatCanBeUsedLaterIsUsed) {
  const std::string events = dir_.File("events-p");
  ASSERT_TRUE(WriteFileAtomically(events, "in the way").ok());
  FodcAgent agent(
      dir_, AgentOptions{.pod = "p",
                         .endpoint_ports = {node_.port()},
                         .flags = {"--proxy-addr=", "--ktm-enabled=false"}});
  ASSERT_TRUE(agent.Start()) << agent.Log();
  const auto problem = [&] {
    return nlohmann::json::parse(agent.Get("/explain").body)["problem"]
        .get<std::string>();
  };
  EXPECT_TRUE(WaitUntil([&] {
    return problem().find("not a directory") != std::string::npos ||
           problem().find("Not a directory") != std::string::npos ||
           problem().find("exists") != std::string::npos;
  })) << problem();
  ASSERT_EQ(::unlink(events.c_str()), 0);
  EXPECT_TRUE(
      WaitUntil([&] { return problem().empty(); }, std::chrono::seconds(30)))
      << problem();
}

// Fills up after the agent began with it, and has room again.
TEST_F(KilledNodeTest, ADiskWithoutRoomIsSaidAndLookedAtAgain) {
  ASSERT_TRUE(node_.Start());
  const std::string events = dir_.File("events-p");
  ASSERT_TRUE(MakeDirectories(events).ok());
  // What a test that is killed leaves goes with its namespace.
  ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
  ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
  ASSERT_EQ(::mount("tmpfs", events.c_str(), "tmpfs", 0, "size=80m"), 0);
  FodcAgent agent(
      dir_, AgentOptions{.pod = "p",
                         .endpoint_ports = {node_.port()},
                         .flags = {"--target-comm=kvnode",
                                   "--proxy-addr=", "--ktm-enabled=false"}});
  ASSERT_TRUE(agent.Start()) << agent.Log();
  const auto explained = [&] {
    return nlohmann::json::parse(agent.Get("/explain").body);
  };
  EXPECT_TRUE(WaitUntil([&] { return explained()["problem"] == ""; }));
  ASSERT_TRUE(
      WriteFileAtomically(events + "/others", std::string(40u << 20, 'x'))
          .ok());
  node_.Kill();
  EXPECT_TRUE(WaitUntil([&] {
    const auto now = explained();
    return now["problem"].get<std::string>().find("stay free") !=
               std::string::npos &&
           now["targets"][0]["triggers"][0]["armed"] == false;
  })) << explained().dump()
      << agent.Log();
  ASSERT_EQ(::unlink((events + "/others").c_str()), 0);
  EXPECT_TRUE(WaitUntil([&] { return explained()["problem"] == ""; },
                        std::chrono::seconds(30)))
      << explained().dump();
  EXPECT_EQ(agent.Stop(), 0);
  EXPECT_EQ(::umount2(events.c_str(), MNT_DETACH), 0);
}

}  // namespace
}  // namespace fodc::test
