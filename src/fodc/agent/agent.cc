// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/agent.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "fodc/agent/evidence_captures.h"
#include "fodc/agent/explain.h"
#include "fodc/agent/features.h"
#include "fodc/agent/guardian_watch.h"
#include "fodc/agent/identity.h"
#include "fodc/agent/incident_file.h"
#include "fodc/agent/instance.h"
#include "fodc/agent/kernel_watch.h"
#include "fodc/agent/oom_kills.h"
#include "fodc/agent/own_counters.h"
#include "fodc/agent/own_readings.h"
#include "fodc/agent/resident.h"
#include "fodc/agent/server.h"
#include "fodc/agent/spill.h"
#include "fodc/agent/target_file.h"
#include "fodc/base/cgroup.h"
#include "fodc/base/log.h"
#include "fodc/base/proc.h"
#include "fodc/base/strings.h"
#include "fodc/collect/collector.h"
#include "fodc/collect/kernel_samples.h"
#include "fodc/collect/targets.h"
#include "fodc/detect/detector.h"
#include "fodc/guardian/wall_record.h"
#include "fodc/link/agent_link.h"
#include "fodc/link/evidence_server.h"
#include "fodc/net/http_client.h"
#include "fodc/node/node_query.h"
#include "fodc/program/log_sink.h"
#include "fodc/program/own_metrics.h"
#include "fodc/program/version.h"
#include "fodc/recorder/recording.h"

namespace fodc::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr seconds kGoodbye{2};
constexpr seconds kServerGrace{2};
// Captures that run end within milliseconds, but for the disk.
constexpr seconds kLastCaptures{2};
// Once the first frames are made, and then now and again.
constexpr seconds kTrimAfter{3};
constexpr seconds kTrimInterval{60};

std::optional<std::uint64_t> OwnMemoryLimit() {
  auto place = FindCgroup(kProcRoot, ::getpid());
  if (!place.ok()) return std::nullopt;
  const auto memory = CgroupReader(*std::move(place)).ReadMemory();
  return memory.ok() ? MemoryLimit(*memory) : std::nullopt;
}

recorder::RecordingOptions RecordingOptionsOf(const Options& options,
                                              std::size_t budget) {
  recorder::RecordingOptions r;
  r.budget_bytes = budget;
  r.max_series = static_cast<std::size_t>(options.max_series);
  return r;
}

collect::ScrapeOptions ScrapeOptionsOf(const Options& options,
                                       const Checked& checked) {
  collect::ScrapeOptions s = checked.scrape;
  // HELP, TYPE and a blank line for each series are plenty.
  s.max_lines = 4 * static_cast<std::size_t>(options.max_series) + 1000;
  return s;
}

}  // namespace

struct Agent::Impl {
  Impl(const Options& o, Checked c, net::EventLoop& l)
      : options(o),
        checked(std::move(c)),
        loop(l),
        budget(RecorderBudget(o.recorder_memory,
                              o.max_metrics_memory_usage_percentage,
                              OwnMemoryLimit())),
        pod_name(o.pod_name.empty() ? HostName() : o.pod_name),
        identity(pod_name, checked.role, checked.node_labels),
        spill(Spill::Open(loop, o.recorder_dir, pod_name,
                          RecordingOptionsOf(o, budget))),
        // What lies in another agent's directory is that one's.
        instance_id(InstanceId(
            spill->owner() == Spill::Owner::kAnother ? "" : o.recorder_dir,
            spill->owner() == Spill::Owner::kUs, pod_name, BootId())),
        target_file(loop, o.recorder_dir, pod_name,
                    [this] { return spill->owner() == Spill::Owner::kUs; }),
        recording(spill->TakeRecording()),
        last_seen_targets(collect::LastSeenTargets(recording)),
        collector(checked.endpoints, ScrapeOptionsOf(o, checked), loop, client,
                  recording),
        targets(TargetRows(o, checked.endpoints), {}, loop, recording),
        own_readings(loop.clock(), recording, collector, budget),
        incident_file(
            loop, o.recorder_dir, pod_name,
            [this] { return spill->owner() == Spill::Owner::kUs; }, incidents),
        link(
            loop, recording, incidents, [this] { return LinkIdentity(); },
            LinkOptions()) {}

