// SPDX-License-Identifier: Apache-2.0
// Evidence from the agent's disk, as the link asks for it and, over a real
// link, as a proxy gets it.
#include "fodc/link/evidence_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "fodc/evidence/event_store_testing.h"
#include "fodc/link/evidence_testing.h"
#include "fodc/link/flight_link_testing.h"
#include "fodc/net/event_loop.h"

namespace fodc::link {
namespace {

using evidence::EventMeta;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A copy of the event in this capsule.
Status Take(evidence::EventStore* store, const std::string& capsule) {
  std::size_t at = 0;
  return store
      ->Import(
          [&](std::span<char> buffer) -> Result<std::size_t> {
            const std::size_t n =
                capsule.copy(buffer.data(), buffer.size(), at);
            at += n;
            return n;
          },
          evidence::kPlenty)
      .status();
}

class EvidenceServerTest : public evidence::EventStoreTest {
 protected:
  EvidenceServerTest() {
    server_ = std::make_unique<EvidenceServer>(loop_, EvidenceServer::Options{},
                                               [this] { ++changes_; });
    server_->set_store(shared_);
  }

  std::string Add(const evidence::Artifacts& artifacts) {
    EventMeta meta;
    for (const auto& [name, text] : artifacts) {
      if (!name.ends_with(".pprof")) continue;
      meta.profiles.push_back({.type = name.substr(0, name.find('.')),
                               .filename = name,
                               .size_bytes = text.size()});
    }
    return AddEvent(shared_.get(), now_, artifacts, meta);
  }

  template <typename T>
  T Await(const std::optional<T>& result) {
    EXPECT_TRUE(loop_.RunUntil([&] { return result.has_value(); }));
    return result.value_or(T(Internal("nothing came")));
  }
  Status Open(const EvidenceWish& wish) {
    std::optional<Status> done;
    server_->Open(wish, [&](Result<OpenedEvidence> opened) {
      done = opened.status();
      if (opened.ok()) opened_ = *std::move(opened);
    });
    EXPECT_FALSE(done) << "never inside the call";
    return Await(done);
  }
  Result<std::string> Read(std::size_t max_bytes) {
    std::optional<Result<std::string>> got;
    opened_->reader->Read(max_bytes, [&](auto bytes) { got = bytes; });
    return Await(got);
  }
  std::string ReadAll(std::size_t max_bytes) {
    std::string all;
    for (;;) {
      const auto piece = Read(max_bytes);
      EXPECT_THAT(piece, IsOk());
      if (!piece.ok() || piece->empty()) return all;
      EXPECT_LE(piece->size(), max_bytes);
      all += *piece;
    }
  }

