// SPDX-License-Identifier: Apache-2.0
// For tests: the routes of evidence, and agents that send as they are told.
#pragma once

#include <gmock/gmock.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fodc/api/api_test_peer.h"
#include "fodc/api/evidence_routes.h"
#include "fodc/evidence/event_id.h"
#include "fodc/evidence/sha256.h"

namespace fodc::api {

inline constexpr char kId[] = "20260627T101112.000000000Z";

inline std::string DigestOf(std::string_view bytes) {
  evidence::Sha256 hash;
  hash.Update(bytes);
  return hash.Hex();
}
// Of what FakeEvidence has.
inline const std::string kDigest = DigestOf("0123456789");

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

// Gives so many bytes, and counts them.
class LargeBody final : public net::BodySource {
 public:
  LargeBody(std::uint64_t bytes, std::uint64_t* given, bool* gone)
      : bytes_(bytes), given_(given), gone_(gone) {}
  ~LargeBody() override { *gone_ = true; }
  Result<net::BodyStep> Next(std::string* piece,
                             std::size_t max_bytes) override {
    piece->append(std::min<std::uint64_t>(max_bytes, bytes_ - *given_), 'x');
    *given_ += piece->size();
    return *given_ == bytes_ ? net::BodyStep::kDone : net::BodyStep::kMore;
  }

 private:
  const std::uint64_t bytes_;
  std::uint64_t* const given_;
  bool* const gone_;
};

class FakeEvidence final : public fleet::EvidenceCommander {
 public:
  explicit FakeEvidence(net::EventLoop& loop) : loop_(loop) {}

  void RefreshEvents(const std::vector<fleet::AgentId>& agents, MonotonicTime,
                     DoneCallback done) override {
    refreshed.push_back(agents);
    if (is_silent) return silent_lists.push_back(std::move(done));
    loop_.Post([this, done = std::move(done)]() mutable {
      if (on_refresh) on_refresh();
      done(OkStatus());
    });
  }
  void Fetch(const fleet::AgentId& agent,
             const fleet::EvidenceQuestion& question, MonotonicTime,
             FetchCallback done) override {
    asked.emplace_back(agent, question);
    if (is_silent) {
      auto waits = std::make_shared<FetchCallback>(std::move(done));
      return question.withdrawal->Listen([this, waits] {
        ++withdrawn;
        loop_.Post([waits] { (*waits)(Cancelled("withdrawn")); });
      });
    }
    loop_.Post([this, question, done = std::move(done)]() mutable {
      if (!failure.ok()) return done(failure);
      fleet::EvidenceAnswer answer;
      if (!question.artifact.empty()) {
        answer.size_bytes = said.value_or(content.size());
        answer.sha256 = digest;
      }
      if (large) {
        answer.size_bytes = large;
        answer.body = std::make_unique<LargeBody>(*large, &given, &gone);
        return done(std::move(answer));
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
  std::string digest = kDigest;  // what it says of it
  std::optional<std::uint64_t> said;
  Status failure;
  Status cut;
  bool gone = false;
  std::optional<std::uint64_t> large;  // in place of `content`
  std::uint64_t given = 0;             // of it
  bool is_silent = false;              // answers to nothing
  std::vector<DoneCallback> silent_lists;
  int withdrawn = 0;

 private:
  net::EventLoop& loop_;
};

class EvidenceRoutesTest : public ApiTest {
 protected:
  EvidenceRoutesTest() {
    InstallEvidenceRoutes(
        loop_, fleet_,
        {.commander = &evidence_,
         .parse_filter =
             [](const net::HttpRequest& r) {
               return NodeFilter::Parse(r.query);
             },
         .lists = std::make_shared<Slots>("lists of profiles", 1),
         .downloads = std::make_shared<Slots>("bodies of evidence", 2)},
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
  void Tell(fleet::AgentKind kind = fleet::AgentKind::kFlight) {
    id_ = Admit("a-0", kind);
    Put();
  }
  void Put() { Put(Event()); }
  void Put(const fleet::ListedEvent& event) {
    for (const auto& a : *fleet_.List()) {
      if (a.id == id_) {
        EXPECT_TRUE(fleet_.events().Put(a, event).ok());
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

}  // namespace fodc::api