  Status Start();
  void RestoreTargets();
  void KeepInstanceIdLate();
  void MakeKernelTelemetry();
  Status StartGuardian();
  Status StartCaptures();
  void ServeEvidence();
  recorder::FileInfo WindowInfo() const;
  void OnIncident();
  void OnAppended();
  void StartNodeQuery();
  fleet::AgentIdentity LinkIdentity() const;
  link::AgentLink::Options LinkOptions() const;
  std::unique_ptr<LatestPage> MakePage(exposition::Format format);
  std::vector<std::string> NotReady() const;
  nanoseconds stale_after() const { return 2 * checked.scrape.interval; }
  // Beside what is read at each scrape there is what --ktm-interval rules.
  nanoseconds StaleAfter(std::string_view source) const {
    const bool is_of_kernel = source.starts_with(collect::kKernelSource) ||
                              source.starts_with(detect::kDetectorSourcePrefix);
    return is_of_kernel ? std::max(stale_after(), 2 * options.ktm_interval)
                        : stale_after();
  }

  const Options options;
  Checked checked;  // the signals move on
  net::EventLoop& loop;
  const std::size_t budget;
  const std::string pod_name;
  NodeIdentity identity;
  std::unique_ptr<Spill> spill;
  const std::string instance_id;
  TargetFile target_file;
  recorder::Recording recording;
  // Until they are restored.
  std::vector<collect::LastSeenTarget> last_seen_targets;
  net::HttpClient client;
  collect::Collector collector;
  collect::Targets targets;
  OwnReadings own_readings;
  evidence::IncidentList incidents;  // what proxies are told
  IncidentFile incident_file;
  std::unique_ptr<KernelWatch> kernel_watch;  // null if --ktm-enabled is false
  std::unique_ptr<GuardianWatch> guardian_watch;  // null if it is off
  // Null if --pressure-profiler-enabled is false.
  std::unique_ptr<EvidenceCaptures> captures;
  std::unique_ptr<link::EvidenceServer> evidence_server;  // null likewise
  link::AgentLink link;
  std::unique_ptr<node::NodeQuery> node_query;  // none without ports
  program::OwnMetrics metrics;
  std::unique_ptr<Server> server;
  bool stopping = false;
  net::EventLoop::Handle spill_timer;
  net::EventLoop::Handle trim_timer;
};

