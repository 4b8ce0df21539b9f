// SPDX-License-Identifier: Apache-2.0
#include "fodc/proxy/proxy.h"

#include <algorithm>
#include <utility>

#include "fodc/api/api.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"
#include "fodc/fleet/fleet.h"
#include "fodc/link/server.h"
#include "fodc/net/http_server.h"
#include "fodc/program/log_sink.h"
#include "fodc/program/version.h"
#include "fodc/proxy/evidence_keeper.h"
#include "fodc/proxy/open_files.h"
#include "fodc/proxy/proxy_metrics.h"

namespace fodc::proxy {
namespace {

// Of log entries under way, over all agents.
constexpr std::size_t kInFlightBytes = 128u << 20;

fleet::Fleet::Options FleetOptions(const ProxyOptions& o) {
  fleet::Fleet::Options out;
  out.registry.heartbeat_timeout = o.agent_heartbeat_timeout;
  out.registry.cleanup_timeout = o.agent_cleanup_timeout;
  out.registry.max_agents = static_cast<std::size_t>(o.max_agents);
  out.memory.per_agent_bytes = o.recorder_memory_per_agent;
  out.memory.total_bytes = o.recorder_memory;
  return out;
}

link::LinkServer::Options LinkOptions(const ProxyOptions& o) {
  link::LinkServer::Options out;
  out.listen_address = o.grpc_listen_addr;
  out.version = program::Version();
  out.max_message_bytes = static_cast<std::size_t>(o.grpc_max_msg_size);
  out.heartbeat_interval = o.heartbeat_interval;
  // Our own agents are noticed sooner than that, if it is longer.
  out.flight_dead_after =
      std::min(out.flight_dead_after, o.agent_heartbeat_timeout);
  out.flight_heartbeat =
      std::min(out.flight_heartbeat, out.flight_dead_after / 3);
  out.flight_message_bytes =
      std::min(out.flight_message_bytes, out.max_message_bytes);
  // When a proxy comes back, the whole fleet resumes at once.
  out.in_flight_bytes =
      std::clamp(kInFlightBytes / static_cast<std::size_t>(o.max_agents),
                 std::size_t{64} << 10, out.in_flight_bytes);
  return out;
}

net::HttpServerOptions HttpOptions(const ProxyOptions& o,
                                   std::uint64_t open_files) {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  net::HttpServerOptions out;
  out.read_timeout = duration_cast<milliseconds>(o.http_read_timeout);
  out.header_timeout = std::min(out.header_timeout, out.read_timeout);
  out.write_timeout = duration_cast<milliseconds>(o.http_write_timeout);
  const auto wanted = static_cast<std::size_t>(o.http_max_connections);
  out.max_connections = HttpConnectionsWithin(
      open_files, static_cast<std::size_t>(o.max_agents), wanted);
  if (out.max_connections < wanted) {
    LogWarn("fewer HTTP connections, so that agents find open files",
            {{"http_max_connections", out.max_connections},
             {"wanted", wanted},
             {"max_agents", o.max_agents},
             {"open_files", open_files}});
  }
  return out;
}

EvidenceKeeper::Options KeeperOptions(const ProxyOptions& o) {
  EvidenceKeeper::Options out;
  out.directory = o.evidence_dir;
  out.limits.max_events = o.evidence_max_artifacts;
  out.limits.max_bytes = static_cast<std::int64_t>(o.evidence_max_disk_bytes);
  out.limits.max_age = o.evidence_max_age;
  out.copy_grace = o.evidence_copy_grace;
  out.retain_every = o.evidence_retain_every;
  return out;
}

// Own metrics as the page takes them.
void HandOut(const program::OwnMetrics& metrics, const api::OwnSink& sink) {
  std::vector<exposition::Label> labels;
  for (const program::OwnFamily& family : metrics.Collect()) {
    for (const program::OwnSample& sample : family.samples) {
      labels.clear();
      for (const auto& [name, value] : sample.labels) {
        labels.push_back({name, value});
      }
      exposition::SeriesDesc desc;
      desc.name = sample.name;
      desc.labels = labels;
      desc.family = family.name;
      desc.type = family.type;
      desc.help = family.help;
      sink(desc, sample.value);
    }
  }
}

}  // namespace

struct Proxy::Impl {
  Impl(net::EventLoop& l, const ProxyOptions& o)
      : loop(l), options(o), fleet(l.clock(), FleetOptions(o)) {}

