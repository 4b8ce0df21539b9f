// SPDX-License-Identifier: Apache-2.0
// StreamPressureProfiles, the proxy's end: v1 agents that are slow, late, out
// of order or hostile, and the recorded one with its own bytes.
#include "fodc/link/v1_profiles.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/link/evidence_testing.h"
#include "fodc/link/test_peer.h"
#include "tests/support/recorded_traffic.h"

namespace fodc::link {
namespace {

namespace v1 = banyandb::fodc::v1;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A v1 agent with a stream of pressure profiles, driven by hand.
struct ProfilePeer : V1Peer {
  using V1Peer::V1Peer;
  std::unique_ptr<TestStream> pressure;
  std::size_t read = 0;

  void Record(int second, std::uint64_t bytes, const std::string& path) {
    v1::StreamPressureProfilesRequest m;
    m.mutable_record()->set_profile_id(EventIdAt(second));
    auto* p = m.mutable_record()->add_profiles();
    p->set_type("heap");
    p->set_filename("heap.pprof");
    p->set_filepath(path);
    p->set_size_bytes(static_cast<std::int64_t>(bytes));
    pressure->Send(m);
  }
  void Complete(const std::string& request) {
    v1::StreamPressureProfilesRequest m;
    m.mutable_list_complete()->set_request_id(request);
    pressure->Send(m);
  }
  void Chunk(const std::string& request, const std::string& data, bool last,
             const std::string& error = "") {
    v1::StreamPressureProfilesRequest m;
    m.mutable_chunk()->set_request_id(request);
    m.mutable_chunk()->set_data(data);
    m.mutable_chunk()->set_last(last);
    m.mutable_chunk()->set_error(error);
    pressure->Send(m);
  }
};

class V1ProfilesTest : public LinkServerTest {
 protected:
  std::unique_ptr<ProfilePeer> Join(const std::string& pod) {
    auto peer = std::make_unique<ProfilePeer>(loop_, address());
    peer->Register(pod);
    EXPECT_TRUE(Until([&] { return peer->registered(); }));
    OpenAndAwait([&] {
      peer->pressure = peer->client.OpenV1("StreamPressureProfiles", peer->id);
    });
    return peer;
  }
  void Start() {
    StartServer();
    peer_ = Join("pod");
  }
  v1::StreamPressureProfilesResponse Command(ProfilePeer* peer) {
    EXPECT_TRUE(Until([&] { return peer->pressure->received() > peer->read; }));
    return peer->pressure->Message<v1::StreamPressureProfilesResponse>(
        peer->read++);
  }
  // What a refresh comes to, once it has.
  std::shared_ptr<std::optional<Status>> Refresh(
      const std::vector<fleet::AgentId>& agents,
      milliseconds patience = seconds(60)) {
    auto end = std::make_shared<std::optional<Status>>();
    server_->RefreshEvents(agents, SystemClock().Monotonic() + patience,
                           [end](const Status& s) { *end = s; });
    EXPECT_FALSE(*end) << "never inside the call";
    return end;
  }
  bool Ended(const std::shared_ptr<std::optional<Status>>& end) {
    return Until([&] { return end->has_value(); });
  }
  // The proxy knows of one event with a heap profile of so many bytes.
  void ListOne(std::uint64_t bytes) {
    const auto end = Refresh({peer_->id});
    const auto command = Command(peer_.get());
    peer_->Record(1, bytes, "/data/x/heap.pprof");
    peer_->Complete(command.list_profiles().request_id());
    ASSERT_TRUE(Ended(end));
    ASSERT_THAT(**end, IsOk());
  }
  std::unique_ptr<TestDownload> Ask(milliseconds patience = seconds(60)) {
    return std::make_unique<TestDownload>(
        *server_, peer_->id,
        fleet::EvidenceQuestion{EventIdAt(1), "heap.pprof", 0, std::nullopt},
        patience);
  }
  bool Finished(TestDownload* d) {
    return Until([d] { return d->Pull(); });
  }
  std::vector<std::string> Listed(const std::string& pod = "pod") {
    std::vector<std::string> ids;
    for (const auto& node : fleet_->events().Find(pod)) {
      for (const auto& e : node->events) ids.push_back(e->id);
    }
    return ids;
  }

