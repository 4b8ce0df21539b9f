// SPDX-License-Identifier: Apache-2.0
// The proxy's own copies of evidence (--evidence-dir): a whole proxy, and an
// agent that has a store of events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/event_store_testing.h"
#include "fodc/link/evidence_server.h"
#include "fodc/link/evidence_testing.h"
#include "fodc/link/test_agent.h"
#include "fodc/net/http_test_peer.h"
#include "fodc/proxy/proxy.h"

namespace fodc::proxy {
namespace {

using evidence::EventMeta;
using evidence::EventStore;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// An agent with a directory of events.
class Node {
 public:
  Node(net::EventLoop& loop, const std::string& root, const std::string& pod,
       std::uint16_t proxy_port)
      : loop_(loop), pod_(pod), store_(evidence::OpenStore(root)) {
    link::TestAgent::Options o;
    o.pod = pod;
    o.instance = "instance of " + pod;
    o.link = link::QuickLinkOptions(StrCat("127.0.0.1:", proxy_port));
    agent_ = std::make_unique<link::TestAgent>(loop_, o);
  }
  // What it tells of, if not of its store.
  void Start(link::EvidenceSource* other = nullptr) {
    if (other == nullptr) {
      server_ = std::make_unique<link::EvidenceServer>(
          loop_, link::EvidenceServer::Options{},
          [this] { agent_->link().OnEvidence(); });
      server_->set_store(store_);
      other = server_.get();
    }
    agent_->set_evidence(other);
    agent_->StartLink();
  }
  std::string AddNow(std::string_view heap) {
    const auto second = SystemClock().Unix() - FakeClock().Unix();
    return Add(heap,
               static_cast<int>(
                   std::chrono::floor<std::chrono::seconds>(second).count()));
  }
  std::string Add(std::string_view heap, int second = 0) {
    EventMeta meta;
    meta.pod_name = pod_;
    meta.role = "ROLE_DATA";
    meta.incident_id = StrCat("incident-", second);
    meta.trigger.kind = "memory_pressure";
    meta.profiles = {
        {.type = "heap", .filename = "heap.pprof", .size_bytes = heap.size()}};
    const std::string id = evidence::AddEvent(
        store_.get(), FakeClock().Unix() + std::chrono::seconds(second),
        {{"heap.pprof", std::string(heap)}, {"log.txt", "last words"}}, meta);
    if (server_) agent_->link().OnEvidence();
    return id;
  }
  void Amend(const std::string& id) {
    {
      const auto writer = store_->Reopen(id, evidence::kPlenty).value();
      EventMeta meta = writer->meta();
      evidence::AddArtifact(writer.get(), "later.txt", "and then", &meta);
      ASSERT_THAT(writer->Commit(meta), IsOk());
    }
    agent_->link().OnEvidence();
  }
  EventStore& store() { return *store_; }
  link::TestAgent& agent() { return *agent_; }

