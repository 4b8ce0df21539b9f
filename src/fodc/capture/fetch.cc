// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/fetch.h"

#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "fodc/base/mutex.h"
#include "fodc/base/strings.h"
#include "fodc/capture/profile_check.h"
#include "fodc/capture/profile_source.h"
#include "fodc/evidence/artifact_sink.h"
#include "fodc/net/url.h"

namespace fodc::capture {
namespace {

using evidence::EventStep;
using evidence::StepOutcome;

constexpr int kOk = 200;
constexpr int kNotFoundAnswer = 404;
constexpr int kServersError = 500;

// One body on its way: the client's thread while the request runs, then the
// caller's.
class Body {
 public:
  Body(const Fetch& fetch, evidence::ArtifactSink& sink)
      : fetch_(fetch), sink_(sink) {
    if (fetch.content != Fetch::Content::kAnything)
      check_.emplace(fetch.content == Fetch::Content::kText);
  }

  Status Append(std::string_view piece) {
    if (!has_begun_ && fetch_.check_peer) {
      if (Status s = fetch_.check_peer(); !s.ok()) return refusal_ = s;
    }
    has_begun_ = true;
    if (check_) {
      if (Status s = check_->Add(piece); !s.ok()) return refusal_ = s;
    }
    return sink_.Append(piece);
  }
  // It came whole.
  Status End() {
    if (check_) refusal_ = check_->End();
    return refusal_;
  }
  // It did not; OK if what came may be kept.
  Status Cut() {
    if (refusal_.ok() && check_) refusal_ = check_->Cut();
    return refusal_;
  }
  // Of what came whole.
  Status Damage() const { return check_ ? check_->damage() : OkStatus(); }
  bool has_begun() const { return has_begun_; }

