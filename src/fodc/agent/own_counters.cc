// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/own_counters.h"

#include <string>
#include <utility>
#include <vector>

namespace fodc::agent {
namespace {

using exposition::MetricType;
using program::OwnFamily;
using program::OwnLabels;

using Families = std::vector<OwnFamily>;

// A family that is filled sample by sample.
class Family {
 public:
  Family(Families* out, std::string name, MetricType type, std::string help)
      : out_(out),
        family_{
            .name = std::move(name), .type = type, .help = std::move(help)} {}
  ~Family() {
    if (!family_.samples.empty()) out_->push_back(std::move(family_));
  }
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;

  void Add(OwnLabels labels, double value) {
    family_.samples.push_back(
        {.name = family_.name, .labels = std::move(labels), .value = value});
  }
  void Add(OwnLabels labels, std::uint64_t value) {
    Add(std::move(labels), static_cast<double>(value));
  }

 private:
  Families* out_;
  OwnFamily family_;
};

constexpr auto kCounter = MetricType::kCounter;
constexpr auto kGauge = MetricType::kGauge;

}  // namespace

void AddCollectorMetrics(program::OwnMetrics* metrics,
                         const collect::Collector* collector) {
  metrics->AddCallback([collector](Families* out) {
    Family scrapes(out, "fodc_agent_scrapes_total", kCounter,
                   "Scrapes that ended, whatever came of them.");
    Family late(out, "fodc_agent_late_scrapes_total", kCounter,
                "Scrapes that began after their tick, for the one before them "
                "still ran.");
    Family errors(out, "fodc_agent_scrape_errors_total", kCounter,
                  "Scrapes that gave no page, by reason.");
    Family bad(out, "fodc_agent_bad_lines_total", kCounter,
               "Lines of pages that were left out, by reason; truncated also "
               "counts pages without their # EOF.");
    Family timestamps(out, "fodc_agent_page_timestamps_total", kCounter,
                      "Samples of pages with a time of their own, which is not "
                      "recorded.");
    Family exemplars(out, "fodc_agent_page_exemplars_total", kCounter,
                     "Samples of pages with an exemplar, which is not "
                     "recorded.");
    for (const auto& scraper : collector->scrapers()) {
      const std::string& endpoint = scraper->endpoint().name;
      const collect::EndpointStatus& s = scraper->status();
      scrapes.Add({{"endpoint", endpoint}}, s.scrapes);
      late.Add({{"endpoint", endpoint}}, s.late);
      timestamps.Add({{"endpoint", endpoint}}, s.timestamps);
      exemplars.Add({{"endpoint", endpoint}}, s.exemplars);
      for (std::size_t i = 1; i < s.errors.size(); ++i) {
        const auto error = static_cast<collect::ScrapeError>(i);
        errors.Add({{"endpoint", endpoint},
                    {"reason", std::string(collect::ScrapeErrorName(error))}},
                   s.errors[i]);
      }
      for (std::size_t i = 0; i < s.bad_lines.size(); ++i) {
        if (s.bad_lines[i] == 0) continue;
        const auto problem = static_cast<exposition::LineProblem>(i);
        bad.Add({{"endpoint", endpoint},
                 {"reason", std::string(exposition::LineProblemName(problem))}},
                s.bad_lines[i]);
      }
    }
    Family memory(out, "fodc_agent_pages_bytes", kGauge,
                  "Memory of the pages kept for comparison, their layouts and "
                  "buffers.");
    memory.Add({}, static_cast<std::uint64_t>(collector->memory_bytes()));
  });
}

void AddLinkMetrics(program::OwnMetrics* metrics, const link::AgentLink* link) {
  metrics->AddCallback([link](Families* out) {
    Family connected(out, "fodc_agent_link_connected", kGauge,
                     "Whether the proxy is connected.");
    Family conflict(out, "fodc_agent_link_conflict", kGauge,
                    "Whether the proxy has another live agent of this pod, and "
                    "shows that one's samples.");
    Family connects(out, "fodc_agent_link_connects_total", kCounter,
                    "Sessions that the proxy welcomed.");
    Family failures(out, "fodc_agent_link_failures_total", kCounter,
                    "Attempts and sessions that broke.");
    Family resumes(out, "fodc_agent_link_resumes_total", kCounter,
                   "Sessions that went on where an earlier one broke.");
    Family frames(out, "fodc_agent_link_frames_total", kCounter,
                  "Frames sent to the proxy.");
    Family bytes(out, "fodc_agent_link_bytes_total", kCounter,
                 "Bytes of samples sent to the proxy.");
    Family gaps(out, "fodc_agent_link_gaps_total", kCounter,
                "Times that the window had moved on before the proxy had it.");
    Family lost(out, "fodc_agent_link_lost_frames_total", kCounter,
                "Frames that the proxy will never get.");
    Family incidents(out, "fodc_agent_link_incidents_total", kCounter,
                     "Incidents told to the proxy, each revision.");
    Family evidence(out, "fodc_agent_link_evidence_bytes_total", kCounter,
                    "Bytes of files and capsules sent to the proxy.");
    Family round_trip(out, "fodc_agent_link_round_trip_seconds", kGauge,
                      "Newest round trip to the proxy; 0 if unknown.");
    Family in_flight(out, "fodc_agent_link_in_flight_bytes", kGauge,
                     "Bytes sent to the proxy and not yet acknowledged.");
    Family answers(out, "fodc_agent_link_v1_answers_total", kCounter,
                   "Questions of a v1 proxy that were answered.");
    Family dropped(out, "fodc_agent_link_v1_dropped_samples_total", kCounter,
                   "Samples that did not fit into an answer to a v1 proxy.");
    for (const link::ProxyLinkStats& s : link->stats()) {
      const OwnLabels proxy = {{"proxy", s.address}};
      connected.Add(proxy, s.state == link::LinkState::kFlight ||
                                   s.state == link::LinkState::kV1
                               ? 1.0
                               : 0.0);
      conflict.Add(proxy, s.conflict ? 1.0 : 0.0);
      connects.Add(proxy, s.connects);
      failures.Add(proxy, s.failures);
      resumes.Add(proxy, s.resumes);
      frames.Add(proxy, s.frames_sent);
      bytes.Add(proxy, s.bytes_sent);
      gaps.Add(proxy, s.gaps);
      lost.Add(proxy, s.gap_frames);
      incidents.Add(proxy, s.incidents_sent);
      evidence.Add(proxy, s.evidence_bytes_sent);
      round_trip.Add(proxy, static_cast<double>(s.round_trip.count()) / 1e6);
      in_flight.Add(proxy, static_cast<std::uint64_t>(s.in_flight_bytes));
      answers.Add(proxy, s.v1_answers);
      dropped.Add(proxy, s.v1_dropped_samples);
    }
  });
}

void AddNodeMetrics(program::OwnMetrics* metrics,
                    const node::NodeQuery* query) {
  metrics->AddCallback([query](Families* out) {
    Family answers(out, "fodc_agent_node_answers_total", kCounter,
                   "Answers of the node about its role and labels.");
    Family failures(out, "fodc_agent_node_failures_total", kCounter,
                    "Questions about its role and labels that the node did not "
                    "answer.");
    for (const node::NodeQuery::PortStats& s : query->stats()) {
      const OwnLabels port = {{"port", std::to_string(s.port)}};
      answers.Add(port, s.answers);
      failures.Add(port, s.failures);
    }
  });
}

void AddServerMetrics(program::OwnMetrics* metrics,
                      std::function<const net::HttpServerStats&()> stats) {
  metrics->AddCallback([stats = std::move(stats)](Families* out) {
    const net::HttpServerStats& s = stats();
    Family requests(out, "fodc_agent_http_requests_total", kCounter,
                    "HTTP requests answered.");
    for (const auto& [route, r] : s.routes) {
      requests.Add(
          {{"code", std::to_string(route.second)}, {"route", route.first}},
          r.requests);
    }
    Family(out, "fodc_agent_http_connections", kGauge,
           "HTTP connections that are open.")
        .Add({}, s.connections_open);
    Family(out, "fodc_agent_http_refused_connections_total", kCounter,
           "HTTP connections refused at the limit.")
        .Add({}, s.connections_refused);
    Family timeouts(out, "fodc_agent_http_timeouts_total", kCounter,
                    "HTTP clients that were too slow.");
    timeouts.Add({{"phase", "header"}}, s.header_timeouts);
    timeouts.Add({{"phase", "read"}}, s.read_timeouts);
    timeouts.Add({{"phase", "write"}}, s.write_timeouts);
  });
}

void AddLoopMetrics(program::OwnMetrics* metrics, const net::EventLoop* loop) {
  metrics->AddCallback([loop](Families* out) {
    const net::EventLoop::Stats s = loop->stats();
    Family refused(out, "fodc_agent_queue_refused_total", kCounter,
                   "Work refused because a queue was full.");
    refused.Add({{"queue", "loop"}}, s.posts_refused);
    refused.Add({{"queue", "workers"}}, s.offloads_refused);
  });
}

}  // namespace fodc::agent
