// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/evidence_routes.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/api/byte_range.h"
#include "fodc/api/evidence_body.h"
#include "fodc/api/evidence_text.h"
#include "fodc/api/incidents_text.h"
#include "fodc/api/text_body.h"
#include "fodc/base/strings.h"
#include "fodc/capture/profile_type.h"
#include "fodc/evidence/event_id.h"

namespace fodc::api {
namespace {

using net::Access;
using net::HttpRequest;
using net::HttpResponse;
using net::Responder;
using RequestPtr = std::shared_ptr<const HttpRequest>;

constexpr auto kAnswerTime = std::chrono::seconds(10);
constexpr std::size_t kMaxIdBytes = 128;

// What is asked for.
struct Found {
  NodeEventsRef node;
  KnownEvent known;
  bool from_copy = false;  // where its body is to be had

  const fleet::ListedEvent& event() const {
    return from_copy ? *known.copy : *known.event;
  }
};

// An id is looked for in memory only; this keeps nonsense out of messages.
Status CheckId(std::string_view id) {
  const bool is_plain = std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' ||
           c == ':';
  });
  if (is_plain && id.size() <= kMaxIdBytes && !id.starts_with('.')) {
    return OkStatus();
  }
  return InvalidArgument(
      StrCat("an id has letters, digits and . _ - : only, and ", kMaxIdBytes,
             " of them at most"));
}

// Whatever an agent says of a profile that does not come, v1's clients know one
// status for it.
Status NotAvailable(const Status& status) {
  return NotFound(StrCat("Profile not available: ", status.message()));
}

Status AsItIs(const Status& status) { return status; }

std::string FileName(std::string name) {
  for (char& c : name) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || c == '.' || c == '_' ||
                          c == '-';
    if (!is_plain) c = '_';
  }
  return name;
}

bool NamesTag(std::string_view header, std::string_view etag) {
  if (Trim(header) == "*") return true;
  for (std::string_view tag : Split(header, ',')) {
    tag = Trim(tag);
    if (tag.starts_with("W/")) tag.remove_prefix(2);
    if (tag == etag) return true;
  }
  return false;
}

// The digest that the event's receipts have of a file; empty: none.
std::string_view KnownDigest(const evidence::EventMeta& meta,
                             std::string_view file) {
  for (const evidence::EventStep& step : meta.steps) {
    if (step.file == file) return step.sha256;
  }
  return {};
}

std::optional<std::uint64_t> KnownSize(const evidence::EventMeta& meta,
                                       std::string_view file) {
  for (const evidence::EventProfile& p : meta.profiles) {
    if (p.filename == file) return p.size_bytes;
  }
  for (const evidence::EventStep& step : meta.steps) {
    if (step.file == file) return step.bytes;
  }
  return std::nullopt;
}

class EvidenceRoutes : public std::enable_shared_from_this<EvidenceRoutes> {
 public:
  EvidenceRoutes(net::EventLoop& loop, fleet::Fleet& fleet,
                 EvidenceRouteOptions options)
      : loop_(loop),
        fleet_(fleet),
        commander_(options.commander),
        copies_(options.copies),
        options_(std::move(options)) {}

  void List(const HttpRequest& request, Responder responder);
  void Profile(const RequestPtr& request, Responder responder);
  void Events(const RequestPtr& request, Responder responder);
  void Artifact(const RequestPtr& request, Responder responder);
  void Capsule(const RequestPtr& request, Responder responder);
  void Pin(const RequestPtr& request, Responder responder, bool pinned);
  Access profile_access() const { return options_.profile_access; }

 private:
  using SharedResponder = std::shared_ptr<Responder>;
  using FoundCallback = net::UniqueFunction<void(const Found&)>;

  std::optional<Found> Look(const std::string& pod, std::string_view id) const;
  // Looks; if there is nothing, has the pod's v1 agents asked and looks again.
  // Answers itself when the event is not there.
  void Find(const std::string& pod, const std::string& id,
            const SharedResponder& responder, FoundCallback done);
  // From the agent; from the copy, if there is one, when the agent's is not to
  // be had. `failure`: what is shown of one before the first byte. `slot`: what
  // an earlier try had; empty at the first.
  void Send(const RequestPtr& request, const SharedResponder& responder,
            const Found& found, const std::string& file,
            const std::string& saved_as, FailureText failure, Slot slot = {});
  // Those that can be asked: online v1 agents that `takes`.
  template <typename Takes>
  void Refresh(const Takes& takes, net::UniqueFunction<void()> done);
  MonotonicTime Deadline() const {
    return loop_.clock().Monotonic() + kAnswerTime;
  }

  net::EventLoop& loop_;
  fleet::Fleet& fleet_;
  fleet::EvidenceCommander* const commander_;
  fleet::EvidenceCopies* const copies_;
  const EvidenceRouteOptions options_;
};