 private:
  net::EventLoop& loop_;
  const std::string pod_;
  std::shared_ptr<EventStore> store_;
  std::unique_ptr<link::EvidenceServer> server_;
  std::unique_ptr<link::TestAgent> agent_;
};

class ProxyEvidenceTest : public ::testing::Test {
 protected:
  ProxyEvidenceTest() {
    options_.grpc_listen_addr = "127.0.0.1:0";
    options_.http_listen_addr = "127.0.0.1:0";
    options_.shutdown_timeout = std::chrono::milliseconds(500);
    options_.evidence_dir = copies_;
    Start();
  }
  void Start() {
    auto proxy = Proxy::Start(loop_, options_);
    ASSERT_THAT(proxy, IsOk());
    proxy_ = *std::move(proxy);
  }
  void Restart() {
    proxy_.reset();
    Start();
  }
  std::unique_ptr<Node> MakeNode(const std::string& pod) {
    return std::make_unique<Node>(loop_, NodeDir(pod), pod,
                                  proxy_->grpc_port());
  }
  std::string NodeDir(const std::string& pod) {
    return tree_.File("at-" + pod);
  }
  net::RawResponse Ask(const std::string& target,
                       const std::string& headers = "") {
    net::RawClient client(loop_, proxy_->http_port());
    client.Get(target, headers);
    return client.Read();
  }
  net::RawResponse Post(const std::string& target) {
    net::RawClient client(loop_, proxy_->http_port());
    client.Send(StrCat("POST ", target,
                       " HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"));
    return client.Read();
  }
  // Of the one event of that id, or null.
  json Event(const std::string& pod, const std::string& id) {
    const auto answer = Ask(StrCat("/incidents/", pod, "/", id));
    if (answer.status != 200) return nullptr;
    const json document = json::parse(answer.body);
    return document["events"].empty() ? json() : document["events"][0];
  }
  std::vector<std::string> Where(const std::string& pod,
                                 const std::string& id) {
    const json event = Event(pod, id);
    return event.is_null() ? std::vector<std::string>()
                           : event["where"].get<std::vector<std::string>>();
  }
  // The page is asked for from here: no task of the loop.
  template <typename Condition>
  bool Until(const Condition& condition) {
    const MonotonicTime end =
        SystemClock().Monotonic() + std::chrono::seconds(60);
    while (!condition()) {
      if (SystemClock().Monotonic() > end) return false;
      loop_.RunUntil([] { return false; }, std::chrono::milliseconds(10));
    }
    return true;
  }
  bool HasCopy(const std::string& pod, const std::string& id) {
    return Where(pod, id) == std::vector<std::string>{"agent", "proxy"};
  }
  double Metric(const std::string& series) {
    const std::string page = Ask("/metrics").body;
    const std::size_t at = page.find(StrCat("\n", series, " "));
    if (at == std::string::npos) return -1;
    return std::stod(page.substr(at + series.size() + 2));
  }
  bool IsCopyPinned(const std::string& id) const {
    return ReadFile(StrCat(copies_, "/", id, "/.pinned")).ok();
  }
  std::vector<std::string> CopiesOnDisk() {
    auto names = ListDirectory(copies_).value();
    std::erase_if(names, [](const auto& name) { return name[0] == '.'; });
    return names;
  }