Status Agent::Impl::Start() {
  AddCollectorMetrics(&metrics, &collector);
  AddLinkMetrics(&metrics, &link);
  AddLoopMetrics(&metrics, &loop);
  AddOomKillMetrics(&metrics, &targets, std::make_shared<MachineOomKills>());
  AddSpillMetrics(&metrics, spill.get());
  if (spill->is_on()) {
    AddTargetFileMetrics(&metrics, &target_file);
    AddIncidentFileMetrics(&metrics, &incident_file);
  }
  metrics.AddBuildInfo("fodc_agent");
  metrics.AddCallback(
      "fodc_agent_log_lines_dropped_total", exposition::MetricType::kCounter,
      "Lines of the log that a full queue dropped.",
      [] { return static_cast<double>(program::LogLinesDropped()); });
  FODC_ASSIGN_OR_RETURN(
      server,
      Server::Start(loop,
                    {.listen_address = options.prometheus_listen_addr,
                     .diagnosis_address = options.diagnosis_listen_addr,
                     .diagnosis_required = options.diagnosis_listen_addr_given,
                     .version = program::Version(),
                     .revision = std::string(program::GitRevision())},
                    {.page = [this](auto format) { return MakePage(format); },
                     .not_ready = [this] { return NotReady(); },
                     .explain =
                         [this] {
                           return ExplainJson(captures ? &captures->response()
                                                       : nullptr);
                         }}));
  AddServerMetrics(&metrics, [this]() -> const net::HttpServerStats& {
    return server->stats();
  });

  // Nothing is resolved or dialled yet, so no library is being loaded.
  ReleaseIdlePages(IdlePages::kCodeAndTables);
  RestoreTargets();
  incident_file.Read();
  incident_file.set_on_late([this] { link.OnIncident(); });
  collector.AddReader([this](recorder::FrameTime t) { targets.Read(t); });
  collector.AddReader([this](recorder::FrameTime t) { own_readings.Read(t); });
  collector.set_on_recorded([this] { OnAppended(); });
  targets.set_on_recorded([this] { OnAppended(); });
  FODC_RETURN_IF_ERROR(StartGuardian());
  MakeKernelTelemetry();  // before captures, which ask for it
  FODC_RETURN_IF_ERROR(StartCaptures());
  collector.Start();
  if (kernel_watch) kernel_watch->Start();
  link.Start();
  StartNodeQuery();
  trim_timer = loop.RunEvery(
      kTrimInterval,
      [](const net::EventLoop::Tick&) { ReleaseIdlePages(IdlePages::kCode); },
      loop.clock().Monotonic() + kTrimAfter);
  if (spill->is_on()) {
    spill->set_on_late([this] { KeepInstanceIdLate(); });
    spill_timer = loop.RunEvery(options.recorder_spill_interval,
                                [this](const net::EventLoop::Tick&) {
                                  spill->Write(recording);
                                  target_file.Retry();
                                  incident_file.Retry();
                                });
  }
  return {};
}

void Agent::Impl::RestoreTargets() {
  if (spill->owner() != Spill::Owner::kAnother) {
    targets.Restore(target_file.Read(), last_seen_targets);
  }
  last_seen_targets = {};
  targets.set_on_changed([this] {
    target_file.Write(targets.Keep());
    if (kernel_watch) kernel_watch->Follow();
    if (guardian_watch) guardian_watch->Follow();
    if (captures) captures->response().Follow();
  });
  target_file.set_on_late([this](const std::vector<target::KeptRow>& kept) {
    targets.Merge(kept);
    if (captures) captures->response().Rebase();
  });
}

void Agent::Impl::MakeKernelTelemetry() {
  kernel_watch = KernelWatch::Create(options, checked.ktm, checked.detect,
                                     std::move(checked.signals), targets, loop,
                                     recording, incidents);
  if (!kernel_watch) return;
  kernel_watch->set_on_recorded([this] { link.OnAppended(); });
  kernel_watch->set_on_incident([this] { OnIncident(); });
}

void Agent::Impl::OnIncident() {
  incident_file.Write();
  link.OnIncident();
  if (captures) captures->response().OnIncidents();
}

Status Agent::Impl::StartGuardian() {
  const GuardianFlags& g = options.guardian;
  std::string directory = g.dir;
  if (directory.empty() && spill->owner() != Spill::Owner::kAnother)
    directory = options.recorder_dir;
  // Also while the guardian is off: the life before may have had it on.
  if (!directory.empty()) {
    for (const std::string& group : guardian::RepairWalls(directory))
      LogWarn("a group was left without its killer", {{"repaired", group}});
  }
  if (g.enabled) {
    GuardianSettings settings;
    settings.rules = checked.guardian;
    settings.directory = directory;
    settings.incarnation = recording.incarnation();
    if (g.pause_at_wall && directory.empty()) {
      LogWarn("no target stands still at its limit: that needs --guardian-dir",
              {{"recorder_dir", options.recorder_dir}});
    } else if (g.pause_at_wall) {
      settings.wall = {.raise_bytes = g.pause_raise,
                       .deadline = g.pause_deadline};
    }
    FODC_ASSIGN_OR_RETURN(
        guardian_watch,
        GuardianWatch::Create(settings, targets, loop, incidents));
    guardian_watch->set_on_incident([this] { OnIncident(); });
    guardian_watch->Follow();
  }
  AddGuardianMetrics(&metrics, guardian_watch.get());
  return {};
}

