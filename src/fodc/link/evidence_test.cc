// SPDX-License-Identifier: Apache-2.0
// Evidence over the flight link: told, fetched under flow control, cancelled,
// resumed, pinned; and peers that do not mean well.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/flight/v1/flight.pb.h"
#include "fodc/link/evidence_testing.h"
#include "fodc/link/flight_codec.h"
#include "fodc/link/flight_fetches.h"
#include "fodc/link/flight_link_testing.h"

namespace fodc::link {
namespace {

using flight::v1::AgentMessage;
using flight::v1::ProxyMessage;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kConnect[] = "/fodc.flight.v1.FlightService/Connect";

class EvidenceLinkTest : public FlightLinkTest {
 protected:
  void StartWithEvidence() {
    StartServer();
    relay_ = std::make_unique<test::TcpRelay>(server_->port());
    agent_ = std::make_unique<TestAgent>(loop_, AgentOptions());
    agent_->set_evidence(&evidence_);
    agent_->StartLink();
    ASSERT_TRUE(Until([&] { return Told(); }));
  }
  // Whether the proxy lists what the agent has.
  bool Told() {
    const auto nodes = fleet_->events().Find("pod");
    const std::size_t held = nodes.empty() ? 0 : nodes[0]->events.size();
    if (evidence_.lists == 0 || held != evidence_.events.size()) return false;
    for (std::size_t i = 0; i < held; ++i) {
      const fleet::ListedEvent& ours = evidence_.events[i];
      const fleet::ListedEvent& theirs = *nodes[0]->events[i];
      if (ours.id != theirs.id || ours.bytes != theirs.bytes ||
          ours.is_pinned != theirs.is_pinned ||
          ours.meta.revision != theirs.meta.revision) {
        return false;
      }
    }
    return true;
  }
  fleet::AgentId id() { return fleet_->List()->front().id; }
  fleet::EvidenceQuestion Heap(int second) {
    return {EventIdAt(second), "heap.pprof", 0, std::nullopt};
  }
  bool Finished(TestDownload* d) {
    return Until([d] { return d->Pull(); });
  }

