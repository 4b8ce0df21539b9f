// SPDX-License-Identifier: Apache-2.0
// /pressure-profiles and what is below /incidents, against agents that send
// as they are told.
#include "fodc/api/evidence_routes.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "fodc/api/api_test_peer.h"
#include "fodc/evidence/event_id.h"

namespace fodc::api {
namespace {

using fleet::AgentKind;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kId[] = "20260627T101112.000000000Z";
const std::string kDigest(64, 'a');

// Gives `text`, and fails behind it if `why` says so.
class Body final : public net::BodySource {
 public:
  Body(std::string text, Status why, bool* gone)
      : text_(std::move(text)), why_(std::move(why)), gone_(gone) {}
  ~Body() override { *gone_ = true; }
  Result<net::BodyStep> Next(std::string* piece, std::size_t) override {
    if (at_ == text_.size()) {
      if (!why_.ok()) return why_;
      return net::BodyStep::kDone;
    }
    const std::size_t half = (text_.size() + 1) / 2;
    piece->append(text_.substr(at_, half));
    at_ += piece->size();
    return net::BodyStep::kMore;
  }

 private:
  const std::string text_;
  const Status why_;
  bool* const gone_;
  std::size_t at_ = 0;
};

class FakeEvidence final : public fleet::EvidenceCommander {
 public:
  explicit FakeEvidence(net::EventLoop& loop) : loop_(loop) {}

  void RefreshEvents(const std::vector<fleet::AgentId>& agents, MonotonicTime,
                     DoneCallback done) override {
    refreshed.push_back(agents);
    loop_.Post([this, done = std::move(done)]() mutable {
      if (on_refresh) on_refresh();
      done(OkStatus());
    });
  }
  void Fetch(const fleet::AgentId& agent,
             const fleet::EvidenceQuestion& question, MonotonicTime,
             FetchCallback done) override {
    asked.emplace_back(agent, question);
    loop_.Post([this, question, done = std::move(done)]() mutable {
      if (!failure.ok()) return done(failure);
      fleet::EvidenceAnswer answer;
      if (!question.artifact.empty()) {
        answer.size_bytes = said.value_or(content.size());
        answer.sha256 = kDigest;
      }
      answer.body = std::make_unique<Body>(
          content.substr(question.offset, question.length.value_or(~0ull)), cut,
          &gone);
      done(std::move(answer));
    });
  }
  void Pin(const fleet::AgentId&, const std::string& event_id, bool pinned,
           MonotonicTime, DoneCallback done) override {
    pins.emplace_back(event_id, pinned);
    loop_.Post([this, done = std::move(done)]() mutable { done(failure); });
  }

  std::vector<std::vector<fleet::AgentId>> refreshed;
  std::function<void()> on_refresh;
  std::vector<std::pair<fleet::AgentId, fleet::EvidenceQuestion>> asked;
  std::vector<std::pair<std::string, bool>> pins;
  std::string content = "0123456789";
  std::optional<std::uint64_t> said;
  Status failure;
  Status cut;
  bool gone = false;

 private:
  net::EventLoop& loop_;
};

class EvidenceRoutesTest : public ApiTest {
 protected:
  EvidenceRoutesTest() {
    InstallEvidenceRoutes(
        loop_, fleet_, &evidence_,
        [](const net::HttpRequest& r) { return NodeFilter::Parse(r.query); },
        &routes_);
    EXPECT_TRUE(routes_.Listen("127.0.0.1:0").ok());
  }
  net::RawResponse Ask(const std::string& target,
                       const std::string& headers = "",
                       const std::string& method = "GET") {
    net::RawClient client(loop_, routes_.port());
    client.Send(StrCat(method, ' ', target, " HTTP/1.1\r\nHost: x\r\n", headers,
                       "\r\n"));
    return client.Read();
  }
  fleet::ListedEvent Event() {
    fleet::ListedEvent event;
    event.id = kId;
    event.bytes = 20;
    event.meta.captured_at = *evidence::ParseEventId(kId);
    event.meta.pod_name = "a-0";
    event.meta.incident_id = "5f-1";
    event.meta.rss_bytes = 77;
    event.meta.profiles = {{"heap", "heap.pprof", "/secret/heap.pprof", "pprof",
                            evidence_.content.size()}};
    evidence::EventStep step;
    step.step = "heap";
    step.file = "heap.pprof";
    step.bytes = evidence_.content.size();
    step.sha256 = kDigest;
    event.meta.steps = {step};
    return event;
  }
  void Tell(AgentKind kind = AgentKind::kFlight) {
    id_ = Admit("a-0", kind);
    Put();
  }
  void Put() {
    for (const auto& a : *fleet_.List()) {
      if (a.id == id_) {
        EXPECT_TRUE(fleet_.events().Put(a, Event()).ok());
      }
    }
  }
  std::string Heap() const {
    return StrCat("/pressure-profiles/a-0/", kId, "/heap");
  }

