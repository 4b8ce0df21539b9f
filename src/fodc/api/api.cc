// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/api.h"

#include <algorithm>
#include <utility>

#include "fodc/api/agent_round.h"
#include "fodc/api/cluster.h"
#include "fodc/api/cluster_text.h"
#include "fodc/api/cpu_watch.h"
#include "fodc/api/documents.h"
#include "fodc/api/evidence_routes.h"
#include "fodc/api/incident_filter.h"
#include "fodc/api/incidents_text.h"
#include "fodc/api/instant_page.h"
#include "fodc/api/node_frames.h"
#include "fodc/api/page.h"
#include "fodc/api/page_gatherer.h"
#include "fodc/api/request_filter.h"
#include "fodc/api/slots.h"
#include "fodc/api/speakers.h"
#include "fodc/api/text_body.h"
#include "fodc/api/window_json.h"
#include "fodc/api/window_openmetrics.h"
#include "fodc/base/strings.h"
#include "fodc/exposition/format.h"
#include "fodc/exposition/selector.h"

namespace fodc::api {
namespace {

using net::Access;
using net::HttpRequest;
using net::HttpResponse;
using net::Responder;
using RequestPtr = std::shared_ptr<const HttpRequest>;

constexpr auto kSweepInterval = std::chrono::minutes(2);

constexpr std::string_view kTextType =
    "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

struct Api::Impl : std::enable_shared_from_this<Api::Impl> {
  Impl(net::EventLoop& l, fleet::Fleet& f, fleet::AgentCommander& c,
       ApiOptions o)
      : loop(l),
        fleet(f),
        commander(c),
        options(std::move(o)),
        started(l.clock().Monotonic()),
        gatherer(options.line_cache_bytes) {}

  void Metrics(const RequestPtr& request, Responder responder);
  void FinishMetrics(const NodeFilter& filter, std::optional<std::int64_t> at,
                     MonotonicTime asked_at, std::vector<AgentAnswer> answers,
                     Slot slot, Responder* responder);
  void Windows(const RequestPtr& request, Responder responder);
  HttpResponse MakeWindows(const NodeFilter& filter,
                           const std::optional<Window>& window,
                           std::shared_ptr<exposition::SelectorSet> selectors,
                           bool openmetrics, MonotonicTime asked_at,
                           const std::vector<AgentAnswer>& answers, Slot slot);
  HttpResponse Cluster(const HttpRequest& request);
  HttpResponse Incidents(const HttpRequest& request);
  HttpResponse Discovery(const HttpRequest& request) const;
  // Of a v1 agent that gave no answer to the round that began at `asked_at`.
  // One that came while others were waited for was not asked, and while the
  // proxy was away nobody could answer.
  bool IsDown(const fleet::Agent& agent, bool was_asked,
              MonotonicTime asked_at) const {
    if (agent.status == fleet::AgentStatus::kOffline) {
      return Now() >= agent.awaited_until;
    }
    return was_asked && fleet.returned_at() <= asked_at;
  }
  // Those that can be asked. A page leaves out the second agent of a pod, which
  // would show the same series again.
  std::vector<fleet::Agent> V1Agents(const NodeFilter& filter,
                                     bool with_conflicts) const;
  void Ask(std::vector<fleet::Agent> agents,
           const fleet::MetricsQuestion& question, MonotonicTime deadline,
           net::UniqueFunction<void(std::vector<AgentAnswer>)> done);
  MonotonicTime Now() const { return loop.clock().Monotonic(); }
  std::int64_t NowUnixMs() const { return ToUnixMillis(loop.clock().Unix()); }
  Result<NodeFilter> ParseFilter(const HttpRequest& request) const;
  bool Takes(const NodeFilter& filter, const fleet::Agent& agent) const {
    return filter.Takes(agent.identity.role, agent.identity.pod_name,
                        agent.identity.labels);
  }