  FakeEvidence evidence_{loop_};
};

TEST_F(EvidenceLinkTest, TheListIsToldWholeThenByChange) {
  evidence_.Add(1, {{"heap", "abc"}});
  evidence_.Add(2, {{"heap", "abcd"}, {"goroutine", "x"}});
  StartWithEvidence();
  const auto node = fleet_->events().Find("pod").at(0);
  EXPECT_EQ(node->agent, id());
  EXPECT_EQ(node->events[0]->meta.profiles[1].filepath, "heap.pprof")
      << "no path leaves the agent";
  evidence_.Add(3, {{"heap", "new"}});
  evidence_.events.back().meta.revision = 2;
  evidence_.Remove(EventIdAt(2));
  agent_->link().OnEvidence();
  ASSERT_TRUE(Until([&] { return Told(); }));
  evidence_.events.clear();
  agent_->link().OnEvidence();
  ASSERT_TRUE(Until([&] { return fleet_->events().List().empty(); }));
}

TEST_F(EvidenceLinkTest, TheListStaysWhenTheAgentGoesAndDoesNotDouble) {
  evidence_.Add(1, {{"heap", "abc"}});
  StartWithEvidence();
  relay_->Cut();
  ASSERT_TRUE(
      Until([&] { return agent_->stats().state != LinkState::kFlight; }));
  EXPECT_THAT(fleet_->events().List(), SizeIs(1));
  evidence_.Add(2, {{"heap", "abc"}});
  relay_->Heal();
  ASSERT_TRUE(Until([&] { return Told(); }));
  EXPECT_THAT(fleet_->events().List(), SizeIs(1));
  RestartServer();
  ASSERT_TRUE(Until([&] { return Told(); }));
}

TEST_F(EvidenceLinkTest, AListThatFailsIsToldLater) {
  evidence_.list_error = Unavailable("disk");
  StartServer();
  relay_ = std::make_unique<test::TcpRelay>(server_->port());
  agent_ = std::make_unique<TestAgent>(loop_, AgentOptions());
  agent_->set_evidence(&evidence_);
  agent_->StartLink();
  ASSERT_TRUE(Until([&] { return evidence_.lists > 0; }));
  evidence_.list_error = OkStatus();
  evidence_.Add(1, {{"heap", "abc"}});
  agent_->link().OnEvidence();
  EXPECT_TRUE(Until([&] { return Told(); }));
}

TEST_F(EvidenceLinkTest, ManyEventsGoInSeveralMessages) {
  options_.flight_message_bytes = 4096;
  for (int i = 0; i < 100; ++i) evidence_.Add(i, {{"heap", "x"}});
  StartWithEvidence();
  EXPECT_EQ(server_->stats().messages_refused, 0u);
  // And pieces keep to that limit, too.
  evidence_.Add(200, {{"heap", Noise(100'000)}});
  TestDownload d(*server_, id(), Heap(200));
  ASSERT_TRUE(Finished(&d));
  EXPECT_THAT(*d.end(), IsOk());
  EXPECT_EQ(d.bytes().size(), 100'000u);
}

TEST_F(EvidenceLinkTest, AFileArrivesWholeAndInPart) {
  const std::string text = Noise(5'000'000);
  evidence_.Add(1, {{"heap", text}, {"goroutine", ""}});
  StartWithEvidence();
  TestDownload whole(*server_, id(), Heap(1));
  ASSERT_TRUE(Finished(&whole));
  EXPECT_THAT(*whole.end(), IsOk());
  EXPECT_TRUE(whole.bytes() == text);
  EXPECT_EQ(whole.answer().size_bytes, text.size());
  EXPECT_EQ(whole.answer().sha256, std::string(64, 'a'));
  EXPECT_EQ(whole.answer().revision, 1u);
  fleet::EvidenceQuestion part = Heap(1);
  part.offset = 4'000'000;
  TestDownload rest(*server_, id(), part);
  part.offset = 123;
  part.length = 300'000;
  TestDownload middle(*server_, id(), part);
  TestDownload empty(*server_, id(),
                     {EventIdAt(1), "goroutine.pprof", 0, std::nullopt});
  TestDownload capsule(*server_, id(), {EventIdAt(1), "", 0, std::nullopt});
  for (TestDownload* d : {&rest, &middle, &empty, &capsule}) {
    ASSERT_TRUE(Finished(d));
    EXPECT_THAT(*d->end(), IsOk());
  }
  EXPECT_TRUE(rest.bytes() == text.substr(4'000'000));
  EXPECT_EQ(rest.answer().size_bytes, text.size());
  EXPECT_TRUE(middle.bytes() == text.substr(123, 300'000));
  EXPECT_EQ(empty.bytes(), "");
  EXPECT_EQ(capsule.bytes(), "capsule " + EventIdAt(1));
  EXPECT_EQ(capsule.answer().size_bytes, std::nullopt);
  EXPECT_EQ(evidence_.open_now, 0);
}

TEST_F(EvidenceLinkTest, WhatIsNotThereIsSaid) {
  evidence_.Add(1, {{"heap", Noise(100)}});
  StartWithEvidence();
  TestDownload gone(*server_, id(), Heap(9));
  fleet::EvidenceQuestion behind = Heap(1);
  behind.offset = 101;
  TestDownload far(*server_, id(), behind);
  TestDownload nobody(*server_, "nobody", Heap(1));
  TestDownload hostile(*server_, id(),
                       {"../..", std::string(100'000, 'x'), 0, std::nullopt});
  for (TestDownload* d : {&gone, &far, &nobody, &hostile}) {
    ASSERT_TRUE(Finished(d));
    EXPECT_EQ(d->answers(), 1);
  }
  EXPECT_THAT(*gone.end(), StatusIs(Code::kNotFound, _));
  EXPECT_THAT(*far.end(), StatusIs(Code::kOutOfRange, _));
  EXPECT_THAT(*nobody.end(), StatusIs(Code::kNotFound, HasSubstr("nobody")));
  EXPECT_THAT(*hostile.end(), StatusIs(Code::kNotFound, _));
}

TEST_F(EvidenceLinkTest, AReaderThatStopsHoldsUpNothingElse) {
  evidence_.Add(1, {{"heap", Noise(32u << 20)}});
  evidence_.Add(2, {{"heap", Noise(3u << 20)}});
  StartWithEvidence();
  TestDownload stopped(*server_, id(), Heap(1));
  ASSERT_TRUE(Until([&] { return stopped.has_begun(); }));
  RunFor(milliseconds(50));
  // It is not read further than was granted.
  EXPECT_LE(evidence_.bytes_read, FlightFetches::kWindow + (256u << 10));
  const std::uint64_t acknowledged = server_->stats().acknowledgements;
  TestDownload other(*server_, id(), Heap(2));
  ASSERT_TRUE(Finished(&other));
  EXPECT_EQ(other.bytes().size(), 3u << 20);
  agent_->Append(50);
  ExpectMirrored();
  ASSERT_TRUE(Until(
      [&] { return server_->stats().acknowledgements > acknowledged + 3; }));
  EXPECT_LE(evidence_.bytes_read,
            FlightFetches::kWindow + (3u << 20) + (512u << 10));
  // And goes on where it stopped.
  ASSERT_TRUE(Finished(&stopped));
  EXPECT_THAT(*stopped.end(), IsOk());
  EXPECT_TRUE(stopped.bytes() == Noise(32u << 20));
}

TEST_F(EvidenceLinkTest, AReaderThatLeavesMakesTheAgentStop) {
  evidence_.Add(1, {{"heap", Noise(32u << 20)}});
  StartWithEvidence();
  TestDownload d(*server_, id(), Heap(1));
  ASSERT_TRUE(Until([&] { return d.has_begun(); }));
  EXPECT_EQ(evidence_.open_now, 1);
  d.Leave();
  ASSERT_TRUE(Until([&] { return evidence_.open_now == 0; }));
  RunFor(milliseconds(20));
  EXPECT_LE(evidence_.bytes_read, FlightFetches::kWindow + (512u << 10));
}

TEST_F(EvidenceLinkTest, AnAgentThatGoesFailsWhatIsUnderWayAndItIsResumed) {
  const std::string text = Noise(8u << 20);
  evidence_.Add(1, {{"heap", text}});
  StartWithEvidence();
  TestDownload d(*server_, id(), Heap(1));
  ASSERT_TRUE(Until([&] {
    d.Pull();
    return d.bytes().size() > (2u << 20);
  }));
  relay_->Cut();
  ASSERT_TRUE(Finished(&d));
  EXPECT_THAT(*d.end(),
              StatusIs(Code::kUnavailable, HasSubstr("disconnected during")));
  ASSERT_LT(d.bytes().size(), text.size());
  const fleet::AgentId before = id();
  relay_->Heal();
  ASSERT_TRUE(Until([&] {
    return agent_->stats().state == LinkState::kFlight && id() != before;
  }));
  fleet::EvidenceQuestion rest = Heap(1);
  rest.offset = d.bytes().size();
  // By the name that the agent had before.
  TestDownload again(*server_, before, rest);
  ASSERT_TRUE(Finished(&again));
  EXPECT_THAT(*again.end(), IsOk());
  EXPECT_TRUE(d.bytes() + again.bytes() == text);
}

TEST_F(EvidenceLinkTest, AFailureInTheMiddleIsNoEnd) {
  evidence_.Add(1, {{"heap", Noise(1u << 20)}});
  evidence_.fails_at = 500'000;
  StartWithEvidence();
  TestDownload d(*server_, id(), Heap(1));
  ASSERT_TRUE(Finished(&d));
  EXPECT_THAT(*d.end(), StatusIs(Code::kDataLoss, HasSubstr("hole")));
}

TEST_F(EvidenceLinkTest, ADiskThatHangsIsGivenUpAndTheRestGoesOn) {
  options_.evidence_piece_timeout = milliseconds(50);
  evidence_.Add(1, {{"heap", Noise(1u << 20)}});
  StartWithEvidence();
  evidence_.hangs = true;
  TestDownload d(*server_, id(), Heap(1), milliseconds(50));
  ASSERT_TRUE(Finished(&d));
  EXPECT_THAT(*d.end(), StatusIs(Code::kDeadlineExceeded, _));
  ASSERT_TRUE(Until([&] { return evidence_.open_now == 0; }))
      << "the agent was told to stop";
  agent_->Append(5);
  ExpectMirrored();
}

TEST_F(EvidenceLinkTest, AWithdrawnQuestionIsCancelledAtTheAgent) {
  evidence_.Add(1, {{"heap", Noise(1u << 20)}});
  StartWithEvidence();
  evidence_.hangs = true;
  fleet::EvidenceQuestion question = Heap(1);
  question.withdrawal = std::make_shared<fleet::Withdrawal>();
  TestDownload d(*server_, id(), question);
  ASSERT_TRUE(Until([&] { return evidence_.open_now == 1; }));
  question.withdrawal->Withdraw();
  EXPECT_FALSE(d.end()) << "never inside the call";
  ASSERT_TRUE(Finished(&d));
  EXPECT_THAT(*d.end(), StatusIs(Code::kCancelled, _));
  ASSERT_TRUE(Until([&] { return evidence_.open_now == 0; }))
      << "the agent was told to stop";
  // Once it has begun there is nothing to withdraw.
  evidence_.hangs = false;
  question.withdrawal = std::make_shared<fleet::Withdrawal>();
  TestDownload whole(*server_, id(), question);
  ASSERT_TRUE(Until([&] { return whole.has_begun(); }));
  question.withdrawal->Withdraw();
  ASSERT_TRUE(Finished(&whole));
  EXPECT_THAT(*whole.end(), IsOk());
}

TEST_F(EvidenceLinkTest, NoMoreDownloadsThanAnAgentServes) {
  evidence_.Add(1, {{"heap", Noise(2u << 20)}});
  StartWithEvidence();
  std::vector<std::unique_ptr<TestDownload>> all;
  for (std::size_t i = 0; i <= FlightFetches::kMaxFetches; ++i) {
    all.push_back(std::make_unique<TestDownload>(*server_, id(), Heap(1)));
  }
  ASSERT_TRUE(Finished(all.back().get()));
  EXPECT_THAT(*all.back()->end(), StatusIs(Code::kUnavailable, _));
  all.pop_back();
  for (const auto& d : all) {
    ASSERT_TRUE(Finished(d.get()));
    EXPECT_THAT(*d->end(), IsOk());
    EXPECT_EQ(d->bytes().size(), 2u << 20);
  }
}

TEST_F(EvidenceLinkTest, AnEventIsPinnedAndUnpinned) {
  evidence_.Add(1, {{"heap", "abc"}});
  StartWithEvidence();
  for (const bool pinned : {true, false}) {
    std::optional<Status> done;
    server_->Pin(id(), EventIdAt(1), pinned,
                 SystemClock().Monotonic() + seconds(60),
                 [&](const Status& s) { done = s; });
    EXPECT_FALSE(done) << "never inside the call";
    ASSERT_TRUE(Until([&] { return done.has_value(); }));
    EXPECT_THAT(*done, IsOk());
    EXPECT_EQ(evidence_.events[0].is_pinned, pinned);
    agent_->link().OnEvidence();  // as its server does
    ASSERT_TRUE(Until([&] { return Told(); }));
  }
  std::optional<Status> done;
  server_->Pin(id(), EventIdAt(7), true,
               SystemClock().Monotonic() + seconds(60),
               [&](const Status& s) { done = s; });
  ASSERT_TRUE(Until([&] { return done.has_value(); }));
  EXPECT_THAT(*done, StatusIs(Code::kNotFound, _));
}

TEST_F(EvidenceLinkTest, AnAgentWithoutEvidenceSaysSo) {
  StartAll();
  ASSERT_TRUE(Until([&] { return !fleet_->List()->empty(); }));
  TestDownload d(*server_, id(), Heap(1));
  ASSERT_TRUE(Finished(&d));
  EXPECT_THAT(*d.end(), StatusIs(Code::kUnavailable, HasSubstr("no evidence")));
  EXPECT_THAT(fleet_->events().List(), IsEmpty());
}

// An agent driven by hand.
class HandDrivenTest : public LinkServerTest {
 protected:
  void Connect() {
    StartServer();
    client_ = std::make_unique<TestClient>(loop_, address());
    stream_ = client_->Open(kConnect);
    AgentMessage m;
    m.mutable_hello()->set_protocol(kFlightProtocol);
    m.mutable_hello()->add_features(std::string(kEvidenceFeature));
    m.mutable_hello()->mutable_identity()->set_pod_name("pod");
    m.mutable_hello()->mutable_identity()->set_instance_id("i");
    m.mutable_hello()->mutable_identity()->set_incarnation(1);
    stream_->Send(m);
    ASSERT_TRUE(Until([&] { return stream_->received() == 1; }));
  }
  fleet::AgentId id() { return fleet_->List()->front().id; }
  // The proxy's next word of this kind.
  ProxyMessage Await(ProxyMessage::BodyCase kind) {
    ProxyMessage found;
    EXPECT_TRUE(Until([&] {
      for (; read_ < stream_->received(); ++read_) {
        found = stream_->Message<ProxyMessage>(read_);
        if (found.body_case() == kind) {
          ++read_;
          return true;
        }
      }
      return false;
    }));
    return found;
  }
  std::uint64_t Fetch() {
    download_ = std::make_unique<TestDownload>(
        *server_, id(),
        fleet::EvidenceQuestion{EventIdAt(1), "heap.pprof", 0, std::nullopt});
    return Await(ProxyMessage::kEvidenceFetch).evidence_fetch().fetch();
  }
  void SendPiece(std::uint64_t fetch, const std::string& data, bool is_last,
                 std::optional<std::uint64_t> size = {}) {
    AgentMessage m;
    auto* p = m.mutable_evidence_piece();
    p->set_fetch(fetch);
    p->set_data(data);
    p->set_is_last(is_last);
    if (size) p->mutable_info()->set_size_bytes(*size);
    stream_->Send(m);
  }
  bool Finished() {
    return Until([&] { return download_->Pull(); });
  }

  std::unique_ptr<TestClient> client_;
  std::unique_ptr<TestStream> stream_;
  std::unique_ptr<TestDownload> download_;
  std::size_t read_ = 0;
};

TEST_F(HandDrivenTest, MoreThanWasGrantedEndsTheStream) {
  Connect();
  const std::uint64_t fetch = Fetch();
  for (int i = 0; i < 3; ++i) {
    SendPiece(fetch, std::string(400'000, 'x'), false);
  }
  ASSERT_TRUE(Until([&] { return stream_->end().has_value(); }));
  EXPECT_THAT(*stream_->end(), StatusIs(Code::kResourceExhausted, _));
  ASSERT_TRUE(Finished());
  EXPECT_FALSE(download_->end()->ok());
}

TEST_F(HandDrivenTest, AShortOrLongFileIsAFailure) {
  Connect();
  for (const std::uint64_t told : {2u, 4u}) {
    SendPiece(Fetch(), "abc", true, told);
    ASSERT_TRUE(Finished());
    EXPECT_THAT(*download_->end(), StatusIs(Code::kDataLoss, _));
  }
  SendPiece(Fetch(), "abc", true, 3);
  ASSERT_TRUE(Finished());
  EXPECT_THAT(*download_->end(), IsOk());
}

TEST_F(HandDrivenTest, LateUnknownAndRepeatedAnswersAreIgnored) {
  Connect();
  const std::uint64_t fetch = Fetch();
  SendPiece(fetch + 77, "unknown", true);
  SendPiece(fetch, "abc", true, 3);
  SendPiece(fetch, "again", true);
  AgentMessage pin;
  pin.mutable_pin_answer()->set_number(99);
  stream_->Send(pin);
  ASSERT_TRUE(Finished());
  EXPECT_THAT(*download_->end(), IsOk());
  EXPECT_EQ(download_->bytes(), "abc");
  SendPiece(Fetch(), "xyz", true, 3);
  ASSERT_TRUE(Finished());
  EXPECT_EQ(download_->bytes(), "xyz");
}

TEST_F(HandDrivenTest, AnAgentThatNeverAnswersIsGivenUp) {
  Connect();
  download_ = std::make_unique<TestDownload>(
      *server_, id(),
      fleet::EvidenceQuestion{EventIdAt(1), "heap.pprof", 0, std::nullopt},
      milliseconds(20));
  const auto fetch = Await(ProxyMessage::kEvidenceFetch).evidence_fetch();
  ASSERT_TRUE(Finished());
  EXPECT_THAT(*download_->end(), StatusIs(Code::kDeadlineExceeded, _));
  EXPECT_EQ(Await(ProxyMessage::kEvidenceCancel).evidence_cancel().fetch(),
            fetch.fetch());
  SendPiece(fetch.fetch(), "late", true);
  RunFor(milliseconds(20));
  EXPECT_EQ(download_->answers(), 1);
}

TEST_F(HandDrivenTest, BadEventsAreLeftOutAndListsAreSwappedAtOnce) {
  Connect();
  const auto add = [](const std::string& id, const std::string& meta,
                      flight::v1::EventList* list) {
    auto* e = list->add_events();
    e->set_id(id);
    e->set_meta(meta);
  };
  AgentMessage m;
  m.mutable_event_list()->set_is_first(true);
  add(EventIdAt(1), "{}", m.mutable_event_list());
  add("../../etc/passwd", "{}", m.mutable_event_list());
  add(EventIdAt(2), "{ this is no JSON", m.mutable_event_list());
  add(EventIdAt(3), R"({"profiles":[{"type":"heap","filename":"../x"}]})",
      m.mutable_event_list());
  stream_->Send(m);
  m.Clear();
  add(EventIdAt(4), "{}", m.mutable_event_list());
  stream_->Send(m);
  RunFor(milliseconds(30));
  EXPECT_THAT(fleet_->events().List(), IsEmpty()) << "not before its end";
  m.Clear();
  m.mutable_event_list()->set_is_last(true);
  stream_->Send(m);
  ASSERT_TRUE(Until([&] { return !fleet_->events().List().empty(); }));
  EXPECT_THAT(fleet_->events().List()[0]->events, SizeIs(2));
  EXPECT_EQ(fleet_->events().stats().refused, 3u);
  EXPECT_FALSE(stream_->end());
  m.Clear();
  for (int i = 0; i <= 256; ++i) {
    add(EventIdAt(i), "{}", m.mutable_event_list());
  }
  stream_->Send(m);
  ASSERT_TRUE(Until([&] { return stream_->end().has_value(); }));
  EXPECT_THAT(*stream_->end(), StatusIs(Code::kInvalidArgument, _));
}

}  // namespace
}  // namespace fodc::link