Status Agent::Impl::StartCaptures() {
  if (options.capture.enabled) {
    FODC_ASSIGN_OR_RETURN(
        captures, EvidenceCaptures::Create(
                      {.pod_name = pod_name,
                       .directory = options.capture.dir,
                       .checked = checked.capture,
                       .detector_problem =
                           [this] {
                             return kernel_watch
                                        ? kernel_watch->problem()
                                        : "kernel telemetry is switched off";
                           },
                       .endpoints = checked.endpoints,
                       .info = [this] { return WindowInfo(); }},
                      targets, collector, recording, loop, incidents));
    captures->response().set_on_incident([this] { OnIncident(); });
    captures->response().set_role(identity.role());
    captures->response().Follow();
    if (kernel_watch) {
      kernel_watch->set_on_death([this](const kernel::KernelEvent& event) {
        captures->response().OnKernelDeath(event);
      });
    }
    ServeEvidence();
  }
  AddFirstResponseMetrics(&metrics, captures ? &captures->response() : nullptr);
  AddCaptureMetrics(&metrics, captures.get());
  return {};
}

void Agent::Impl::ServeEvidence() {
  evidence_server = std::make_unique<link::EvidenceServer>(
      loop,
      link::EvidenceServer::Options{.retention = checked.capture.retention},
      [this] {
        captures->RetainSoon();
        link.OnEvidence();
      });
  captures->set_on_store([this] {
    evidence_server->set_store(captures->store());
    link.OnEvidence();
  });
  captures->set_on_event([this](const std::string&) { link.OnEvidence(); });
  link.set_evidence(evidence_server.get());
}

recorder::FileInfo Agent::Impl::WindowInfo() const {
  recorder::FileInfo info = {{"label.pod_name", identity.pod_name()},
                             {"label.node_role", identity.role()}};
  for (const auto& [name, value] : identity.labels())
    info.emplace("label." + name, value);
  return info;
}

void Agent::Impl::OnAppended() {
  if (kernel_watch) kernel_watch->OnAppended();
  if (captures) captures->response().OnAppended();
  link.OnAppended();
}

// With the id that this life has already told.
void Agent::Impl::KeepInstanceIdLate() {
  // No answer is waited for: without it, the next life has another id.
  (void)loop.Offload<Status>(
      [dir = options.recorder_dir, id = instance_id, pod = pod_name] {
        return KeepInstanceId(dir, id, pod);
      },
      [dir = options.recorder_dir](const Status& kept) {
        if (kept.ok()) return;
        LogWarn("the instance's id cannot be kept",
                {{"directory", dir}, {"error", kept.message()}});
      });
}

void Agent::Impl::StartNodeQuery() {
  if (checked.cluster_state_ports.empty()) return;
  node::NodeQuery::Options o;
  o.ports.assign(checked.cluster_state_ports.begin(),
                 checked.cluster_state_ports.end());
  o.interval = options.cluster_state_poll_interval;
  node_query = std::make_unique<node::NodeQuery>(
      loop, o, [this](const node::NodeInfo& info) {
        if (stopping || !identity.Learn(info.role, info.labels)) return;
        LogInfo("the node said who it is",
                {{"node", info.name}, {"role", identity.role()}});
        if (captures) captures->response().set_role(identity.role());
        link.OnIdentityChanged();
      });
  node_query->Start();
  AddNodeMetrics(&metrics, node_query.get());
}

fleet::AgentIdentity Agent::Impl::LinkIdentity() const {
  fleet::AgentIdentity id;
  id.node_name = pod_name;
  id.instance_id = instance_id;
  id.incarnation = recording.incarnation();
  id.role = identity.role();
  id.labels = identity.labels();
  id.pod_name = pod_name;
  for (const collect::Endpoint& e : checked.endpoints) {
    if (!e.container_name.empty())
      id.container_names.push_back(e.container_name);
  }
  id.http_port = server == nullptr ? 0 : server->port();
  id.advertise_address = options.advertise_addr;
  return id;
}