  std::unique_ptr<ProfilePeer> peer_;
};

TEST_F(V1ProfilesTest, AListIsSwappedAtOnceAndCallersShareARound) {
  Start();
  const auto first = Refresh({peer_->id});
  const auto second = Refresh({peer_->id});
  const std::string request = Command(peer_.get()).list_profiles().request_id();
  EXPECT_EQ(request.size(), 36u);
  peer_->Record(1, 3, "/data/1");
  peer_->Record(2, 3, "/data/2");
  RunFor(milliseconds(50));
  EXPECT_THAT(Listed(), IsEmpty());
  peer_->Complete(request);
  ASSERT_TRUE(Ended(first));
  ASSERT_TRUE(Ended(second));
  EXPECT_THAT(**first, IsOk());
  EXPECT_THAT(**second, IsOk());
  EXPECT_THAT(Listed(), ElementsAre(EventIdAt(2), EventIdAt(1)));
  EXPECT_EQ(peer_->pressure->received(), 1u) << "one question for both";
  const auto event = fleet_->events().Find("pod").at(0)->events.at(0);
  EXPECT_EQ(event->meta.profiles.at(0).filepath, "/data/2");
  // None is an answer.
  const auto third = Refresh({peer_->id});
  peer_->Complete(Command(peer_.get()).list_profiles().request_id());
  ASSERT_TRUE(Ended(third));
  EXPECT_THAT(Listed(), IsEmpty());
}

TEST_F(V1ProfilesTest, WhoDoesNotAnswerIsNamedAndALateListCounts) {
  Start();
  const auto other = Join("other");
  const auto end = Refresh({peer_->id, other->id, "nobody"}, milliseconds(100));
  peer_->Record(1, 3, "/data/1");
  peer_->Complete(Command(peer_.get()).list_profiles().request_id());
  ASSERT_TRUE(Ended(end));
  EXPECT_THAT(**end, StatusIs(Code::kDeadlineExceeded, HasSubstr(other->id)));
  EXPECT_THAT((*end)->message(), Not(HasSubstr(peer_->id)));
  EXPECT_THAT(Listed(), SizeIs(1));
  const auto late = Command(other.get()).list_profiles().request_id();
  other->Record(2, 3, "/data/2");
  other->Complete(late);
  ASSERT_TRUE(Until([&] { return Listed("other").size() == 1; }));
  // Told twice, it is still there; and of an id that nobody gave, it counts.
  other->Complete(late);
  RunFor(milliseconds(50));
  EXPECT_THAT(Listed("other"), SizeIs(1));
  other->Record(3, 3, "/data/3");
  other->Record(4, 3, "/data/4");
  other->Complete("an id that nobody gave");
  ASSERT_TRUE(Until([&] { return Listed("other").size() == 2; }));
  const auto again = Refresh({other->id, "nobody"});
  other->Complete(Command(other.get()).list_profiles().request_id());
  ASSERT_TRUE(Ended(again));
  EXPECT_THAT(**again, StatusIs(Code::kUnavailable, HasSubstr("nobody")));
  EXPECT_THAT(Listed("other"), IsEmpty());
}

TEST_F(V1ProfilesTest, TheListingOutlivesTheAgentAndDoesNotDouble) {
  Start();
  ListOne(3);
  const fleet::AgentId before = peer_->id;
  peer_->registration->HalfClose();
  ASSERT_TRUE(Until([&] { return server_->stats().sessions == 0; }));
  EXPECT_THAT(Listed(), SizeIs(1));
  peer_ = Join("POD");
  // By the old name and from the old listing, of the one that lives.
  auto d = std::make_unique<TestDownload>(
      *server_, before,
      fleet::EvidenceQuestion{EventIdAt(1), "heap.pprof", 0, std::nullopt});
  const auto command = Command(peer_.get()).fetch_profile();
  EXPECT_EQ(command.filepath(), "/data/x/heap.pprof");
  peer_->Chunk(command.request_id(), "abc", true);
  ASSERT_TRUE(Finished(d.get()));
  EXPECT_THAT(*d->end(), IsOk());
  ListOne(3);
  EXPECT_THAT(Listed(), SizeIs(1));
}

TEST_F(V1ProfilesTest, AFileComesInChunksWithATerminatorOrWithout) {
  Start();
  const std::string text = Noise(2'500'000);
  ListOne(text.size());
  for (const bool with_terminator : {true, false}) {
    const auto d = Ask();
    const auto fetch = Command(peer_.get()).fetch_profile();
    EXPECT_EQ(fetch.profile_id(), EventIdAt(1));
    EXPECT_EQ(fetch.type(), "heap");
    peer_->Chunk(fetch.request_id(), text.substr(0, 1u << 20), false);
    peer_->Chunk(fetch.request_id(), text.substr(1u << 20, 1u << 20), false);
    peer_->Chunk(fetch.request_id(), text.substr(2u << 20), !with_terminator);
    if (with_terminator) peer_->Chunk(fetch.request_id(), "", true);
    ASSERT_TRUE(Finished(d.get()));
    EXPECT_THAT(*d->end(), IsOk());
    EXPECT_TRUE(d->bytes() == text);
    EXPECT_EQ(d->answer().size_bytes, text.size());
  }
}

TEST_F(V1ProfilesTest, ErrorsAndShortFilesAreFailures) {
  Start();
  ListOne(5);
  auto d = Ask();
  peer_->Chunk(Command(peer_.get()).fetch_profile().request_id(), "", true,
               "failed to open profile \"/x\": no such file or directory");
  ASSERT_TRUE(Finished(d.get()));
  EXPECT_THAT(*d->end(),
              StatusIs(Code::kNotFound,
                       HasSubstr("agent failed to serve profile: failed to")));
  d = Ask();
  peer_->Chunk(Command(peer_.get()).fetch_profile().request_id(), "", true,
               "pressure profiler not available");
  ASSERT_TRUE(Finished(d.get()));
  EXPECT_THAT(*d->end(), StatusIs(Code::kUnavailable, _));
  d = Ask();
  const auto request = Command(peer_.get()).fetch_profile().request_id();
  peer_->Chunk(request, "abc", false);
  ASSERT_TRUE(Until([&] {
    d->Pull();
    return d->bytes().size() == 3;
  }));
  peer_->Chunk(request, "", true);
  ASSERT_TRUE(Finished(d.get()));
  EXPECT_THAT(*d->end(), StatusIs(Code::kDataLoss, _))
      << "no clean short answer";
}

TEST_F(V1ProfilesTest, OneAfterTheOtherAndChunksOfTheDeadAreDropped) {
  Start();
  ListOne(3);
  const auto first = Ask();
  const auto second = Ask();
  const auto third = Ask(milliseconds(50));
  fleet::EvidenceQuestion question{EventIdAt(1), "heap.pprof", 0, std::nullopt};
  question.withdrawal = std::make_shared<fleet::Withdrawal>();
  TestDownload withdrawn(*server_, peer_->id, question);
  const auto request = Command(peer_.get()).fetch_profile().request_id();
  peer_->Chunk(request, "a", false);
  ASSERT_TRUE(Until([&] { return first->has_begun(); }));
  EXPECT_EQ(peer_->pressure->received(), peer_->read);
  // Neither what is withdrawn nor what waits for its turn too long is ever
  // asked for.
  question.withdrawal->Withdraw();
  ASSERT_TRUE(Finished(&withdrawn));
  EXPECT_THAT(*withdrawn.end(), StatusIs(Code::kCancelled, _));
  ASSERT_TRUE(Finished(third.get()));
  EXPECT_THAT(*third->end(), StatusIs(Code::kDeadlineExceeded, _));
  first->Leave();
  peer_->Chunk(request, "bc", false);
  RunFor(milliseconds(50));
  EXPECT_EQ(peer_->pressure->received(), peer_->read)
      << "v1 cannot be stopped: its turn lasts until the end";
  peer_->Chunk(request, "", true);
  const auto next = Command(peer_.get()).fetch_profile().request_id();
  peer_->Chunk(request, "old", true);
  peer_->Chunk("unknown", "old", true);
  peer_->Chunk(next, "xyz", true);
  peer_->Chunk(next, "xyz", true);
  ASSERT_TRUE(Finished(second.get()));
  EXPECT_THAT(*second->end(), IsOk());
  EXPECT_EQ(second->bytes(), "xyz");
  EXPECT_EQ(peer_->pressure->received(), peer_->read);
}

TEST_F(V1ProfilesTest, AnAgentThatFallsSilentIsGivenUp) {
  options_.evidence_piece_timeout = milliseconds(100);
  Start();
  ListOne(3);
  const auto d = Ask();
  const auto never = Ask(milliseconds(300));
  const auto request = Command(peer_.get()).fetch_profile().request_id();
  peer_->Chunk(request, "a", false);
  ASSERT_TRUE(Finished(d.get()));
  EXPECT_THAT(*d->end(),
              StatusIs(Code::kDeadlineExceeded, HasSubstr(peer_->id)));
  ASSERT_TRUE(Finished(never.get()));
  EXPECT_THAT(*never->end(), StatusIs(Code::kDeadlineExceeded, _));
}

TEST_F(V1ProfilesTest, AnAgentThatGoesFailsWhatIsUnderWay) {
  Start();
  ListOne(3);
  const auto d = Ask();
  const auto waits = Ask();
  const auto list = Refresh({peer_->id});
  peer_->Chunk(Command(peer_.get()).fetch_profile().request_id(), "a", false);
  ASSERT_TRUE(Until([&] { return d->has_begun(); }));
  peer_->pressure->Cancel();
  for (TestDownload* one : {d.get(), waits.get()}) {
    ASSERT_TRUE(Finished(one));
    EXPECT_THAT(*one->end(),
                StatusIs(Code::kUnavailable, HasSubstr("disconnected during")));
  }
  ASSERT_TRUE(Ended(list));
  EXPECT_THAT(**list, StatusIs(Code::kUnavailable, _));
  const auto late = Ask();
  ASSERT_TRUE(Finished(late.get()));
  EXPECT_THAT(*late->end(), StatusIs(Code::kUnavailable,
                                     HasSubstr("stream not established")));
}

TEST_F(V1ProfilesTest, AReaderThatStopsCostsBoundedMemoryAndThenItsDownload) {
  options_.v1_stall_timeout = milliseconds(300);
  Start();
  const std::size_t size = 64u << 20;
  ListOne(size);
  const auto d = Ask();
  const auto request = Command(peer_.get()).fetch_profile().request_id();
  const std::string mib(1u << 20, 'x');
  for (std::size_t i = 0; i < size >> 20; ++i) {
    peer_->Chunk(request, mib, false);
  }
  peer_->Chunk(request, "", true);
  ASSERT_TRUE(Until([&] { return d->has_begun(); }));
  // Others wait for the agent only as long as that.
  const auto list = Refresh({peer_->id});
  peer_->Complete(Command(peer_.get()).list_profiles().request_id());
  ASSERT_TRUE(Ended(list));
  EXPECT_THAT(**list, IsOk());
  ASSERT_TRUE(Finished(d.get()));
  EXPECT_THAT(*d->end(), StatusIs(Code::kDeadlineExceeded, HasSubstr("slow")));
}

TEST_F(V1ProfilesTest, AReaderThatIsSlowGetsAll) {
  Start();
  const std::size_t size = 16u << 20;
  ListOne(size);
  const auto d = Ask();
  const auto request = Command(peer_.get()).fetch_profile().request_id();
  const std::string mib(1u << 20, 'x');
  for (std::size_t i = 0; i < size >> 20; ++i) {
    peer_->Chunk(request, mib, false);
  }
  peer_->Chunk(request, "", true);
  ASSERT_TRUE(Until([&] { return d->has_begun(); }));
  RunFor(milliseconds(100));
  ASSERT_TRUE(Finished(d.get()));
  EXPECT_THAT(*d->end(), IsOk());
  EXPECT_EQ(d->bytes().size(), size);
}

TEST_F(V1ProfilesTest, WhatV1CannotDoIsSaid) {
  Start();
  ListOne(3);
  TestDownload capsule(*server_, peer_->id,
                       {EventIdAt(1), "", 0, std::nullopt});
  TestDownload part(*server_, peer_->id,
                    {EventIdAt(1), "heap.pprof", 1, std::nullopt});
  TestDownload unknown(*server_, peer_->id,
                       {EventIdAt(1), "../../passwd", 0, std::nullopt});
  for (TestDownload* d : {&capsule, &part, &unknown}) {
    ASSERT_TRUE(Finished(d));
  }
  EXPECT_THAT(*capsule.end(), StatusIs(Code::kUnimplemented, _));
  EXPECT_THAT(*part.end(), StatusIs(Code::kUnimplemented, _));
  EXPECT_THAT(*unknown.end(), StatusIs(Code::kNotFound, _));
  std::optional<Status> pinned;
  server_->Pin(peer_->id, EventIdAt(1), true,
               SystemClock().Monotonic() + seconds(60),
               [&](const Status& s) { pinned = s; });
  ASSERT_TRUE(Until([&] { return pinned.has_value(); }));
  EXPECT_THAT(*pinned, StatusIs(Code::kUnimplemented, _));
  EXPECT_EQ(peer_->pressure->received(), peer_->read);
}

TEST_F(V1ProfilesTest, HostileListsAreBounded) {
  Start();
  const auto end = Refresh({peer_->id});
  const auto request = Command(peer_.get()).list_profiles().request_id();
  for (int i = 0; i < 400; ++i) peer_->Record(i, 3, "/data/x");
  v1::StreamPressureProfilesRequest bad;
  bad.mutable_record()->set_profile_id("../../etc");
  peer_->pressure->Send(bad);
  bad.mutable_record()->set_profile_id(EventIdAt(999));
  bad.mutable_record()->add_profiles()->set_filename("a/../../b");
  peer_->pressure->Send(bad);
  peer_->Complete(request);
  ASSERT_TRUE(Ended(end));
  EXPECT_THAT(Listed(), SizeIs(EventStage::kEvents));
  peer_->Chunk("x", std::string(3u << 20, 'x'), true);
  ASSERT_TRUE(Until([&] { return peer_->pressure->end().has_value(); }));
  EXPECT_THAT(*peer_->pressure->end(), StatusIs(Code::kResourceExhausted, _));
}

// The recorded agent's own bytes answer our questions.
TEST_F(V1ProfilesTest, TheRecordedAgentIsListedAndItsProfilesDownload) {
  Start();
  std::vector<std::string> chunks[2];
  std::string bytes[2];
  bool has_record = false;
  std::string record;
  for (const auto& e : test::ReadRecordedTraffic("agent-proxy.jsonl.zst")) {
    if (e.kind != "client" || !e.method.ends_with("/StreamPressureProfiles")) {
      continue;
    }
    v1::StreamPressureProfilesRequest m;
    ASSERT_TRUE(m.ParseFromString(e.bytes));
    if (m.has_record() && !has_record) {
      record = e.bytes;
      has_record = true;
    }
    if (m.has_chunk()) {
      const int which = m.chunk().type() == "heap" ? 0 : 1;
      chunks[which].push_back(e.bytes);
      bytes[which] += m.chunk().data();
    }
  }
  ASSERT_TRUE(has_record);
  const auto end = Refresh({peer_->id});
  const auto request = Command(peer_.get()).list_profiles().request_id();
  peer_->pressure->SendBytes(record);
  peer_->Complete(request);
  ASSERT_TRUE(Ended(end));
  ASSERT_THAT(Listed(), ElementsAre("20261121T073036.667474998Z"));
  const auto event = fleet_->events().Find("pod").at(0)->events.at(0);
  ASSERT_THAT(event->meta.profiles, SizeIs(2));
  for (int i = 0; i < 2; ++i) {
    const auto& profile = event->meta.profiles[static_cast<std::size_t>(i)];
    TestDownload d(*server_, peer_->id,
                   {event->id, profile.filename, 0, std::nullopt});
    const auto fetch = Command(peer_.get()).fetch_profile();
    EXPECT_EQ(fetch.filepath(), profile.filepath);
    for (const std::string& chunk : chunks[i]) {
      v1::StreamPressureProfilesRequest m;
      ASSERT_TRUE(m.ParseFromString(chunk));
      m.mutable_chunk()->set_request_id(fetch.request_id());
      peer_->pressure->Send(m);
    }
    ASSERT_TRUE(Finished(&d));
    EXPECT_THAT(*d.end(), IsOk());
    EXPECT_FALSE(d.bytes().empty());
    EXPECT_EQ(d.bytes().size(), profile.size_bytes);
    EXPECT_TRUE(d.bytes() == bytes[i]);
  }
}

}  // namespace
}  // namespace fodc::link