template <typename Takes>
void EvidenceRoutes::Refresh(const Takes& takes,
                             net::UniqueFunction<void()> done) {
  std::vector<fleet::AgentId> agents;
  for (const fleet::Agent& agent : *fleet_.List()) {
    if (agent.kind == fleet::AgentKind::kV1 &&
        agent.status == fleet::AgentStatus::kOnline && takes(agent)) {
      agents.push_back(agent.id);
    }
  }
  if (commander_ == nullptr || agents.empty()) return done();
  // Who does not answer is shown as it was last told of.
  commander_->RefreshEvents(
      agents, Deadline(),
      [done = std::move(done)](const Status&) mutable { done(); });
}

void EvidenceRoutes::List(const HttpRequest& request, Responder responder) {
  Slot slot = options_.lists->Take(shared_from_this());
  if (!slot) return responder.Send(options_.lists->Busy());
  auto filter = options_.parse_filter(request);
  if (!filter.ok()) return responder.Send(net::StatusError(filter.status()));
  const auto takes = [filter = *filter](const fleet::Agent& a) {
    return filter.Takes(a.identity.role, a.identity.pod_name,
                        a.identity.labels);
  };
  Refresh(takes, [self = shared_from_this(), filter = *std::move(filter),
                  slot = std::move(slot),
                  responder = std::move(responder)]() mutable {
    if (responder.cancelled()) return;
    const fleet::AgentList agents = self->fleet_.List();
    std::vector<KnownNode> nodes;
    for (KnownNode& known :
         ListEvidence(self->fleet_.events(), self->copies_)) {
      const NodeEventsRef& node = known.node;
      const auto agent =
          std::find_if(agents->begin(), agents->end(),
                       [&](const auto& a) { return a.id == node->agent; });
      // The labels of a node that is gone are, too.
      const fleet::Labels labels =
          agent == agents->end() ? fleet::Labels() : agent->identity.labels;
      if (filter.Takes(node->role, node->pod_name, labels)) {
        nodes.push_back(std::move(known));
      }
    }
    responder.Send(
        StreamText(self->loop_, std::move(slot), "application/json",
                   std::make_unique<ProfilesText>(std::move(nodes))));
  });
}

std::optional<Found> EvidenceRoutes::Look(const std::string& pod,
                                          std::string_view id) const {
  for (const KnownNode& node : FindEvidence(fleet_.events(), copies_, pod)) {
    for (const KnownEvent& known : node.events) {
      if (known.Is(id)) return Found{node.node, known, !known.at_agent};
    }
  }
  return std::nullopt;
}

void EvidenceRoutes::Find(const std::string& pod, const std::string& id,
                          const SharedResponder& responder,
                          FoundCallback done) {
  if (const Status s = CheckId(id); !s.ok()) {
    return responder->Send(net::StatusError(s));
  }
  if (const auto found = Look(pod, id)) return done(*found);
  Refresh(
      [&](const fleet::Agent& a) {
        return EqualsIgnoreCase(a.identity.pod_name, pod);
      },
      [self = shared_from_this(), pod, id, responder,
       done = std::move(done)]() mutable {
        if (responder->cancelled()) return;
        if (const auto found = self->Look(pod, id)) return done(*found);
        responder->Send(net::TextError(404, "no evidence of that id is known"));
      });
}