 private:
  const Fetch& fetch_;
  evidence::ArtifactSink& sink_;
  std::optional<ProfileCheck> check_;
  Status refusal_;
  bool has_begun_ = false;
};

net::HttpClientResult Get(const std::string& url,
                          const std::string& unix_socket,
                          std::chrono::milliseconds deadline, Body* body,
                          net::HttpClient& client,
                          const std::stop_token& stop) {
  net::HttpClientRequest request;
  request.url = url;
  request.unix_socket = unix_socket;
  // None is kept: whoever has the port when it is asked again may be another.
  request.headers = {{"Connection", "close"}};
  request.deadline = deadline;
  // The artifact's limit holds: what came until then is kept.
  request.max_body_bytes = std::numeric_limits<std::int64_t>::max();
  // Kept as it is served.
  request.accept_compressed = false;
  request.sink = [body](std::string_view piece) { return body->Append(piece); };

  Mutex mutex;
  CondVar there;
  std::optional<net::HttpClientResult> result;
  const auto id = client.Get(std::move(request), [&](net::HttpClientResult r) {
    MutexLock lock(mutex);
    result = std::move(r);
    there.NotifyAll();
  });
  const std::stop_callback on_stop(stop, [&] { client.Cancel(id); });
  MutexLock lock(mutex);
  while (!result) there.Wait(mutex);
  return *std::move(result);
}

// "HTTP 503: one profile at a time".
std::string AnswerText(const net::HttpClientResult& answer) {
  std::string_view line = answer.body;
  line = Trim(line.substr(0, std::min<std::size_t>(line.find('\n'), 200)));
  std::string text = StrCat("HTTP ", answer.http_status);
  if (!line.empty()) text += StrCat(": ", ToValidUtf8(line));
  return text;
}

// Whether the URL behind this one is to be tried.
bool IsNotThere(const net::HttpClientResult& answer) {
  return answer.status.ok() && answer.http_status == kNotFoundAnswer;
}

// Of one that did not come whole.
bool MayComeLater(const net::HttpClientResult& answer) {
  switch (answer.status.code()) {
    case Code::kOk:
      return answer.http_status >= kServersError;
    case Code::kDeadlineExceeded:
    case Code::kDataLoss:
      return true;
    default:
      return false;
  }
}

// "http://db:6060/debug/pprof/heap", "unix:/run/db.sock:/debug/pprof/heap".
std::string SourceName(const Fetch& fetch, std::string_view url) {
  if (fetch.unix_socket.empty()) return net::WithoutUserInfo(url);
  ConsumePrefix(&url, kUnixHost);
  return StrCat("unix:", fetch.unix_socket, ":", url);
}

void Keep(evidence::ArtifactSink* sink, StepOutcome outcome, std::string reason,
          EventStep* step) {
  auto digest = sink->Finish();
  if (!digest.ok()) {
    step->outcome = StepOutcome::kFailed;
    step->reason = digest.status().message();
    return;
  }
  step->bytes = digest->bytes;
  step->sha256 = std::move(digest->sha256);
  step->outcome = outcome;
  step->reason = std::move(reason);
}

// What became of the request, in `step`.
void Settle(const net::HttpClientResult& answer, std::uint64_t max_bytes,
            std::uint64_t budget_left_bytes, Body* body,
            evidence::ArtifactSink* sink, EventStep* step) {
  const auto fail = [&](std::string reason) {
    step->outcome = StepOutcome::kFailed;
    step->reason = std::move(reason);
  };
  if (answer.status.ok() && answer.http_status != kOk)
    return fail(AnswerText(answer));
  if (answer.status.ok()) {
    if (Status s = body->End(); !s.ok()) return fail(s.message());
    if (sink->bytes() == 0) return fail("the answer is empty");
    const Status damage = body->Damage();
    return Keep(sink, damage.ok() ? StepOutcome::kComplete : StepOutcome::kCut,
                damage.message(), step);
  }
  if (!body->has_begun() || sink->bytes() == 0)
    return fail(answer.status.message());
  if (Status s = body->Cut(); !s.ok()) return fail(s.message());
  // The disk is full before a limit of ours is met: what is smaller needs the
  // room, meta.json above all.
  if (answer.status.code() == Code::kResourceExhausted &&
      sink->bytes() < max_bytes && budget_left_bytes > 0) {
    return fail(answer.status.message());
  }
  Keep(sink, StepOutcome::kCut, answer.status.message(), step);
}

}  // namespace

Fetched RunFetch(const Fetch& fetch, net::HttpClient& client,
                 evidence::EventWriter& writer, const std::stop_token& stop,
                 const Clock& clock) {
  const MonotonicTime begun = clock.Monotonic();
  Fetched out;
  EventStep& step = out.receipt;
  step = {.step = fetch.step, .started = clock.Unix()};
  const auto end = [&] {
    step.duration = clock.Monotonic() - begun;
    if (step.outcome == StepOutcome::kComplete ||
        step.outcome == StepOutcome::kCut) {
      step.file = fetch.file;
    }
    return std::move(out);
  };
  auto sink = writer.OpenArtifact(fetch.file, fetch.max_bytes);
  if (!sink.ok()) {
    step.outcome = StepOutcome::kFailed;
    step.reason = sink.status().message();
    return end();
  }
  for (const std::string& url : fetch.urls) {
    step.source = SourceName(fetch, url);
    const auto left = std::chrono::floor<std::chrono::milliseconds>(
        begun + fetch.deadline - clock.Monotonic());
    if (left <= std::chrono::milliseconds(0)) {
      step.outcome = StepOutcome::kFailed;
      step.reason = "no time was left";
      break;
    }
    Body body(fetch, **sink);
    const net::HttpClientResult answer =
        Get(url, fetch.unix_socket, left, &body, client, stop);
    Settle(answer, fetch.max_bytes, writer.budget_left_bytes(), &body,
           sink->get(), &step);
    out.may_come_later =
        step.outcome != StepOutcome::kComplete && MayComeLater(answer);
    if (!IsNotThere(answer)) break;
  }
  if (step.outcome == StepOutcome::kFailed) (*sink)->Discard();
  return end();
}

}  // namespace fodc::capture