  net::EventLoop& loop;
  fleet::Fleet& fleet;
  fleet::AgentCommander& commander;
  const ApiOptions options;
  const MonotonicTime started;
  PageGatherer gatherer;
  NodeFrameReader frames;
  CpuWatch cpu;
  ApiStats stats;
  const std::shared_ptr<Slots> pages =
      std::make_shared<Slots>("pages", options.max_pages);
  const std::shared_ptr<Slots> windows =
      std::make_shared<Slots>("windows", options.max_windows);
  const std::shared_ptr<Slots> incident_lists =
      std::make_shared<Slots>("lists of incidents", options.max_incident_lists);
  const std::shared_ptr<Slots> profile_lists =
      std::make_shared<Slots>("lists of profiles", options.max_profile_lists);
  const std::shared_ptr<Slots> downloads =
      std::make_shared<Slots>("bodies of evidence", options.max_downloads);
  net::EventLoop::Handle sweep;
  net::EventLoop::Handle watch;
};

Result<NodeFilter> Api::Impl::ParseFilter(const HttpRequest& request) const {
  auto filter = NodeFilter::Parse(request.query);
  if (!filter.ok() || filter->pod_name().empty()) return filter;
  const fleet::AgentList agents = fleet.List();
  if (std::any_of(agents->begin(), agents->end(), [&](const auto& agent) {
        return agent.identity.pod_name == filter->pod_name();
      })) {
    filter->TakeExactPodName();
  }
  return filter;
}

std::vector<fleet::Agent> Api::Impl::V1Agents(const NodeFilter& filter,
                                              bool with_conflicts) const {
  std::vector<fleet::Agent> out;
  for (const fleet::Agent& agent : *fleet.List()) {
    if (agent.kind == fleet::AgentKind::kV1 &&
        (agent.status == fleet::AgentStatus::kOnline ||
         (agent.status == fleet::AgentStatus::kConflict && with_conflicts)) &&
        Takes(filter, agent)) {
      out.push_back(agent);
    }
  }
  return out;
}

void Api::Impl::Ask(std::vector<fleet::Agent> agents,
                    const fleet::MetricsQuestion& question,
                    MonotonicTime deadline,
                    net::UniqueFunction<void(std::vector<AgentAnswer>)> done) {
  AskAgents(commander, loop.clock(), std::move(agents), question, deadline,
            options.v1_answer_bytes,
            [self = shared_from_this(),
             done = std::move(done)](std::vector<AgentAnswer> answers) mutable {
              for (const AgentAnswer& a : answers) {
                if (a.too_large) {
                  ++self->stats.v1_too_large;
                } else if (!a.answer) {
                  ++self->stats.v1_silent;
                } else if (self->options.observe_v1_seconds) {
                  self->options.observe_v1_seconds(
                      std::chrono::duration<double>(a.took).count());
                }
              }
              done(std::move(answers));
            });
}

void Api::Impl::Metrics(const RequestPtr& request, Responder responder) {
  Slot slot = pages->Take(shared_from_this());
  if (!slot) return responder.Send(pages->Busy());
  const auto at = ParseAt(request->query);
  if (!at.ok()) return responder.Send(net::StatusError(at.status()));
  if (const Status s = CheckMatch(request->query, false); !s.ok()) {
    return responder.Send(net::StatusError(s));
  }
  const auto format = ParseFormat(request->query, {"text"});
  if (!format.ok()) return responder.Send(net::StatusError(format.status()));
  const auto chosen = ParseFilter(*request);
  if (!chosen.ok()) return responder.Send(net::StatusError(chosen.status()));
  const NodeFilter& filter = *chosen;
  auto wait = options.page_deadline;
  if (const auto seconds =
          ParseDouble(request->Header("X-Prometheus-Scrape-Timeout-Seconds"));
      seconds && *seconds > 0 && *seconds < 3600) {
    wait = std::min(wait, std::chrono::nanoseconds(
                              static_cast<std::int64_t>(*seconds * 0.8e9)));
  }
  fleet::MetricsQuestion question;
  if (*at) {
    // A v1 agent is asked for what two of its usual intervals hold.
    question.start =
        FromUnixMillis(**at - 2 * fleet::Pace::kUnknownInterval.count());
    question.end = FromUnixMillis(**at);
  }
  Ask(V1Agents(filter, false), question, Now() + wait,
      [self = shared_from_this(), filter, at = *at, asked_at = Now(),
       slot = std::move(slot),
       responder = std::make_shared<Responder>(std::move(responder))](
          std::vector<AgentAnswer> answers) mutable {
        self->FinishMetrics(filter, at, asked_at, std::move(answers),
                            std::move(slot), responder.get());
      });
}

void Api::Impl::FinishMetrics(const NodeFilter& filter,
                              std::optional<std::int64_t> at,
                              MonotonicTime asked_at,
                              std::vector<AgentAnswer> answers, Slot slot,
                              Responder* responder) {
  if (responder->cancelled()) return;
  ++stats.pages;
  fleet.Notice();
  if (at) {
    const auto was_there = [&](const fleet::Agent& agent) {
      const fleet::Mirror* mirror = fleet.mirror(agent.id);
      return mirror == nullptr ||
             Covers(agent, *mirror, *at, Now(), NowUnixMs());
    };
    std::vector<fleet::Agent> agents;
    for (const fleet::Agent& agent : Speakers(*fleet.List(), was_there)) {
      if (Takes(filter, agent)) agents.push_back(agent);
    }
    return responder->Send(StreamText(
        loop, std::move(slot), kTextType,
        std::make_unique<InstantPage>(fleet, loop.clock(), frames, &gatherer,
                                      &stats, std::move(agents),
                                      std::move(answers), *at)));
  }
  std::vector<PagePart> parts;
  std::uint64_t stale = 0;
  std::uint64_t catching_up = 0;
  for (const fleet::Agent& agent : Speakers(*fleet.List())) {
    if (!Takes(filter, agent)) continue;
    const fleet::Mirror* mirror = fleet.mirror(agent.id);
    if (mirror != nullptr) {
      NodeFrames node =
          frames.Latest(agent, *mirror, Now(), NowUnixMs(), false);
      stale += node.is_down ? 1 : 0;
      catching_up += node.is_catching_up ? 1 : 0;
      gatherer.AddFrames(std::move(node), &parts);
      continue;
    }
    const auto answer = std::find_if(
        answers.begin(), answers.end(),
        [&](const AgentAnswer& a) { return a.agent.id == agent.id; });
    if (answer != answers.end() && answer->answer) continue;
    if (!IsDown(agent, answer != answers.end(), asked_at)) {
      ++catching_up;
      continue;
    }
    ++stale;
    gatherer.AddFrames(frames.Down(agent, NowUnixMs()), &parts);
  }
  gatherer.AddAnswers(answers, &parts);
  if (filter.takes_all()) {
    // First, for the page tells of itself.
    stats.stale_nodes = stale;
    stats.catching_up_nodes = catching_up;
    gatherer.AddOwn(options.own_metrics, &parts);
  }
  if (parts.empty()) {
    HttpResponse empty;
    empty.content_type = kTextType;
    return responder->Send(std::move(empty));
  }
  auto text = std::make_unique<PageText>(gatherer.lines(), std::move(parts));
  stats.page_samples += text->samples();
  responder->Send(
      StreamText(loop, std::move(slot), kTextType, std::move(text)));
}

void Api::Impl::Windows(const RequestPtr& request, Responder responder) {
  Slot slot = windows->Take(shared_from_this());
  if (!slot) return responder.Send(windows->Busy());
  const auto window = ParseWindow(request->query);
  if (!window.ok()) return responder.Send(net::StatusError(window.status()));
  const auto format = ParseFormat(request->query, {"json", "openmetrics"});
  if (!format.ok()) return responder.Send(net::StatusError(format.status()));
  if (const Status s = CheckMatch(request->query, true); !s.ok()) {
    return responder.Send(net::StatusError(s));
  }
  auto parsed =
      exposition::SelectorSet::Parse(request->query.GetAll("match[]"));
  if (!parsed.ok()) return responder.Send(net::StatusError(parsed.status()));
  auto selectors =
      std::make_shared<exposition::SelectorSet>(*std::move(parsed));
  const auto chosen = ParseFilter(*request);
  if (!chosen.ok()) return responder.Send(net::StatusError(chosen.status()));
  const NodeFilter& filter = *chosen;
  fleet::MetricsQuestion question;
  auto wait = options.page_deadline;
  if (*window) {
    question.start = FromUnixMillis((*window)->from_unix_ms);
    question.end = FromUnixMillis((*window)->to_unix_ms);
    wait = std::min(options.window_deadline, fleet::V1AnswerTime(question));
  }
  const bool openmetrics = *format == "openmetrics";
  ++stats.windows;
  Ask(V1Agents(filter, true), question, Now() + wait,
      [self = shared_from_this(), filter, window = *window, selectors,
       openmetrics, asked_at = Now(), slot = std::move(slot),
       responder = std::make_shared<Responder>(std::move(responder))](
          const std::vector<AgentAnswer>& answers) mutable {
        if (responder->cancelled()) return;
        responder->Send(self->MakeWindows(filter, window, selectors,
                                          openmetrics, asked_at, answers,
                                          std::move(slot)));
      });
}

HttpResponse Api::Impl::MakeWindows(
    const NodeFilter& filter, const std::optional<Window>& window,
    std::shared_ptr<exposition::SelectorSet> selectors, bool openmetrics,
    MonotonicTime asked_at, const std::vector<AgentAnswer>& answers,
    Slot slot) {
  fleet.Notice();
  TypedFamilies families;
  for (const AgentAnswer& a : answers) {
    if (a.answer) families.Add(*a.answer);
  }
  std::vector<std::unique_ptr<WindowRows>> rows;
  std::vector<OpenMetricsNode> nodes;
  const auto add_frames = [&](NodeFrames node) {
    if (!openmetrics) {
      rows.push_back(FrameRows(std::move(node), selectors.get()));
      return;
    }
    OpenMetricsNode& n = nodes.emplace_back();
    n.agent = std::move(node.agent);
    n.keep = std::move(node.keep);
    n.frames = std::move(node.frames);
  };
  // JSON tells agents apart, by their id.
  for (const fleet::Agent& agent :
       openmetrics ? Speakers(*fleet.List()) : *fleet.List()) {
    if (!Takes(filter, agent)) continue;
    if (const fleet::Mirror* mirror = fleet.mirror(agent.id)) {
      if (!window) {
        add_frames(frames.Latest(agent, *mirror, Now(), NowUnixMs(), true));
      } else if (openmetrics) {
        OpenMetricsNode& n = nodes.emplace_back();
        n.agent = agent;
        n.snapshot = mirror->recording().Take();
      } else {
        rows.push_back(RecordedRows(agent, mirror->recording().Take(), *window,
                                    selectors.get()));
      }
      continue;
    }
    const auto answer = std::find_if(
        answers.begin(), answers.end(),
        [&](const AgentAnswer& a) { return a.agent.id == agent.id; });
    if (answer == answers.end() || !answer->answer) {
      if (!window && IsDown(agent, answer != answers.end(), asked_at)) {
        add_frames(frames.Down(agent, NowUnixMs()));
      }
    } else if (!openmetrics) {
      rows.push_back(
          AnsweredRows(agent, answer->answer, window, selectors.get()));
    } else {
      OpenMetricsNode& n = nodes.emplace_back();
      n.agent = agent;
      n.answered = SeriesOfAnswer(
          *answer->answer, families,
          [&](const fleet::MetricSample& s) {
            return !window || (s.unix_ms >= window->from_unix_ms &&
                               s.unix_ms <= window->to_unix_ms);
          },
          gatherer.pool());
    }
  }
  struct Keep {
    Slot slot;
    std::shared_ptr<exposition::SelectorSet> selectors;
  };
  auto keep = std::make_shared<Keep>(Keep{std::move(slot), selectors});
  if (openmetrics) {
    return StreamText(
        loop, std::move(keep),
        exposition::ContentType(exposition::Format::kOpenMetrics),
        std::make_unique<WindowOpenMetrics>(
            std::move(nodes), window.value_or(Window{}), selectors.get()));
  }
  return StreamText(loop, std::move(keep), "application/json",
                    std::make_unique<WindowJson>(std::move(rows)));
}

HttpResponse Api::Impl::Cluster(const HttpRequest& request) {
  const auto filter = ParseFilter(request);
  if (!filter.ok()) return net::StatusError(filter.status());
  fleet.Notice();
  std::vector<fleet::Agent> agents;
  for (const fleet::Agent& agent : *fleet.List()) {
    if (Takes(*filter, agent)) agents.push_back(agent);
  }
  return StreamText(loop, shared_from_this(), "application/json",
                    std::make_unique<ClusterText>(fleet, cpu, loop.clock(),
                                                  std::move(agents)));
}

HttpResponse Api::Impl::Incidents(const HttpRequest& request) {
  Slot slot = incident_lists->Take(shared_from_this());
  if (!slot) return incident_lists->Busy();
  const auto filter = IncidentFilter::Parse(request.query);
  if (!filter.ok()) return net::StatusError(filter.status());
  const auto nodes = ParseFilter(request);
  if (!nodes.ok()) return net::StatusError(nodes.status());
  fleet.Notice();
  const auto takes = [&](const fleet::Agent& a) { return Takes(*nodes, a); };
  return StreamText(
      loop, std::move(slot), "application/json",
      std::make_unique<IncidentsText>(fleet, Now(), *filter, takes));
}

HttpResponse Api::Impl::Discovery(const HttpRequest& request) const {
  const auto filter = ParseFilter(request);
  if (!filter.ok()) return net::StatusError(filter.status());
  std::string body = "[";
  for (const fleet::Agent& agent : *fleet.List()) {
    if (!Takes(*filter, agent) || fleet::AgentEndpoint(agent).empty()) continue;
    if (body.size() > 1) body += ',';
    AppendDiscoveredAgent(agent, &body);
  }
  return net::JsonResponse(body + "]\n");
}

Api::Api(net::EventLoop& loop, fleet::Fleet& fleet,
         fleet::AgentCommander& commander, ApiOptions options)
    : impl_(
          std::make_shared<Impl>(loop, fleet, commander, std::move(options))) {
  impl_->sweep = loop.RunEvery(
      kSweepInterval, [impl = impl_.get()](const net::EventLoop::Tick&) {
        impl->gatherer.Sweep();
      });
  impl_->watch = loop.RunEvery(
      CpuWatch::kTick, [impl = impl_.get()](const net::EventLoop::Tick&) {
        impl->cpu.Look(impl->fleet, impl->Now());
      });
}
Api::~Api() {
  impl_->sweep.Cancel();
  impl_->watch.Cancel();
}

void Api::Install(net::HttpServer* server) {
  const auto impl = impl_;
  server->Route("/metrics", Access::kViewer,
                [impl](const RequestPtr& request, Responder responder) {
                  impl->Metrics(request, std::move(responder));
                });
  server->Route("/metrics-windows", Access::kViewer,
                [impl](const RequestPtr& request, Responder responder) {
                  impl->Windows(request, std::move(responder));
                });
  server->Route(
      "/cluster", Access::kViewer,
      [impl](const HttpRequest& request) { return impl->Cluster(request); });
  server->Route(
      "/incidents", Access::kViewer,
      [impl](const HttpRequest& request) { return impl->Incidents(request); });
  InstallEvidenceRoutes(impl->loop, impl->fleet,
                        {.commander = impl->options.evidence,
                         .parse_filter =
                             [impl](const HttpRequest& request) {
                               return impl->ParseFilter(request);
                             },
                         .lists = impl->profile_lists,
                         .downloads = impl->downloads},
                        server);
  server->Route("/sd", Access::kViewer, [impl](const HttpRequest& request) {
    return impl->Discovery(request);
  });
  server->Route("/health", Access::kPublic, [impl](const HttpRequest&) {
    return net::JsonResponse(
        HealthDocument(impl->fleet.List(), impl->Now() - impl->started));
  });
  server->Route("/healthz", Access::kPublic,
                [](const HttpRequest&) { return net::TextResponse("ok\n"); });
  server->Route("/readyz", Access::kPublic, [impl](const HttpRequest&) {
    const Status ready =
        impl->options.ready ? impl->options.ready() : OkStatus();
    return ready.ok() ? net::TextResponse("ready\n")
                      : net::TextError(503, ready.message());
  });
  server->Route("/version", Access::kPublic, [impl](const HttpRequest&) {
    const ApiOptions& o = impl->options;
    return net::JsonResponse(VersionDocument(o.program, o.version, o.revision));
  });
}

ApiStats Api::stats() const {
  ApiStats s = impl_->stats;
  for (const auto& slots : {impl_->pages, impl_->windows, impl_->incident_lists,
                            impl_->profile_lists, impl_->downloads}) {
    s.refused += slots->refused();
  }
  s.lines = std::as_const(impl_->gatherer).lines().stats();
  return s;
}

}  // namespace fodc::api