  net::EventLoop& loop;
  const ProxyOptions options;
  program::OwnMetrics metrics;
  fleet::Fleet fleet;
  std::unique_ptr<link::LinkServer> link;
  std::unique_ptr<EvidenceKeeper> keeper;  // null: no copies are kept
  std::unique_ptr<api::Api> api;
  std::unique_ptr<net::HttpServer> http;  // goes first
  net::EventLoop::Handle watch;
  bool stopping = false;
};

Proxy::Proxy(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Proxy::~Proxy() = default;

Result<std::unique_ptr<Proxy>> Proxy::Start(net::EventLoop& loop,
                                            const ProxyOptions& options) {
  auto impl = std::make_unique<Impl>(loop, options);
  Impl* p = impl.get();
  if (!options.evidence_dir.empty()) {
    auto keeper = EvidenceKeeper::Open(loop, p->fleet, KeeperOptions(options));
    if (!keeper.ok()) {
      return keeper.status().WithContext(
          StrCat("--evidence-dir ", options.evidence_dir));
    }
    p->keeper = *std::move(keeper);
  }
  // HTTP first: agents are taken in only by a proxy that can be asked.
  p->http = std::make_unique<net::HttpServer>(
      loop, HttpOptions(options, RaiseOpenFiles()));
  const Status listens = p->http->Listen(options.http_listen_addr);
  if (!listens.ok()) {
    return listens.WithContext(
        StrCat("--http-listen-addr ", options.http_listen_addr));
  }
  p->watch = loop.RunEvery(
      fleet::Fleet::kWatchPeriod,
      [p](const net::EventLoop::Tick&) { p->fleet.Watch(); },
      loop.clock().Monotonic());
  auto link = link::LinkServer::Start(loop, p->fleet, LinkOptions(options));
  if (!link.ok()) {
    return link.status().WithContext(
        StrCat("--grpc-listen-addr ", options.grpc_listen_addr));
  }
  p->link = *std::move(link);
  if (p->keeper) p->keeper->Start(p->link.get());
  api::ApiOptions api_options;
  api_options.version = program::Version();
  api_options.revision = program::GitRevision();
  api_options.own_metrics = [p](const api::OwnSink& sink) {
    HandOut(p->metrics, sink);
  };
  api_options.ready = [p]() -> Status {
    return p->stopping ? Unavailable("the proxy is stopping") : OkStatus();
  };
  api_options.evidence = p->link.get();
  api_options.copies = p->keeper.get();
  api_options.restrict_profile_downloads = options.restrict_profile_downloads;
  api_options.observe_v1_seconds =
      [latency = p->metrics.AddHistogram(
           "fodc_proxy_v1_answer_seconds", "Time until a v1 agent answered.",
           {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
            10})](double seconds) { latency.Observe(seconds); };
  p->api = std::make_unique<api::Api>(loop, p->fleet, *p->link,
                                      std::move(api_options));
  p->api->Install(p->http.get());
  p->metrics.AddBuildInfo("fodc_proxy");
  p->metrics.AddCallback(
      "fodc_proxy_log_lines_dropped_total", exposition::MetricType::kCounter,
      "Lines of the log that a full queue dropped.",
      [] { return static_cast<double>(program::LogLinesDropped()); });
  p->metrics.AddCallback([](std::vector<program::OwnFamily>* out) {
    // Under the proxy's own names: nodes have process_* too.
    std::vector<program::OwnFamily> process;
    program::CollectProcessMetrics(&process);
    for (program::OwnFamily& family : process) {
      family.name.insert(0, "fodc_proxy_");
      for (program::OwnSample& s : family.samples) {
        s.name.insert(0, "fodc_proxy_");
      }
      out->push_back(std::move(family));
    }
  });
  AddProxyMetrics(loop, p->fleet, *p->link, *p->api, *p->http, p->keeper.get(),
                  &p->metrics);
  return std::unique_ptr<Proxy>(new Proxy(std::move(impl)));
}

void Proxy::Stop(net::Task done) {
  Impl* p = impl_.get();
  if (std::exchange(p->stopping, true)) return;
  struct Both {
    int open = 2;
    net::Task done;
  };
  auto both = std::make_shared<Both>();
  both->done = std::move(done);
  const auto one_less = [both] {
    if (--both->open == 0) both->done();
  };
  if (p->keeper) p->keeper->Stop();
  p->link->Drain("the proxy is stopping", p->options.shutdown_timeout,
                 one_less);
  p->http->Stop(std::chrono::duration_cast<std::chrono::milliseconds>(
                    p->options.shutdown_timeout),
                one_less);
}

int Proxy::grpc_port() const { return impl_->link->port(); }
std::uint16_t Proxy::http_port() const { return impl_->http->port(); }
const program::OwnMetrics& Proxy::metrics() const { return impl_->metrics; }

}  // namespace fodc::proxy