  net::EventLoop loop_{SystemClock()};
  TempDirectory tree_;
  const std::string copies_ = tree_.File("copies");
  ProxyOptions options_;
  std::unique_ptr<Proxy> proxy_;
};

TEST_F(ProxyEvidenceTest, WhatANodeHadOutlivesNodeAgentAndProxy) {
  const std::string heap = link::Noise(3u << 20);
  auto node = MakeNode("db-0");
  const std::string id = node->Add(heap);
  node->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", id); }));
  const std::string digest = Event("db-0", id)["steps"][0]["sha256"];
  node.reset();
  ASSERT_EQ(evidence::Shell("rm -rf " + NodeDir("db-0")), 0);
  const auto check = [&] {
    // In any case of letters, as everywhere.
    const auto whole = Ask(StrCat("/incidents/DB-0/", id, "/heap.pprof"));
    EXPECT_EQ(whole.status, 200);
    EXPECT_TRUE(whole.body == heap);
    EXPECT_EQ(whole.Header("ETag"), StrCat('"', digest, '"'));
    const auto part = Ask(StrCat("/incidents/db-0/", id, "/heap.pprof"),
                          "Range: bytes=5-9\r\n");
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.body, heap.substr(5, 5));
    EXPECT_EQ(Ask(StrCat("/pressure-profiles/db-0/", id, "/heap")).body.size(),
              heap.size());
    EXPECT_EQ(Ask(StrCat("/incidents/db-0/incident-0/log.txt")).body,
              "last words");
    EXPECT_EQ(Ask(StrCat("/incidents/db-0/", id, "/none.txt")).status, 404);
    const auto capsule = Ask(StrCat("/incidents/db-0/", id, ".tar.zst"));
    EXPECT_EQ(capsule.status, 200);
    const auto other = evidence::OpenStore(tree_.File("other"));
    std::size_t at = 0;
    EXPECT_THAT(other->Import(
                    [&](std::span<char> out) -> Result<std::size_t> {
                      const std::size_t n =
                          capsule.body.copy(out.data(), out.size(), at);
                      at += n;
                      return n;
                    },
                    evidence::kPlenty),
                IsOk());
    EXPECT_THAT(other->Delete(id), IsOk());
  };
  check();
  Restart();
  EXPECT_EQ(Where("db-0", id), std::vector<std::string>{"proxy"});
  const json rows = json::parse(Ask("/pressure-profiles").body);
  ASSERT_THAT(rows, SizeIs(1));
  EXPECT_EQ(rows[0]["profile_id"], id);
  EXPECT_EQ(rows[0]["pod_name"], "db-0");
  // Nobody is left who would tell of the incident.
  const json listed = json::parse(Ask("/incidents?pod_name=db-0").body);
  ASSERT_THAT(listed["incidents"], SizeIs(1));
  const json& incident = listed["incidents"][0];
  EXPECT_EQ(incident["id"], "incident-0");
  EXPECT_EQ(incident["pod_name"], "db-0");
  EXPECT_EQ(incident["verdict"], "memory_pressure");
  EXPECT_EQ(incident["state"], "ended");
  EXPECT_TRUE(incident["agent"].is_null());
  EXPECT_EQ(incident["evidence"][0]["id"], id);
  EXPECT_EQ(json::parse(Ask("/incidents?verdict=W3").body)["total"], 0);
  EXPECT_EQ(json::parse(Ask("/incidents?pod_name=db-1").body)["total"], 0);
  check();
}

TEST_F(ProxyEvidenceTest, ItIsListedOnceWhereverItLies) {
  auto node = MakeNode("db-0");
  const std::string first = node->Add("one", 1);
  node->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", first); }));
  // Gone from the node only.
  ASSERT_THAT(node->store().Delete(first), IsOk());
  const std::string second = node->Add("two", 2);
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", second); }));
  EXPECT_EQ(Where("db-0", first), std::vector<std::string>{"proxy"});
  EXPECT_THAT(json::parse(Ask("/pressure-profiles").body), SizeIs(2));
  EXPECT_EQ(Ask(StrCat("/incidents/db-0/", first, "/heap.pprof")).body, "one");
  EXPECT_EQ(Metric("fodc_proxy_evidence_copies"), 2);
  EXPECT_EQ(Metric("fodc_proxy_evidence_copies_total{outcome=\"copied\"}"), 2);
  EXPECT_EQ(Metric("fodc_proxy_evidence_copies_waiting"), 0);
}

TEST_F(ProxyEvidenceTest, WhatCameLaterIsCopiedToo) {
  auto node = MakeNode("db-0");
  const std::string id = node->Add("one");
  node->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", id); }));
  node->Amend(id);
  ASSERT_TRUE(Until([&] {
    return Metric("fodc_proxy_evidence_copies_total{outcome=\"copied\"}") == 2;
  }));
  node.reset();
  EXPECT_EQ(Ask(StrCat("/incidents/db-0/", id, "/later.txt")).body, "and then");
  EXPECT_THAT(CopiesOnDisk(), SizeIs(1));
}

TEST_F(ProxyEvidenceTest, APinHoldsInBothPlacesAndWithoutTheAgent) {
  auto node = MakeNode("db-0");
  const std::string id = node->Add("one");
  node->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", id); }));
  EXPECT_EQ(Post(StrCat("/incidents/db-0/", id, "/pin")).status, 200);
  EXPECT_TRUE(node->store().Read(id)->is_pinned);
  node.reset();
  Restart();
  EXPECT_EQ(Event("db-0", id)["pinned"], true);
  EXPECT_EQ(Post(StrCat("/incidents/db-0/", id, "/unpin")).status, 200);
  ASSERT_TRUE(Until([&] { return Event("db-0", id)["pinned"] == false; }));
}

TEST_F(ProxyEvidenceTest, TheOldestCopiesGiveWay) {
  options_.evidence_max_artifacts = 2;
  Restart();
  auto node = MakeNode("db-0");
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(node->Add("x", i));
  node->Start();
  ASSERT_TRUE(Until([&] {
    return Metric("fodc_proxy_evidence_copies_total{outcome=\"copied\"}") == 4;
  }));
  EXPECT_THAT(CopiesOnDisk(), SizeIs(2));
  EXPECT_EQ(Metric("fodc_proxy_evidence_copies_deleted_total"), 2);
  // What gave way is not copied again and again.
  ids.push_back(node->Add("x", 9));
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", ids.back()); }));
  EXPECT_EQ(Metric("fodc_proxy_evidence_copies_total{outcome=\"copied\"}"), 5);
  // Nor lost: the node has it.
  for (const std::string& id : ids) {
    EXPECT_EQ(Ask(StrCat("/incidents/db-0/", id, "/heap.pprof")).status, 200);
  }
}

TEST_F(ProxyEvidenceTest, WhatIsNoCapsuleLeavesNothing) {
  link::FakeEvidence fake(loop_);
  fake.Add(1, {{"heap", "abc"}});
  fake.events[0].meta.pod_name = "db-0";
  auto node = MakeNode("db-0");
  node->Start(&fake);
  ASSERT_TRUE(Until([&] {
    return Metric("fodc_proxy_evidence_copies_total{outcome=\"failed\"}") >= 1;
  }));
  const std::string id = fake.events[0].id;
  EXPECT_THAT(CopiesOnDisk(), IsEmpty());
  EXPECT_EQ(Where("db-0", id), std::vector<std::string>{"agent"});
  EXPECT_EQ(Metric("fodc_proxy_evidence_copies_waiting"), 1) << "tried later";
  EXPECT_EQ(Metric("fodc_proxy_evidence_copies"), 0);
}

TEST_F(ProxyEvidenceTest, AnEventOfAnotherPodIsNotKept) {
  link::FakeEvidence fake(loop_);
  fake.Add(1, {{"heap", "abc"}});
  fake.events[0].meta.pod_name = "../db-1";
  auto node = MakeNode("db-0");
  node->Start(&fake);
  ASSERT_TRUE(Until([&] {
    return Metric("fodc_proxy_evidence_copies_total{outcome=\"refused\"}") == 1;
  }));
  EXPECT_THAT(CopiesOnDisk(), IsEmpty());
  EXPECT_EQ(Metric("fodc_proxy_evidence_copies_waiting"), 0);
}

TEST_F(ProxyEvidenceTest, TheFirstOfOneIdIsKept) {
  auto first = MakeNode("db-0");
  const std::string id = first->Add("of the first");
  first->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", id); }));
  auto second = MakeNode("db-1");
  ASSERT_EQ(second->Add("of the second"), id);
  second->Start();
  ASSERT_TRUE(Until([&] {
    return Metric("fodc_proxy_evidence_copies_total{outcome=\"refused\"}") == 1;
  }));
  EXPECT_EQ(Where("db-1", id), std::vector<std::string>{"agent"});
  first.reset();
  EXPECT_EQ(Ask(StrCat("/incidents/db-0/", id, "/heap.pprof")).body,
            "of the first");
  EXPECT_EQ(Ask(StrCat("/incidents/db-1/", id, "/heap.pprof")).body,
            "of the second");
}

// A capsule that takes longer than anybody lives.
class Trickle final : public link::EvidenceSource {
 public:
  Trickle(net::EventLoop& loop, link::EvidenceSource* other)
      : loop_(loop), other_(other) {}
  void List(ListCallback done) override { other_->List(std::move(done)); }
  void Open(const link::EvidenceWish& /*wish*/, OpenCallback done) override {
    ++asked;
    loop_.Post([this, done = std::move(done)]() mutable {
      done(link::OpenedEvidence{.info = {},
                                .reader = std::make_unique<Drops>(loop_)});
    });
  }
  void Pin(const std::string& id, bool pinned, DoneCallback done) override {
    other_->Pin(id, pinned, std::move(done));
  }
  const std::string& root() const override { return other_->root(); }
  int asked = 0;