link::AgentLink::Options Agent::Impl::LinkOptions() const {
  link::AgentLink::Options o;
  o.proxies = checked.proxies;
  o.agent_version = program::Version();
  o.heartbeat_interval = options.heartbeat_interval;
  o.max_backoff = options.reconnect_interval;
  o.min_backoff = std::min(o.min_backoff, options.reconnect_interval);
  o.open_lifecycle_streams = options.lifecycle_port > 0;
  o.open_pressure_stream = options.capture.enabled;
  o.stale_after = stale_after();
  return o;
}

// Each source's newest frame of this life, unless it is stale: a scrape that
// failed twice shows as `up 0`, not as values from the past.
std::unique_ptr<LatestPage> Agent::Impl::MakePage(exposition::Format format) {
  const MonotonicTime now = loop.clock().Monotonic();
  std::vector<LatestPage::Part> parts;
  for (recorder::SourceFrame& frame : recording.Latest()) {
    if (frame.name.incarnation != recording.incarnation() ||
        MonotonicTime(milliseconds(frame.time.monotonic_ms)) <
            now - StaleAfter(frame.source_name) - milliseconds(1)) {
      continue;
    }
    auto labels = identity.For(frame.container_name);
    parts.push_back({.frame = std::move(frame), .identity = std::move(labels)});
  }
  return std::make_unique<LatestPage>(std::move(parts), metrics.Collect(),
                                      format);
}

std::vector<std::string> Agent::Impl::NotReady() const {
  std::vector<std::string> reasons;
  for (const auto& scraper : collector.scrapers()) {
    if (!scraper->status().tried) {
      reasons.push_back(StrCat("not yet scraped: ", scraper->endpoint().name));
    }
  }
  return reasons;
}

Agent::Agent(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Agent::~Agent() = default;

std::uint16_t Agent::port() const { return impl_->server->port(); }

Result<std::unique_ptr<Agent>> Agent::Start(const Options& options,
                                            Checked checked,
                                            net::EventLoop& loop) {
  auto impl = std::make_unique<Impl>(options, std::move(checked), loop);
  FODC_RETURN_IF_ERROR(impl->Start());
  const Impl& i = *impl;
  LogInfo("agent started", {{"version", program::Version()},
                            {"pod_name", i.pod_name},
                            {"instance_id", i.instance_id},
                            {"incarnation", i.recording.incarnation()},
                            {"endpoints", i.checked.endpoints.size()},
                            {"proxies", i.checked.proxies.size()},
                            {"http_port", i.server->port()},
                            {"recorder_bytes", i.budget},
                            {"restored_frames", i.recording.stats().frames}});
  return std::unique_ptr<Agent>(new Agent(std::move(impl)));
}

void Agent::Stop(const std::string& reason, net::Task done) {
  Impl& i = *impl_;
  i.collector.Stop();
  if (i.kernel_watch) i.kernel_watch->Stop();
  i.spill_timer.Cancel();
  i.trim_timer.Cancel();
  // The node query lives on: clients still ask for its counters.
  i.stopping = true;
  auto all = std::make_shared<net::Task>(std::move(done));
  auto left = std::make_shared<int>(5);
  const auto one = [all, left] {
    if (--*left == 0) (*all)();
  };
  i.spill->Finish(i.recording, one);
  i.target_file.Finish(one);
  i.server->Stop(kServerGrace, one);
  // Behind what the captures say last of their incidents.
  const auto say_goodbye = [&i, one, reason] {
    i.incident_file.Finish(one);
    i.link.Stop(reason, kGoodbye, one);
  };
  if (i.captures) {
    i.captures->Stop(kLastCaptures, say_goodbye);
  } else {
    say_goodbye();
  }
}

}  // namespace fodc::agent
