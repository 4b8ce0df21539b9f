// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/flags.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace fodc::agent {
namespace {

// Go's, for features that later versions bring.
constexpr std::array<std::string_view, 9> kWithoutEffect = {
    "crash-source-dir",
    "panic-diagnostics-enabled",
    "panic-diagnostics-dir",
    "panic-diagnostics-max-artifacts",
    "max-diagnosis-memory-usage-percentage",
    "max-fodc-diagnosis-memory-usage-percentage",
    "schema-registry-port",
    "lifecycle-report-dir",
    "lifecycle-cache-ttl",
};

void AddGoFlagsWithoutEffect(program::Flags* f, Options* o) {
  f->String("crash-source-dir", &o->crash_source_dir,
            "directory watched for crash artifacts");
  f->Bool("panic-diagnostics-enabled", &o->panic_diagnostics_enabled,
          "artifacts of the agent's own crashes");
  f->String("panic-diagnostics-dir", &o->panic_diagnostics_dir,
            "where they go");
  f->Int("panic-diagnostics-max-artifacts", &o->panic_diagnostics_max_artifacts,
         "how many are kept");
  f->Int("max-diagnosis-memory-usage-percentage",
         &o->max_diagnosis_memory_usage_percentage,
         "heap limit of the Go agent; has no meaning here");
  f->Int("max-fodc-diagnosis-memory-usage-percentage",
         &o->max_fodc_diagnosis_memory_usage_percentage,
         "memory of crash records as a share of the cgroup limit; 0 to 100");
  f->Int("lifecycle-port", &o->lifecycle_port,
         "gRPC port of the node's lifecycle service");
  f->Int("schema-registry-port", &o->schema_registry_port,
         "gRPC port of the node's schema registry");
  f->String("lifecycle-report-dir", &o->lifecycle_report_dir,
            "directory of lifecycle reports");
  f->Duration("lifecycle-cache-ttl", &o->lifecycle_cache_ttl,
              "how long a lifecycle answer is kept");
}

void AddKernelFlags(program::Flags* f, Options* o) {
  f->String("ktm-enabled", &o->ktm_enabled,
            "kernel telemetry and the detector of slow reads: true, false, or "
            "auto (on where the kernel permits it)")
      .Alone("true");
  f->Duration("ktm-interval", &o->ktm_interval,
              "how often the kernel's counters are read and recorded; at least "
              "100ms; 0 or less: kernel telemetry does not start");
  f->String("ktm-target-comm", &o->ktm_target_comm,
            "process name of the node (its first 15 bytes); the same as "
            "--target-comm, which wins");
  f->String(
      "ktm-cgroup-path", &o->ktm_cgroup_path,
      "cgroup (v2) that is the first target, whatever it holds: absolute, "
      "or under the root of the cgroup2 mount; empty: that of its "
      "processes if it holds nobody else");
  f->Bool("ktm-fine-buckets", &o->ktm_fine_buckets,
          "record all four buckets of each octave of a latency, not one");
  f->Int("ktm-sample-above", &o->ktm_sample_above,
         "reads and writes of a target a second above which only one in "
         "--ktm-sample-every is timed; 0: never");
  f->Int("ktm-sample-every", &o->ktm_sample_every,
         "how many calls one stands for then; 1 to 4096, rounded up to a power "
         "of 2");
  f->List("signal", &o->signal,
          "what the node's own pages tell the detector: NAME=SELECTOR,..., "
          "NAME one of compaction_bytes, compaction_threads, block_cache_hits, "
          "block_cache_misses, background_io_bytes; empty: known pages of "
          "BanyanDB, RocksDB and etcd");
  f->List("detect-bound", &o->detect_bound,
          "bounds of the detector, NAME=VALUE,...; docs/concept/verdicts.md "
          "has them");
}

}  // namespace