void EvidenceRoutes::Send(const RequestPtr& request,
                          const SharedResponder& responder, const Found& found,
                          const std::string& file, const std::string& saved_as,
                          FailureText failure, Slot slot) {
  if (!found.from_copy && commander_ == nullptr) {
    return responder->Send(
        net::StatusError(failure(Unavailable("no agent can be asked"))));
  }
  const evidence::EventMeta& meta = found.event().meta;
  const std::string_view digest = KnownDigest(meta, file);
  const std::string known_tag =
      digest.empty() ? std::string() : StrCat('"', digest, '"');
  const auto if_none = request->Header("If-None-Match");
  if (!known_tag.empty() && !if_none.empty() && NamesTag(if_none, known_tag)) {
    HttpResponse same;
    same.status = 304;
    same.headers.emplace_back("ETag", known_tag);
    same.may_compress = false;
    return responder->Send(std::move(same));
  }
  // A part is given only of what is known by its digest, and not by agents that
  // have no offsets.
  std::optional<ByteRange> range;
  const auto size = KnownSize(meta, file);
  const auto if_range = request->Header("If-Range");
  if (size && !known_tag.empty() &&
      (found.from_copy || found.node->kind != fleet::AgentKind::kV1) &&
      (if_range.empty() || if_range == known_tag)) {
    const auto parsed = ParseByteRange(request->Header("Range"), *size);
    if (!parsed.ok()) {
      HttpResponse none = net::TextError(416, parsed.status().message());
      none.headers.emplace_back("Content-Range", StrCat("bytes */", *size));
      return responder->Send(std::move(none));
    }
    range = *parsed;
  }
  if (!slot) slot = options_.downloads->Take(shared_from_this());
  if (!slot) return responder->Send(options_.downloads->Busy());
  fleet::EvidenceQuestion question;
  question.event_id = found.event().id;
  question.artifact = file;
  if (range) {
    question.offset = range->first;
    question.length = range->last - range->first + 1;
  }
  // A client that leaves before the first byte takes its question along; later
  // it is the body's end that stops the agent.
  question.withdrawal = std::make_shared<fleet::Withdrawal>();
  responder->OnCancel(
      [withdrawal = question.withdrawal] { withdrawal->Withdraw(); });
  auto done = [self = shared_from_this(), request, found, file, responder,
               range, size, digest = std::string(digest), saved_as,
               slot = std::move(slot), failure = std::move(failure)](
                  Result<fleet::EvidenceAnswer> answer) mutable {
    if (responder->cancelled()) return;
    if (!answer.ok() && !found.from_copy && found.known.copy != nullptr &&
        (file.empty() || KnownSize(found.known.copy->meta, file))) {
      Found copy = found;
      copy.from_copy = true;
      return self->Send(request, responder, copy, file, saved_as,
                        std::move(failure), std::move(slot));
    }
    if (!answer.ok()) {
      return responder->Send(net::StatusError(failure(answer.status())));
    }
    if (range && (answer->size_bytes != size ||
                  (!answer->sha256.empty() && answer->sha256 != digest))) {
      return responder->Send(
          net::TextError(503, "it has just changed; ask again"));
    }
    HttpResponse response;
    response.content_type = "application/octet-stream";
    response.may_compress = false;
    response.headers.emplace_back(
        "Content-Disposition",
        StrCat("attachment; filename=\"", FileName(saved_as), '"'));
    const std::string& now = answer->sha256.empty() ? digest : answer->sha256;
    if (!now.empty()) {
      response.headers.emplace_back("ETag", StrCat('"', now, '"'));
      response.headers.emplace_back("Accept-Ranges", "bytes");
    }
    response.source_bytes = answer->size_bytes;
    if (range) {
      response.status = 206;
      response.source_bytes = range->last - range->first + 1;
      response.headers.emplace_back(
          "Content-Range",
          StrCat("bytes ", range->first, '-', range->last, '/', *size));
    }
    std::optional<BodyDigest> whole;
    if (!range && !now.empty() && answer->size_bytes) {
      whole = BodyDigest{*answer->size_bytes, now};
    }
    response.source =
        std::make_unique<EvidenceBody>(std::move(answer->body), std::move(slot),
                                       std::move(failure), std::move(whole));
    responder->Send(std::move(response));
  };
  if (found.from_copy) {
    copies_->Fetch(found.node->pod_name, question, std::move(done));
  } else {
    commander_->Fetch(found.node->agent, question, Deadline(), std::move(done));
  }
}

void EvidenceRoutes::Profile(const RequestPtr& request, Responder responder) {
  const auto& values = request->path_values;
  if (capture::FindProfileType(values[2]) == nullptr) {
    return responder.Send(net::TextError(400, "Unknown profile type"));
  }
  auto shared = std::make_shared<Responder>(std::move(responder));
  Find(values[0], values[1], shared,
       [self = shared_from_this(), request, shared](const Found& found) {
         const auto& v = request->path_values;
         for (const auto& profile : found.event().meta.profiles) {
           if (profile.type != v[2]) continue;
           const std::string_view ending =
               profile.filename.ends_with(".txt") ? ".txt" : ".pprof";
           return self->Send(request, shared, found, profile.filename,
                             StrCat(v[0], '-', found.node->role, '-', v[1], '-',
                                    v[2], ending),
                             NotAvailable);
         }
         shared->Send(net::TextError(404, "Profile not found"));
       });
}

void EvidenceRoutes::Events(const RequestPtr& request, Responder responder) {
  const auto& values = request->path_values;
  const MonotonicTime now = loop_.clock().Monotonic();
  auto shared = std::make_shared<Responder>(std::move(responder));
  // It may have no evidence. v1 agents, of whom anything else is asked, tell of
  // none.
  const auto known = FindIncident(fleet_, copies_, values[0], values[1]);
  if (known && !Look(values[0], values[1])) {
    const fleet::Agent& agent = known->agent;
    const auto node = std::make_shared<fleet::NodeEvents>(
        fleet::NodeEvents{agent.id, agent.kind, agent.identity.pod_name,
                          agent.identity.role, /*events=*/{}});
    return shared->Send(net::JsonResponse(EventsDocument(
        {node, /*events=*/{}}, values[1], IncidentJson(*known, now))));
  }
  Find(values[0], values[1], shared,
       [self = shared_from_this(), request, shared, now](const Found& found) {
         const auto incident =
             FindIncident(self->fleet_, self->copies_, found.node->pod_name,
                          found.event().meta.incident_id);
         const auto& v = request->path_values;
         for (const KnownNode& node :
              FindEvidence(self->fleet_.events(), self->copies_, v[0])) {
           if (node.node != found.node) continue;
           return shared->Send(net::JsonResponse(EventsDocument(
               node, v[1], incident ? IncidentJson(*incident, now) : "null")));
         }
       });
}