 private:
  // The head of a zstd frame that is skipped, of 256 MiB; then a byte now and
  // then.
  class Drops final : public link::EvidenceReader {
   public:
    explicit Drops(net::EventLoop& loop) : loop_(loop) {}
    void Read(std::size_t, ReadCallback done) override {
      done_ = std::move(done);
      std::string bytes = std::exchange(next_, "x");
      timer_ =
          loop_.RunAfter(std::chrono::milliseconds(20),
                         [this, bytes = std::move(bytes)] { done_(bytes); });
    }

   private:
    net::EventLoop& loop_;
    net::EventLoop::Handle timer_;
    std::string next_ = "\x50\x2a\x4d\x18\xff\xff\xff\x0f";
    ReadCallback done_;
  };
  net::EventLoop& loop_;
  link::EvidenceSource* const other_;
};

TEST_F(ProxyEvidenceTest, AnAgentThatTricklesHoldsNobodyUp) {
  options_.evidence_copy_grace = std::chrono::milliseconds(300);
  Restart();
  link::FakeEvidence fake(loop_);
  fake.Add(1, {{"heap", "abc"}});
  fake.events[0].meta.pod_name = "db-0";
  Trickle trickle(loop_, &fake);
  auto slow = MakeNode("db-0");
  slow->Start(&trickle);
  ASSERT_TRUE(Until([&] { return trickle.asked > 0; }));
  auto other = MakeNode("db-1");
  const std::string id = other->Add("of another", 5);
  other->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-1", id); }));
  EXPECT_GE(Metric("fodc_proxy_evidence_copies_total{outcome=\"failed\"}"), 1);
  EXPECT_THAT(CopiesOnDisk(), SizeIs(1));
}

TEST_F(ProxyEvidenceTest, AnAgentThatGoesInMidCopyLeavesNothingHalf) {
  link::FakeEvidence fake(loop_);
  fake.Add(1, {{"heap", "abc"}});
  fake.events[0].meta.pod_name = "db-0";
  auto trickle = std::make_unique<Trickle>(loop_, &fake);
  auto node = MakeNode("db-0");
  node->Start(trickle.get());
  ASSERT_TRUE(Until([&] { return trickle->asked > 0; }));
  node.reset();
  ASSERT_TRUE(Until([&] {
    return Metric("fodc_proxy_evidence_copies_total{outcome=\"failed\"}") == 1;
  }));
  EXPECT_THAT(CopiesOnDisk(), IsEmpty());
  // It comes back, and answers.
  node = MakeNode("db-0");
  const std::string id = node->Add("whole", 9);
  node->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", id); }));
}

TEST_F(ProxyEvidenceTest, ADirectoryThatCannotBeUsedAnyMoreIsTriedAgain) {
  auto node = MakeNode("db-0");
  const std::string first = node->Add("one");
  node->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", first); }));
  ASSERT_EQ(evidence::Shell(StrCat("rm -rf ", copies_, "; touch ", copies_)),
            0);
  const std::string second = node->Add("two", 1);
  ASSERT_TRUE(Until([&] {
    return Metric("fodc_proxy_evidence_copies_total{outcome=\"failed\"}") >= 1;
  }));
  // The node is served as ever.
  EXPECT_EQ(Ask(StrCat("/incidents/db-0/", second, "/heap.pprof")).body, "two");
  ASSERT_EQ(evidence::Shell(StrCat("rm ", copies_)), 0);
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", second); }));
}

TEST_F(ProxyEvidenceTest, WhatIsTooOldGoesAndIsNotCopiedAnew) {
  options_.evidence_max_age = std::chrono::hours(1);
  options_.evidence_retain_every = std::chrono::milliseconds(50);
  Restart();
  auto node = MakeNode("db-0");
  const std::string old = node->Add("old");  // of a clock of long ago
  const std::string young = node->AddNow("young");
  node->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", young); }));
  // One that has become too old since it was copied.
  const auto copies = evidence::OpenStore(copies_);
  EventMeta meta;
  meta.pod_name = "db-0";
  const std::string aged =
      evidence::AddEvent(copies.get(), FakeClock().Unix(), {{"a", "b"}}, meta);
  ASSERT_TRUE(Until([&] {
    return CopiesOnDisk() == std::vector<std::string>{young};
  })) << aged;
  EXPECT_EQ(Where("db-0", old), std::vector<std::string>{"agent"});
  EXPECT_EQ(Metric("fodc_proxy_evidence_copies_total{outcome=\"copied\"}"), 1);
}

TEST_F(ProxyEvidenceTest, APinThatIsSetAtTheNodeIsTakenOver) {
  auto node = MakeNode("db-0");
  const std::string id = node->Add("one");
  node->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", id); }));
  // As often as it is set.
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(node->store().Pin(id, {}), IsOk());
    node->agent().link().OnEvidence();
    ASSERT_TRUE(Until([&] { return IsCopyPinned(id); })) << i;
    EXPECT_EQ(Post(StrCat("/incidents/db-0/", id, "/unpin")).status, 200);
    ASSERT_TRUE(Until([&] { return !IsCopyPinned(id); })) << i;
    // Until it has been looked at what the node says then.
    loop_.RunUntil([] { return false; }, std::chrono::milliseconds(2500));
  }
}