void AddFlags(program::Flags* f, Options* o) {
  f->Duration("poll-metrics-interval", &o->poll_metrics_interval,
              "time between two scrapes; at least 10ms");
  f->Duration("poll-metrics-timeout", &o->poll_metrics_timeout,
              "deadline of one scrape, at most the interval; 0: the interval, "
              "at most 5s");
  f->List("poll-metrics-ports", &o->poll_metrics_ports,
          "ports scraped at http://localhost:PORT/metrics; not used when only "
          "--poll-metrics-urls is given");
  f->List("poll-metrics-urls", &o->poll_metrics_urls,
          "further pages, as full URLs; user and password in them are used and "
          "never shown")
      .MaskUserInfo();
  f->String("poll-metrics-compression", &o->poll_metrics_compression,
            "whether to ask for compressed pages: auto (unless the endpoint is "
            "on this machine), always, never");
  f->List("container-names", &o->container_names,
          "names of the containers behind the ports, in the same order; none, "
          "one for each port, or one for each port and then each URL");
  f->Bytes("max-page-bytes", &o->max_page_bytes,
           "largest page taken, packed or unpacked");
  f->Int("max-series", &o->max_series,
         "most series recorded at a time, over all endpoints' pages; more are "
         "refused and counted until others leave");
  f->Bytes("recorder-memory", &o->recorder_memory,
           "memory of the recording, all included; at least 512KiB");
  f->Int("max-metrics-memory-usage-percentage",
         &o->max_metrics_memory_usage_percentage,
         "bounds --recorder-memory by this share of the agent's own cgroup "
         "memory limit, if it has one; 0 to 100; 0 keeps the least that still "
         "records (512 KiB)");
  f->String("recorder-dir", &o->recorder_dir,
            "directory in which the recording survives a restart; empty: "
            "memory only");
  f->Duration("recorder-spill-interval", &o->recorder_spill_interval,
              "how often what is new goes there; a killed agent loses at most "
              "that");
  f->Int("target-pid", &o->target_pid,
         "process id of the node; 0: found in another way");
  f->String("target-comm", &o->target_comm,
            "process name of the node (its first 15 bytes), found again after "
            "a restart");
  f->Int("target-port", &o->target_port,
         "port that the node listens on; 0: the owner of the scraped port is "
         "the node");
  f->String("pod-name", &o->pod_name,
            "name of the node in labels and at the proxy; empty: the host's "
            "name");
  f->String("node-role", &o->node_role,
            "role of the node (data, liaison, meta, ROLE_... or a word of your "
            "own); empty: asked of the node, else ROLE_UNSPECIFIED");
  f->String("node-labels", &o->node_labels,
            "labels of the node, KEY=VALUE,...; they win over what the node "
            "says");
  f->List("cluster-state-ports", &o->cluster_state_ports,
          "gRPC ports of the node on 127.0.0.1 that tell its role and labels; "
          "empty: it is not asked");
  f->Duration("cluster-state-poll-interval", &o->cluster_state_poll_interval,
              "how often it is asked");
  f->List("proxy-addr", &o->proxy_addr,
          "proxies to connect to, HOST:PORT; empty: none");
  f->Duration("heartbeat-interval", &o->heartbeat_interval,
              "heartbeat towards a v1 proxy that does not say its own");
  f->Duration("reconnect-interval", &o->reconnect_interval,
              "longest pause between two attempts to connect, reached by "
              "doubling");
  f->String("advertise-addr", &o->advertise_addr,
            "HOST:PORT under which others reach this agent's /metrics; empty: "
            "the address that the proxy sees");
  f->String("prometheus-listen-addr", &o->prometheus_listen_addr,
            "address of /metrics, /healthz, /readyz, /version; HOST:PORT or "
            ":PORT");
  f->String("diagnosis-listen-addr", &o->diagnosis_listen_addr,
            "address of /diagnostics; may be the same; if it is not given and "
            "taken, the agent goes on without");
  AddKernelFlags(f, o);
  AddGuardianFlags(f, &o->guardian);
  AddCaptureFlags(f, &o->capture);
  AddGoFlagsWithoutEffect(f, o);
}

void Resolve(const program::Flags& flags, Options* options) {
  bool ports_given = false;
  for (const program::EffectiveValue& v : flags.EffectiveValues()) {
    const bool given = v.source != "default";
    if (v.name == "poll-metrics-ports") ports_given = given;
    if (v.name == "diagnosis-listen-addr")
      options->diagnosis_listen_addr_given = given;
  }
  if (!ports_given && !options->poll_metrics_urls.empty())
    options->poll_metrics_ports.clear();
  if (options->target_comm.empty())
    options->target_comm = options->ktm_target_comm;
}

std::vector<std::string> FlagsWithoutEffect(const program::Flags& flags) {
  std::vector<std::string> given;
  for (const program::EffectiveValue& v : flags.EffectiveValues()) {
    if (v.source != "default" &&
        std::ranges::find(kWithoutEffect, v.name) != kWithoutEffect.end())
      given.push_back(v.name);
  }
  return given;
}

}  // namespace fodc::agent