void EvidenceRoutes::Artifact(const RequestPtr& request, Responder responder) {
  const auto& values = request->path_values;
  if (const Status s = evidence::CheckArtifactName(values[2]); !s.ok()) {
    return responder.Send(net::StatusError(s));
  }
  auto shared = std::make_shared<Responder>(std::move(responder));
  Find(values[0], values[1], shared,
       [self = shared_from_this(), request, shared](const Found& found) {
         const std::string& file = request->path_values[2];
         if (!KnownSize(found.event().meta, file)) {
           return shared->Send(
               net::TextError(404, "the event has no such artifact"));
         }
         self->Send(
             request, shared, found, file,
             StrCat(found.node->pod_name, '-', found.event().id, '-', file),
             AsItIs);
       });
}

void EvidenceRoutes::Capsule(const RequestPtr& request, Responder responder) {
  const auto& values = request->path_values;
  auto shared = std::make_shared<Responder>(std::move(responder));
  Find(values[0], values[1], shared,
       [self = shared_from_this(), request, shared](const Found& found) {
         self->Send(
             request, shared, found, "",
             StrCat(found.node->pod_name, '-', found.event().id, ".tar.zst"),
             AsItIs);
       });
}

void EvidenceRoutes::Pin(const RequestPtr& request, Responder responder,
                         bool pinned) {
  const auto& values = request->path_values;
  auto shared = std::make_shared<Responder>(std::move(responder));
  Find(values[0], values[1], shared,
       [self = shared_from_this(), shared, pinned](const Found& found) {
         const auto answer = [shared, pinned](const Status& s) {
           shared->Send(
               s.ok() ? net::TextResponse(pinned ? "pinned\n" : "unpinned\n")
                      : net::StatusError(s));
         };
         const auto pin_copy = [self, found, pinned](auto done) {
           self->copies_->Pin(found.node->pod_name, found.event().id, pinned,
                              std::move(done));
         };
         if (found.from_copy) return pin_copy(answer);
         if (self->commander_ == nullptr) {
           return answer(Unavailable("no agent can be asked"));
         }
         // Wherever it lies. One of the two is enough.
         self->commander_->Pin(
             found.node->agent, found.event().id, pinned, self->Deadline(),
             [answer, pin_copy,
              has_copy = found.known.copy != nullptr](const Status& at_agent) {
               if (!has_copy) return answer(at_agent);
               pin_copy([answer, at_agent](const Status& at_proxy) {
                 answer(at_proxy.ok() ? at_proxy : at_agent);
               });
             });
       });
}

}  // namespace

void InstallEvidenceRoutes(net::EventLoop& loop, fleet::Fleet& fleet,
                           EvidenceRouteOptions options,
                           net::HttpServer* server) {
  const auto routes =
      std::make_shared<EvidenceRoutes>(loop, fleet, std::move(options));
  server->Route("/pressure-profiles", Access::kViewer,
                [routes](const RequestPtr& request, Responder responder) {
                  routes->List(*request, std::move(responder));
                });
  server->Route("/pressure-profiles/{pod}/{id}/{type}",
                routes->profile_access(),
                [routes](const RequestPtr& request, Responder responder) {
                  routes->Profile(request, std::move(responder));
                });
  server->Route("/incidents/{pod}/{id}", Access::kViewer,
                [routes](const RequestPtr& request, Responder responder) {
                  routes->Events(request, std::move(responder));
                });
  server->Route("/incidents/{pod}/{id}.tar.zst", Access::kOperator,
                [routes](const RequestPtr& request, Responder responder) {
                  routes->Capsule(request, std::move(responder));
                });
  server->Route("/incidents/{pod}/{id}/{artifact}", Access::kOperator,
                [routes](const RequestPtr& request, Responder responder) {
                  routes->Artifact(request, std::move(responder));
                });
  for (const bool pinned : {true, false}) {
    server->Route(
        pinned ? "/incidents/{pod}/{id}/pin" : "/incidents/{pod}/{id}/unpin",
        Access::kOperator,
        [routes, pinned](const RequestPtr& request, Responder responder) {
          routes->Pin(request, std::move(responder), pinned);
        },
        "POST");
  }
}

}  // namespace fodc::api