// What was answered is shown, and handed on when the agent is there again.
TEST_F(ProxyEvidenceTest, APinWithoutTheAgentIsShownAndHandedOn) {
  for (const bool pinned : {true, false}) {
    auto node = MakeNode("db-0");
    const std::string id = node->Add("one", pinned ? 0 : 1);
    if (!pinned) {
      ASSERT_THAT(node->store().Pin(id, {}), IsOk());
    }
    node->Start();
    ASSERT_TRUE(Until([&] { return HasCopy("db-0", id); }));
    ASSERT_TRUE(Until([&] { return IsCopyPinned(id) != pinned; }));
    node.reset();
    ASSERT_EQ(
        Post(StrCat("/incidents/db-0/", id, pinned ? "/pin" : "/unpin")).status,
        200);
    EXPECT_EQ(Event("db-0", id)["pinned"], pinned);
    node = MakeNode("db-0");
    node->Start();
    ASSERT_TRUE(
        Until([&] { return node->store().Read(id)->is_pinned == pinned; }));
    ASSERT_TRUE(Until([&] { return Event("db-0", id)["pinned"] == pinned; }));
    EXPECT_EQ(IsCopyPinned(id), pinned);
  }
}

// What the agent was heard to say last is that it is pinned.
TEST_F(ProxyEvidenceTest, AnUnpinWithoutTheAgentStays) {
  auto node = MakeNode("db-0");
  const std::string id = node->Add("one");
  ASSERT_THAT(node->store().Pin(id, {}), IsOk());
  node->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", id); }));
  ASSERT_TRUE(IsCopyPinned(id));
  node.reset();
  (void)Post(StrCat("/incidents/db-0/", id, "/unpin"));
  ASSERT_TRUE(Until([&] { return !IsCopyPinned(id); }));
  // Over more than one look at what the agents have.
  loop_.RunUntil([] { return false; }, std::chrono::milliseconds(2500));
  EXPECT_FALSE(IsCopyPinned(id));
}

TEST_F(ProxyEvidenceTest, ACopyThatWasRemovedIsNotFound) {
  auto node = MakeNode("db-0");
  const std::string id = node->Add("one");
  node->Start();
  ASSERT_TRUE(Until([&] { return HasCopy("db-0", id); }));
  node.reset();
  ASSERT_EQ(evidence::Shell(StrCat("rm -rf ", copies_, "/", id)), 0);
  EXPECT_EQ(Ask(StrCat("/incidents/db-0/", id, "/heap.pprof")).status, 404);
  ASSERT_TRUE(Until([&] { return Metric("fodc_proxy_evidence_copies") == 0; }));
}

TEST_F(ProxyEvidenceTest, ADirectoryThatCannotBeUsedIsSaidAtTheStart) {
  ASSERT_THAT(WriteFileAtomically(tree_.File("file"), "x"), IsOk());
  options_.evidence_dir = tree_.File("file");
  const auto proxy = Proxy::Start(loop_, options_);
  ASSERT_FALSE(proxy.ok());
  EXPECT_THAT(proxy.status().message(),
              HasSubstr(StrCat("--evidence-dir ", tree_.File("file"), ": ")));
}

}  // namespace
}  // namespace fodc::proxy