  FakeEvidence evidence_{loop_};
  fleet::AgentId id_;
  net::HttpServer routes_{loop_};
};

TEST_F(EvidenceRoutesTest, ListsProfilesWithTheKeysOfGoInItsOrder) {
  Tell();
  const auto r = Ask("/pressure-profiles");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body,
            StrCat(R"([{"captured_at":"2026-06-27T10:11:12.000000000Z",)",
                   R"("agent_id":")", id_,
                   R"(","pod_name":"a-0","role":"ROLE_DATA","profile_id":")",
                   kId, R"(","source_endpoint":"","profiles":[{"type":"heap",)",
                   R"("filename":"heap.pprof","filepath":"heap.pprof",)",
                   R"("format":"pprof","size_bytes":10}],"rss_bytes":77,)",
                   R"("cgroup_limit_bytes":0,"threshold_bytes":0,)",
                   R"("trigger_percent":0}])", "\n"));
  EXPECT_EQ(Ask("/pressure-profiles?pod_name=b-0").body, "[]\n");
  EXPECT_EQ(Ask("/pressure-profiles?role=datanode-x").status, 400);
}

TEST_F(EvidenceRoutesTest, ListOutlivesTheAgent) {
  Tell();
  fleet_.Remove(id_);
  EXPECT_EQ(json::parse(Ask("/pressure-profiles").body).size(), 1u);
}

TEST_F(EvidenceRoutesTest, AsksV1AgentsAnewBeforeItLists) {
  id_ = Admit("a-0", AgentKind::kV1);
  evidence_.on_refresh = [this] { Put(); };
  EXPECT_EQ(json::parse(Ask("/pressure-profiles").body).size(), 1u);
  EXPECT_EQ(evidence_.refreshed.size(), 1u);
}

TEST_F(EvidenceRoutesTest, SendsAProfileWithItsLength) {
  Tell();
  const auto r = Ask(Heap());
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "0123456789");
  EXPECT_EQ(r.Header("Content-Length"), "10");
  EXPECT_EQ(r.Header("ETag"), StrCat('"', kDigest, '"'));
  EXPECT_EQ(r.Header("Content-Type"), "application/octet-stream");
  EXPECT_EQ(
      r.Header("Content-Disposition"),
      StrCat("attachment; filename=\"a-0-ROLE_DATA-", kId, "-heap.pprof\""));
  ASSERT_EQ(evidence_.asked.size(), 1u);
  EXPECT_EQ(evidence_.asked[0].second.artifact, "heap.pprof");
}

TEST_F(EvidenceRoutesTest, FindsWhatAV1AgentTellsWhenAsked) {
  id_ = Admit("a-0", AgentKind::kV1);
  evidence_.on_refresh = [this] { Put(); };
  EXPECT_EQ(Ask(Heap(), "Range: bytes=2-3\r\n").body, "0123456789");
}

