// SPDX-License-Identifier: Apache-2.0
#include "fodc/proxy/proxy_metrics.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace fodc::proxy {
namespace {

using exposition::MetricType;
using program::OwnFamily;
using program::OwnLabels;
using program::OwnSample;
using Families = std::vector<OwnFamily>;

// Adds one family after the other.
class Writer {
 public:
  explicit Writer(Families* out) : out_(out) {}

  Writer& Counter(std::string name, std::string help) {
    return Family(std::move(name), MetricType::kCounter, std::move(help));
  }
  Writer& Gauge(std::string name, std::string help) {
    return Family(std::move(name), MetricType::kGauge, std::move(help));
  }
  template <typename T>
  Writer& Value(T value, OwnLabels labels = {}) {
    OwnFamily& family = out_->back();
    family.samples.push_back(
        {family.name, std::move(labels), static_cast<double>(value)});
    return *this;
  }

 private:
  Writer& Family(std::string name, MetricType type, std::string help) {
    OwnFamily& family = out_->emplace_back();
    family.name = std::move(name);
    family.type = type;
    family.help = std::move(help);
    return *this;
  }
  Families* out_;
};

double Seconds(std::chrono::nanoseconds d) {
  return std::chrono::duration<double>(d).count();
}

void CollectFleet(const fleet::Fleet& fleet, Families* out) {
  const fleet::Fleet::Stats s = fleet.stats();
  Writer w(out);
  w.Gauge("fodc_proxy_agents", "Agents in the registry by state.")
      .Value(s.online, {{"state", "online"}})
      .Value(s.offline, {{"state", "offline"}})
      .Value(s.conflict, {{"state", "conflict"}});
  w.Gauge("fodc_proxy_agents_by_kind", "Agents in the registry by link.")
      .Value(s.v1, {{"kind", "v1"}})
      .Value(s.flight, {{"kind", "flight"}});
  w.Counter("fodc_proxy_registrations_total",
            "Registrations by what became of them.")
      .Value(s.registry.admitted, {{"outcome", "admitted"}})
      .Value(s.registry.refused_full, {{"outcome", "refused_full"}})
      .Value(s.registry.refused_invalid, {{"outcome", "refused_invalid"}});
  w.Counter("fodc_proxy_conflicts_total",
            "Agents that claimed the pod name of another live agent.")
      .Value(s.registry.conflicts);
  w.Counter("fodc_proxy_agents_gone_total",
            "Registry entries that went, by why.")
      .Value(s.registry.replaced, {{"reason", "replaced"}})
      .Value(s.registry.expired, {{"reason", "expired"}})
      .Value(s.registry.evicted, {{"reason", "evicted"}});
  w.Counter("fodc_proxy_frames_total", "Frames taken into recordings.")
      .Value(s.mirrors.frames);
  w.Counter("fodc_proxy_log_entries_total",
            "Log entries taken into recordings.")
      .Value(s.mirrors.entries);
  w.Counter("fodc_proxy_gaps_total", "Holes in what agents sent.")
      .Value(s.mirrors.gaps);
  w.Counter("fodc_proxy_missing_frames_total",
            "Frames that holes are known to miss.")
      .Value(s.mirrors.missing_frames);
  w.Counter("fodc_proxy_damaged_chunks_total",
            "Chunks refused by their checksum.")
      .Value(s.mirrors.damaged);
  w.Counter("fodc_proxy_unusable_frames_total",
            "Frames left out: they build on lost ones, are of a life that is "
            "over, or have series that do not fit.")
      .Value(s.mirrors.unusable);
  w.Counter("fodc_proxy_refused_series_total",
            "Series of agents that their recordings had no room for.")
      .Value(s.mirrors.refused_series);
  w.Counter("fodc_proxy_evicted_samples_total",
            "Samples that left the window of agents that are there.")
      .Value(s.evicted_samples);
  w.Gauge("fodc_proxy_incidents", "Incidents of agents that are there.")
      .Value(s.incidents.open, {{"state", "open"}})
      .Value(s.incidents.ended, {{"state", "ended"}});
  w.Gauge("fodc_proxy_incident_bytes", "Their memory.")
      .Value(s.incidents.bytes);
  w.Counter("fodc_proxy_incident_records_total",
            "What agents told of incidents, by what became of it.")
      .Value(s.incidents.added, {{"outcome", "added"}})
      .Value(s.incidents.updated, {{"outcome", "updated"}})
      .Value(s.incidents.known, {{"outcome", "known"}})
      .Value(s.incidents.refused, {{"outcome", "refused"}});
  w.Counter("fodc_proxy_incidents_dropped_total",
            "Incidents that gave way to others for want of room.")
      .Value(s.incidents.dropped);
  w.Gauge("fodc_proxy_events", "Events that nodes have, as agents told.")
      .Value(s.events.events);
  w.Gauge("fodc_proxy_event_bytes", "The memory of their list.")
      .Value(s.events.bytes);
  w.Counter("fodc_proxy_events_refused_total",
            "Listed events that broke a rule and were left out.")
      .Value(s.events.refused);
  w.Counter("fodc_proxy_events_dropped_total",
            "Listed events that gave way to others for want of room.")
      .Value(s.events.dropped);
  w.Counter("fodc_proxy_absences_total",
            "Times that the proxy did nothing for more than 0.35 s.")
      .Value(s.absences);
  w.Gauge("fodc_proxy_recording_bytes", "Memory of all recordings.")
      .Value(s.memory_bytes);
  w.Gauge("fodc_proxy_recording_shared_bytes",
          "Memory of the names and labels that recordings share.")
      .Value(s.shared_bytes);
  w.Gauge("fodc_proxy_recording_pool_bytes",
          "Memory that the recordings may hold, shared series not included.")
      .Value(s.pool_bytes);

  std::uint64_t series = 0;
  std::uint64_t samples = 0;
  double bytes_per_second = 0;
  std::vector<double> reaches;
  std::vector<double> trips;
  for (const fleet::Agent& agent : *fleet.List()) {
    if (agent.round_trip.count() > 0) {
      trips.push_back(Seconds(agent.round_trip));
    }
    const fleet::Mirror* mirror = fleet.mirror(agent.id);
    if (mirror == nullptr) continue;
    const recorder::RecordingStats r = mirror->recording().stats();
    series += r.active_series;
    samples += r.samples;
    if (r.frames == 0) continue;
    const double reach = static_cast<double>(r.window_ms) / 1000;
    reaches.push_back(reach);
    // The open end costs more by the sample and is not the rate to go by.
    if (reach > 0 && r.sealed_bytes > 0) {
      bytes_per_second += static_cast<double>(r.sealed_bytes) / reach;
    }
  }
  w.Gauge("fodc_proxy_series", "Series in the newest frames.").Value(series);
  w.Gauge("fodc_proxy_recording_samples", "Samples in all recordings.")
      .Value(samples);
  if (!reaches.empty()) {
    std::sort(reaches.begin(), reaches.end());
    w.Gauge("fodc_proxy_window_seconds",
            "How far the recordings of agents reach back.")
        .Value(reaches.front(), {{"stat", "least"}})
        .Value(reaches[reaches.size() / 2], {{"stat", "median"}})
        .Value(reaches.back(), {{"stat", "most"}});
  }
  if (bytes_per_second > 0) {
    w.Gauge("fodc_proxy_window_expected_seconds",
            "How far the recordings will reach at the present rate.")
        .Value(static_cast<double>(s.pool_bytes) / bytes_per_second);
  }
  if (!trips.empty()) {
    std::sort(trips.begin(), trips.end());
    w.Gauge("fodc_proxy_agent_round_trip_seconds",
            "Round trips of the newest heartbeats.")
        .Value(trips[trips.size() / 2], {{"stat", "median"}})
        .Value(trips.back(), {{"stat", "most"}});
  }
}

void CollectLink(const link::LinkServer& link, Families* out) {
  const link::LinkServer::Stats s = link.stats();
  Writer w(out);
  w.Gauge("fodc_proxy_link_streams", "Open gRPC streams.")
      .Value(s.open_streams);
  w.Gauge("fodc_proxy_link_sessions", "Registered sessions.").Value(s.sessions);
  w.Counter("fodc_proxy_link_streams_opened_total", "gRPC streams opened.")
      .Value(s.streams_opened);
  w.Counter("fodc_proxy_link_streams_refused_total",
            "gRPC streams refused: unknown, foreign or too many.")
      .Value(s.streams_refused);
  w.Counter("fodc_proxy_link_messages_refused_total",
            "Messages that could not be decoded or came out of order.")
      .Value(s.messages_refused);
  w.Counter("fodc_proxy_link_dead_peers_total",
            "Agents cut off for their silence.")
      .Value(s.dead_peers);
  w.Counter("fodc_proxy_link_probes_total",
            "Agents asked whether they live, for a rival came.")
      .Value(s.probes);
  w.Counter("fodc_proxy_link_resumes_total",
            "Sessions that went on with a recording.")
      .Value(s.resumes);
  w.Counter("fodc_proxy_flight_messages_total",
            "Messages of log entries received.")
      .Value(s.flight_messages);
  w.Counter("fodc_proxy_flight_bytes_total", "Their bytes, encoded.")
      .Value(s.flight_bytes);
  w.Counter("fodc_proxy_flight_frames_total", "The frames in them.")
      .Value(s.flight_frames);
  w.Counter("fodc_proxy_flight_acknowledgements_total",
            "Acknowledgements sent.")
      .Value(s.acknowledgements);
  w.Counter("fodc_proxy_v1_questions_total",
            "Callers with questions to v1 agents by what became of them.")
      .Value(s.questions.asked, {{"outcome", "asked"}})
      .Value(s.questions.shared, {{"outcome", "shared"}})
      .Value(s.questions.answered, {{"outcome", "answered"}})
      .Value(s.questions.timed_out, {{"outcome", "timed_out"}});
  w.Counter("fodc_proxy_v1_not_waited_for_total",
            "Callers refused at once, for the agent had left several questions "
            "in a row unanswered.")
      .Value(s.v1_not_waited_for);
  w.Counter("fodc_proxy_v1_refused_samples_total",
            "Samples of v1 agents with names that no page can bear.")
      .Value(s.v1_refused_samples);
  w.Counter("fodc_proxy_v1_stray_answers_total",
            "Answers of v1 agents that nobody waited for.")
      .Value(s.questions.late, {{"reason", "late"}})
      .Value(s.questions.unasked, {{"reason", "unasked"}});
}

void CollectApi(const api::Api& api, Families* out) {
  const api::ApiStats s = api.stats();
  Writer w(out);
  w.Counter("fodc_proxy_pages_total", "Pages of /metrics written.")
      .Value(s.pages);
  w.Counter("fodc_proxy_page_samples_total", "Samples on them.")
      .Value(s.page_samples);
  w.Counter("fodc_proxy_windows_total", "Answers of /metrics-windows.")
      .Value(s.windows);
  w.Counter("fodc_proxy_busy_total",
            "Requests for pages, windows and incidents refused, for too many "
            "were at work.")
      .Value(s.refused);
  w.Gauge("fodc_proxy_stale_nodes",
          "Nodes of which the newest page showed only up 0.")
      .Value(s.stale_nodes);
  w.Gauge("fodc_proxy_catching_up_nodes",
          "Nodes that the newest page left out, for their newest scrapes had "
          "not arrived yet.")
      .Value(s.catching_up_nodes);
  w.Counter("fodc_proxy_v1_silent_total",
            "v1 agents that did not answer an HTTP request in time.")
      .Value(s.v1_silent);
  w.Counter("fodc_proxy_v1_too_large_total",
            "Answers of v1 agents that an HTTP request had no room for.")
      .Value(s.v1_too_large);
  w.Gauge("fodc_proxy_line_cache_bytes",
          "Memory of rendered lines and layouts.")
      .Value(s.lines.bytes);
  w.Gauge("fodc_proxy_line_cache_lines", "Rendered lines kept.")
      .Value(s.lines.lines);
  w.Counter("fodc_proxy_line_cache_layouts_built_total",
            "Layouts put together for pages.")
      .Value(s.lines.built);
  w.Counter("fodc_proxy_line_cache_refused_lines_total",
            "Lines that the cache had no room for.")
      .Value(s.lines.uncached);
}

void CollectHttp(const net::HttpServer& http, Families* out) {
  const net::HttpServerStats& s = http.stats();
  Writer w(out);
  w.Counter("fodc_proxy_http_requests_total", "HTTP requests answered.");
  for (const auto& [key, route] : s.routes) {
    w.Value(route.requests,
            {{"code", std::to_string(key.second)}, {"route", key.first}});
  }
  w.Counter("fodc_proxy_http_request_seconds_total",
            "Time from the headers read to the last byte written.");
  for (const auto& [key, route] : s.routes) {
    w.Value(Seconds(route.duration),
            {{"code", std::to_string(key.second)}, {"route", key.first}});
  }
  w.Gauge("fodc_proxy_http_connections", "Open HTTP connections.")
      .Value(s.connections_open);
  w.Counter("fodc_proxy_http_connections_total",
            "HTTP connections by what became of them.")
      .Value(s.connections_accepted, {{"outcome", "accepted"}})
      .Value(s.connections_evicted, {{"outcome", "evicted"}})
      .Value(s.connections_refused, {{"outcome", "refused"}});
  w.Counter("fodc_proxy_http_timeouts_total",
            "HTTP connections cut by a deadline.")
      .Value(s.header_timeouts, {{"phase", "header"}})
      .Value(s.idle_timeouts, {{"phase", "idle"}})
      .Value(s.read_timeouts, {{"phase", "read"}})
      .Value(s.write_timeouts, {{"phase", "write"}});
  w.Counter("fodc_proxy_http_bad_requests_total",
            "Requests that were no HTTP or over a limit.")
      .Value(s.bad_requests);
  w.Counter("fodc_proxy_http_aborted_total", "Answers that were not complete.")
      .Value(s.clients_gone, {{"reason", "client_gone"}})
      .Value(s.bodies_aborted, {{"reason", "failed"}});
  w.Counter("fodc_proxy_http_received_bytes_total", "Bytes of requests.")
      .Value(s.bytes_received);
  w.Counter("fodc_proxy_http_sent_bytes_total", "Bytes of answers.")
      .Value(s.bytes_sent);
}

// All 0 where none are kept: the names are the same everywhere.
void CollectCopies(const EvidenceKeeper::Stats& s, Families* out) {
  Writer w(out);
  w.Gauge("fodc_proxy_evidence_copies", "Events of which the proxy has a copy.")
      .Value(s.copies);
  w.Gauge("fodc_proxy_evidence_copy_bytes", "Bytes of their files.")
      .Value(s.bytes);
  w.Gauge("fodc_proxy_evidence_copies_waiting",
          "Events of agents that are online, yet to be copied.")
      .Value(s.waiting);
  w.Counter("fodc_proxy_evidence_copies_total",
            "Copies of events by what came of them.")
      .Value(s.copied, {{"outcome", "copied"}})
      .Value(s.failed, {{"outcome", "failed"}})
      .Value(s.refused, {{"outcome", "refused"}});
  w.Counter("fodc_proxy_evidence_copies_deleted_total",
            "Copies deleted to stay within the limits.")
      .Value(s.deleted);
}

void CollectLoop(const net::EventLoop& loop, Families* out) {
  const net::EventLoop::Stats s = loop.stats();
  Writer w(out);
  w.Gauge("fodc_proxy_loop_posted", "Tasks that wait for the loop.")
      .Value(s.posted_waiting);
  w.Counter("fodc_proxy_loop_refused_total",
            "Tasks refused because too many wait.")
      .Value(s.posts_refused, {{"queue", "loop"}})
      .Value(s.offloads_refused, {{"queue", "workers"}});
  w.Counter("fodc_proxy_loop_missed_ticks_total",
            "Ticks of timers that came too late.")
      .Value(s.ticks_missed);
}

}  // namespace

void AddProxyMetrics(const net::EventLoop& loop, const fleet::Fleet& fleet,
                     const link::LinkServer& link, const api::Api& api,
                     const net::HttpServer& http, const EvidenceKeeper* keeper,
                     program::OwnMetrics* metrics) {
  metrics->AddCallback(
      [&loop, &fleet, &link, &api, &http, keeper](Families* out) {
        CollectFleet(fleet, out);
        CollectLink(link, out);
        CollectApi(api, out);
        CollectHttp(http, out);
        CollectCopies(keeper ? keeper->stats() : EvidenceKeeper::Stats(), out);
        CollectLoop(loop, out);
      });
}

}  // namespace fodc::proxy