  net::EventLoop loop_{SystemClock()};
  const std::shared_ptr<evidence::EventStore> shared_ = std::move(store_);
  std::unique_ptr<EvidenceServer> server_;
  std::optional<OpenedEvidence> opened_;
  int changes_ = 0;
};

TEST_F(EvidenceServerTest, ListsReadsAndResumes) {
  const std::string id = Add({{"heap.pprof", "0123456789"}, {"log.txt", "hi"}});
  std::optional<Result<std::vector<fleet::ListedEvent>>> listed;
  server_->List([&](auto events) { listed = std::move(events); });
  ASSERT_TRUE(loop_.RunUntil([&] { return listed.has_value(); }));
  ASSERT_THAT(*listed, IsOk());
  ASSERT_EQ((*listed)->size(), 1u);
  EXPECT_EQ((**listed)[0].id, id);
  EXPECT_EQ((**listed)[0].bytes, 12u);

  ASSERT_THAT(Open({.event_id = id, .artifact = "heap.pprof"}), IsOk());
  EXPECT_EQ(opened_->info.size_bytes, 10u);
  EXPECT_EQ(opened_->info.sha256.size(), 64u);
  EXPECT_EQ(opened_->info.revision, 1u);
  EXPECT_EQ(ReadAll(3), "0123456789");
  ASSERT_THAT(Open({.event_id = id, .artifact = "heap.pprof", .offset = 7}),
              IsOk());
  EXPECT_EQ(ReadAll(100), "789");
  // By type, as v1 asks.
  ASSERT_THAT(Open({.event_id = id, .profile_type = "heap"}), IsOk());
  EXPECT_EQ(ReadAll(100), "0123456789");
}

TEST_F(EvidenceServerTest, WhatWasOpenedOutlivesTheEvent) {
  const std::string id = Add({{"heap.pprof", "0123456789"}});
  ASSERT_THAT(Open({.event_id = id, .artifact = "heap.pprof"}), IsOk());
  EXPECT_THAT(Read(4), IsOkAndHolds("0123"));
  ASSERT_THAT(shared_->Delete(id), IsOk());
  EXPECT_EQ(ReadAll(4), "456789");
}

TEST_F(EvidenceServerTest, ACapsuleIsMadeAsItIsRead) {
  const std::string id =
      Add({{"heap.pprof", std::string(300'000, 'x')}, {"log.txt", "hi"}});
  ASSERT_THAT(Open({.event_id = id}), IsOk());
  EXPECT_EQ(opened_->info.size_bytes, std::nullopt);
  const std::string capsule = ReadAll(1000);
  // It is one: another store takes it.
  const auto other = evidence::OpenStore(tree_.File("other"));
  ASSERT_THAT(Take(other.get(), capsule), IsOk());
  EXPECT_EQ(other->List()->at(0).id, id);
  EXPECT_THAT(Open({.event_id = id, .offset = 1}),
              StatusIs(Code::kOutOfRange, _));
}

TEST_F(EvidenceServerTest, HostileAndMissingNamesAreRefused) {
  const std::string id = Add({{"heap.pprof", "abc"}});
  for (const char* name : {"../meta.json", "meta.json", "/etc/passwd", "."}) {
    EXPECT_FALSE(Open({.event_id = id, .artifact = name}).ok()) << name;
  }
  EXPECT_THAT(Open({.event_id = "../../etc", .artifact = "passwd"}),
              StatusIs(Code::kInvalidArgument, _));
  EXPECT_THAT(Open({.event_id = id, .artifact = "cpu.pprof"}),
              StatusIs(Code::kNotFound, _));
  EXPECT_THAT(Open({.event_id = id, .profile_type = "cpu"}),
              StatusIs(Code::kNotFound, _));
  EXPECT_THAT(Open({.event_id = "20200101T000000.000000000Z"}),
              StatusIs(Code::kNotFound, _));
  EXPECT_THAT(Open({.event_id = id, .artifact = "heap.pprof", .offset = 4}),
              StatusIs(Code::kOutOfRange, HasSubstr("3 bytes")));
}

// What is gone, or was put in its place, is on a disk whose directories are
// nobody else's business.
TEST_F(EvidenceServerTest, FailuresTellNoDirectories) {
  const std::string id = Add({{"heap.pprof", "abc"}, {"status.txt", "abc"}});
  const std::string event = StrCat(shared_->root(), "/", id);
  ASSERT_EQ(::unlink((event + "/heap.pprof").c_str()), 0);
  ASSERT_EQ(::unlink((event + "/status.txt").c_str()), 0);
  ASSERT_EQ(::symlink("/etc/passwd", (event + "/status.txt").c_str()), 0);
  for (const char* name : {"heap.pprof", "status.txt", ""}) {
    const Status s = Open({.event_id = id, .artifact = name});
    EXPECT_FALSE(s.ok()) << name;
    EXPECT_FALSE(s.message().empty());
    EXPECT_THAT(s.message(), testing::Not(HasSubstr(shared_->root())));
  }
}

TEST_F(EvidenceServerTest, PinsAndTellsThatItHas) {
  const std::string id = Add({{"heap.pprof", "abc"}});
  const auto pin = [&](const std::string& event, bool pinned) {
    std::optional<Status> done;
    server_->Pin(event, pinned, [&](const Status& s) { done = s; });
    return Await(done);
  };
  EXPECT_THAT(pin(id, true), IsOk());
  EXPECT_EQ(changes_, 1);
  EXPECT_TRUE(shared_->Read(id)->is_pinned);
  EXPECT_THAT(pin(id, false), IsOk());
  EXPECT_FALSE(shared_->Read(id)->is_pinned);
  EXPECT_THAT(pin("20200101T000000.000000000Z", true),
              StatusIs(Code::kNotFound, _));
  EXPECT_EQ(changes_, 2);
}

// Not "there are none": whoever holds a list of them keeps it.
TEST_F(EvidenceServerTest, ADirectoryThatIsNotOpenYetIsSaidSo) {
  const std::string id = Add({{"heap.pprof", "x"}});
  EvidenceServer server(loop_, EvidenceServer::Options{}, [] {});
  std::vector<Status> seen;
  const auto list = [&](auto events) { seen.push_back(events.status()); };
  server.List(list);
  server.Open({.event_id = id},
              [&](auto opened) { seen.push_back(opened.status()); });
  server.Pin(id, true, [&](const Status& s) { seen.push_back(s); });
  ASSERT_TRUE(loop_.RunUntil([&] { return seen.size() == 3; }));
  for (const Status& s : seen) EXPECT_THAT(s, StatusIs(Code::kUnavailable, _));
  server.set_store(shared_);
  server.List(list);
  ASSERT_TRUE(loop_.RunUntil([&] { return seen.size() == 4; }));
  EXPECT_THAT(seen.back(), IsOk());
}

TEST_F(EvidenceServerTest, TooManyQuestionsAreRefused) {
  server_ = std::make_unique<EvidenceServer>(
      loop_, EvidenceServer::Options{.max_waiting = 2}, [] {});
  server_->set_store(shared_);
  int ok = 0;
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    server_->List([&](auto events) { ++(events.ok() ? ok : refused); });
  }
  ASSERT_TRUE(loop_.RunUntil([&] { return ok + refused == 10; }));
  EXPECT_EQ(ok, 3);  // one at work, two wait
  EXPECT_EQ(refused, 7);
}

TEST_F(EvidenceServerTest, NobodyHearsOfAServerThatIsGone) {
  const std::string id = Add({{"heap.pprof", "abc"}});
  server_->List([&](auto) { FAIL() << "it is gone"; });
  server_.reset();
  // What it began on the pool ends, and then this.
  bool done = false;
  ASSERT_TRUE(loop_.Offload([] {}, [&] { done = true; }));
  ASSERT_TRUE(loop_.RunUntil([&] { return done; }));
}

class EvidenceOverLinkTest : public FlightLinkTest {
 protected:
  TempDirectory tree_;
  const std::shared_ptr<evidence::EventStore> store_ =
      evidence::OpenStore(tree_.File("events"));
};

TEST_F(EvidenceOverLinkTest, FileAndCapsuleArriveAtAProxyAsTheyAreOnDisk) {
  const std::string text = Noise(3'000'000);
  EventMeta meta;
  meta.profiles = {
      {.type = "heap", .filename = "heap.pprof", .size_bytes = text.size()}};
  const std::string id =
      evidence::AddEvent(store_.get(), SystemClock().Unix(),
                         {{"heap.pprof", text}, {"log.txt", "hi"}}, meta);
  EvidenceServer evidence(loop_, EvidenceServer::Options{},
                          [this] { agent_->link().OnEvidence(); });
  evidence.set_store(store_);
  StartServer();
  relay_ = std::make_unique<test::TcpRelay>(server_->port());
  agent_ = std::make_unique<TestAgent>(loop_, AgentOptions());
  agent_->set_evidence(&evidence);
  agent_->StartLink();
  const auto listed = [&]() -> std::shared_ptr<const fleet::ListedEvent> {
    const auto nodes = fleet_->events().Find("pod");
    return nodes.empty() ? nullptr : nodes[0]->events[0];
  };
  ASSERT_TRUE(Until([&] { return listed() != nullptr; }));
  EXPECT_EQ(listed()->id, id);
  EXPECT_EQ(listed()->meta.profiles[0].filepath, "heap.pprof");
  const fleet::AgentId agent = fleet_->List()->front().id;

  TestDownload file(*server_, agent, {id, "heap.pprof", 0, std::nullopt});
  TestDownload capsule(*server_, agent, {id, "", 0, std::nullopt});
  for (TestDownload* d : {&file, &capsule}) {
    ASSERT_TRUE(Until([d] { return d->Pull(); }));
    ASSERT_THAT(*d->end(), IsOk());
  }
  EXPECT_TRUE(file.bytes() == text);
  EXPECT_EQ(file.answer().sha256, listed()->meta.steps[0].sha256);
  const auto copies = evidence::OpenStore(tree_.File("copies"));
  ASSERT_THAT(Take(copies.get(), capsule.bytes()), IsOk());
  EXPECT_EQ(copies->Read(id)->meta.profiles, listed()->meta.profiles);

  // A pin is told to whoever asks next.
  std::optional<Status> pinned;
  server_->Pin(agent, id, true,
               SystemClock().Monotonic() + std::chrono::seconds(60),
               [&](const Status& s) { pinned = s; });
  ASSERT_TRUE(Until([&] { return pinned && listed()->is_pinned; }));
  EXPECT_THAT(*pinned, IsOk());
  EXPECT_TRUE(store_->Read(id)->is_pinned);
}

}  // namespace
}  // namespace fodc::link