TEST_F(EvidenceRoutesTest, SendsPartsOfWhatItKnows) {
  Tell();
  const auto part = [this](const std::string& range) {
    return Ask(Heap(), StrCat("Range: bytes=", range, "\r\n"));
  };
  const auto r = part("2-4");
  EXPECT_EQ(r.status, 206);
  EXPECT_EQ(r.body, "234");
  EXPECT_EQ(r.Header("Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(r.Header("Content-Length"), "3");
  EXPECT_EQ(part("7-").body, "789");
  EXPECT_EQ(part("-2").body, "89");
  EXPECT_EQ(part("8-99").body, "89");
  EXPECT_EQ(part("10-").status, 416);
  EXPECT_EQ(part("10-").Header("Content-Range"), "bytes */10");
  for (const char* whole : {"4-2", "a-b", "1-2,4-5", "-", ""}) {
    EXPECT_EQ(part(whole).status, 200) << whole;
  }
  EXPECT_EQ(Ask(Heap(), "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n").status,
            200);
}

TEST_F(EvidenceRoutesTest, SaysThatNothingHasChanged) {
  Tell();
  const auto r = Ask(Heap(), StrCat("If-None-Match: \"", kDigest, "\"\r\n"));
  EXPECT_EQ(r.status, 304);
  EXPECT_THAT(evidence_.asked, IsEmpty());
  EXPECT_EQ(Ask(Heap(), "If-None-Match: \"other\"\r\n").status, 200);
}

TEST_F(EvidenceRoutesTest, CutsTheConnectionWhenTheAgentFailsInMidBody) {
  Tell();
  evidence_.cut = Unavailable("the agent is gone");
  net::RawClient client(loop_, routes_.port());
  // Without a length, too: a chunked body must not end well.
  client.Get(StrCat("/incidents/a-0/", kId, ".tar.zst"));
  EXPECT_TRUE(client.WaitForEnd());
  EXPECT_EQ(routes_.stats().bodies_aborted, 1u);
  EXPECT_TRUE(evidence_.gone);
}

TEST_F(EvidenceRoutesTest, RefusesAPartOfWhatHasJustChanged) {
  Tell();
  evidence_.content = "0123456";  // told as ten bytes long, sent as seven
  net::RawClient client(loop_, routes_.port());
  client.Get(Heap(), "Range: bytes=2-8\r\n");
  EXPECT_EQ(client.Read().status, 503);
}

TEST_F(EvidenceRoutesTest, CutsABodyThatIsNotAsLongAsWasSaid) {
  Tell();
  for (const std::uint64_t said : {9u, 11u}) {
    evidence_.said = said;
    net::RawClient client(loop_, routes_.port());
    client.Get(Heap());
    EXPECT_TRUE(client.WaitForEnd());
  }
  EXPECT_EQ(routes_.stats().bodies_aborted, 2u);
}

TEST_F(EvidenceRoutesTest, TellsWhyThereIsNoBody) {
  Tell();
  evidence_.failure = Unavailable("agent a-0 is not connected");
  auto r = Ask(Heap());
  EXPECT_EQ(r.status, 503);
  EXPECT_THAT(r.body, HasSubstr("a-0"));
  evidence_.failure = NotFound("gone");
  EXPECT_EQ(Ask(Heap()).status, 404);
}

TEST_F(EvidenceRoutesTest, RefusesHostileNamesAndAsksNobody) {
  Tell();
  for (const std::string bad :
       {"..%2f..%2fetc", "%2e%2e%2f", "a%00b", "a/b", "HEAP"}) {
    const auto r = Ask(StrCat("/pressure-profiles/a-0/", kId, "/", bad));
    EXPECT_TRUE(r.status == 400 || r.status == 404) << bad << r.status;
    const auto i = Ask(StrCat("/incidents/a-0/", bad));
    EXPECT_TRUE(i.status == 400 || i.status == 404) << bad << i.status;
    const auto a = Ask(StrCat("/incidents/a-0/", kId, "/", bad));
    EXPECT_TRUE(a.status == 400 || a.status == 404) << bad << a.status;
  }
  EXPECT_EQ(Ask(StrCat("/incidents/a-0/", std::string(5000, 'x'))).status, 400);
  EXPECT_THAT(evidence_.asked, IsEmpty());
}

TEST_F(EvidenceRoutesTest, ShowsTheEventsOfAnIncident) {
  Tell();
  for (const std::string id : {"5f-1", kId}) {
    const json all = json::parse(Ask("/incidents/a-0/" + id).body);
    ASSERT_EQ(all["events"].size(), 1u);
    EXPECT_EQ(all["events"][0]["id"], kId);
    EXPECT_EQ(all["events"][0]["lies"], json({"agent"}));
    EXPECT_EQ(all["events"][0]["steps"][0]["sha256"], kDigest);
  }
  EXPECT_EQ(Ask("/incidents/a-0/none").status, 404);
  EXPECT_EQ(Ask("/incidents/b-0/5f-1").status, 404);
}

TEST_F(EvidenceRoutesTest, SendsArtifactsAndCapsules) {
  Tell();
  EXPECT_EQ(Ask("/incidents/a-0/5f-1/heap.pprof").body, "0123456789");
  EXPECT_EQ(Ask("/incidents/a-0/5f-1/other").status, 404);
  EXPECT_EQ(Ask("/incidents/a-0/5f-1.tar.zst").body, "0123456789");
  EXPECT_EQ(evidence_.asked.back().second.artifact, "");
  EXPECT_EQ(evidence_.asked.back().second.event_id, kId);
}

TEST_F(EvidenceRoutesTest, PinsAndTakesThePinAway) {
  Tell();
  const auto post = [this](const std::string& what) {
    return Ask("/incidents/a-0/5f-1/" + what, "Content-Length: 0\r\n", "POST")
        .status;
  };
  EXPECT_EQ(post("pin"), 200);
  EXPECT_EQ(post("unpin"), 200);
  EXPECT_EQ(evidence_.pins, (std::vector<std::pair<std::string, bool>>{
                                {kId, true}, {kId, false}}));
  EXPECT_EQ(Ask("/incidents/a-0/5f-1/pin").status, 404);
}

TEST_F(EvidenceRoutesTest, BodiesAreForOperators) {
  Tell();
  routes_.SetAuthorizer([](const net::HttpRequest&, net::Access access) {
    return access == net::Access::kOperator ? PermissionDenied("no")
                                            : OkStatus();
  });
  EXPECT_EQ(Ask("/pressure-profiles").status, 200);
  EXPECT_EQ(Ask("/incidents/a-0/5f-1").status, 200);
  EXPECT_EQ(Ask(Heap()).status, 403);
  EXPECT_EQ(Ask("/incidents/a-0/5f-1.tar.zst").status, 403);
  EXPECT_EQ(Ask("/incidents/a-0/5f-1/heap.pprof").status, 403);
}

}  // namespace
}  // namespace fodc::api
