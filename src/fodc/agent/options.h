// SPDX-License-Identifier: Apache-2.0
// What the agent was told to do.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/agent/capture_flags.h"
#include "fodc/agent/guardian_flags.h"
#include "fodc/base/cgroup.h"
#include "fodc/base/status.h"
#include "fodc/collect/scraper.h"
#include "fodc/detect/options.h"
#include "fodc/detect/signals.h"

namespace fodc::agent {

// As the flags gave it, defaults included. Names follow the flags.
struct Options {
  using Duration = std::chrono::nanoseconds;

  // What is scraped.
  Duration poll_metrics_interval = std::chrono::seconds(10);
  Duration poll_metrics_timeout{0};  // 0: the interval, at most 5 s
  std::vector<std::string> poll_metrics_ports = {"2121"};
  std::vector<std::string> poll_metrics_urls;
  std::vector<std::string> container_names;
  std::string poll_metrics_compression = "auto";
  std::uint64_t max_page_bytes = 16u << 20;

  // Who is watched.
  std::int64_t target_pid = 0;  // 0: not given
  std::string target_comm;
  std::int64_t target_port = 0;  // 0: not given

  // The recording.
  std::uint64_t recorder_memory = 10u << 20;
  std::int64_t max_metrics_memory_usage_percentage = 10;
  std::int64_t max_series = 50'000;
  std::string recorder_dir;
  Duration recorder_spill_interval = std::chrono::seconds(5);

  // Identity.
  std::string pod_name;  // empty: the host's name
  std::string node_role;
  std::string node_labels;
  std::vector<std::string> cluster_state_ports;
  Duration cluster_state_poll_interval = std::chrono::seconds(30);

  // Proxies.
  std::vector<std::string> proxy_addr = {"localhost:17912"};
  Duration heartbeat_interval = std::chrono::seconds(10);
  Duration reconnect_interval = std::chrono::seconds(5);
  std::string advertise_addr;

  // Own servers.
  std::string prometheus_listen_addr = ":9090";
  std::string diagnosis_listen_addr = ":9091";
  bool diagnosis_listen_addr_given = false;

  // Kernel telemetry and the detector.
  std::string ktm_enabled = "auto";
  Duration ktm_interval = std::chrono::seconds(10);
  std::string ktm_target_comm;
  std::string ktm_cgroup_path;
  bool ktm_fine_buckets = false;
  std::int64_t ktm_sample_above = 0;  // calls a second; 0: never
  std::int64_t ktm_sample_every = 16;
  std::vector<std::string> signal;
  std::vector<std::string> detect_bound;

  GuardianFlags guardian;
  CaptureFlags capture;

  // Accepted from Go's agent; what they rule does not exist here yet.
  std::string crash_source_dir;
  bool panic_diagnostics_enabled = true;
  std::string panic_diagnostics_dir = "crash";
  std::int64_t panic_diagnostics_max_artifacts = 10;
  std::int64_t max_diagnosis_memory_usage_percentage = 50;
  std::int64_t max_fodc_diagnosis_memory_usage_percentage = 5;
  std::int64_t lifecycle_port = 18912;
  std::int64_t schema_registry_port = 17912;
  std::string lifecycle_report_dir = "/tmp/lifecycle-reports";
  Duration lifecycle_cache_ttl = std::chrono::minutes(10);
};

// Whether there are kernel telemetry and the detector of slow reads.
enum class KtmMode : std::uint8_t {
  kOff,
  kOn,
  kAuto,  // on where it is permitted; that it is not is no warning
};

// Options that were checked, in the types that the rooms take.
struct Checked {
  std::vector<collect::Endpoint> endpoints;
  collect::ScrapeOptions scrape;
  std::map<std::string, std::string> node_labels;
  std::vector<std::uint16_t> cluster_state_ports;
  std::vector<std::string> proxies;  // HOST:PORT
  KtmMode ktm = KtmMode::kAuto;
  detect::Options detect;
  detect::SignalMap signals;
  guardian::Rules guardian;
  CheckedCapture capture;
  std::string role;  // as the wire has it; empty: not given
};

// The rows of the target table.
std::vector<target::TargetSpec> TargetRows(
    const Options& options, const std::vector<collect::Endpoint>& endpoints);

// Checks each value alone and against the others, in the order of the flags'
// contract. Errors: kInvalidArgument naming flag, value and limit.
Result<Checked> Check(const Options& options);

// "k=v,k2=v2". Errors: kInvalidArgument naming the piece.
Result<std::map<std::string, std::string>> ParseNodeLabels(
    std::string_view text);

// "hot", "liaison", "data", "ROLE_DATA", ... as the wire has it. Other words
// are roles of databases that are not BanyanDB and stay as they are.
std::string CanonicalRole(std::string_view text);

// The bytes at which the kernel takes the agent to task: the least of
// memory.max and memory.high of its cgroup and all ancestors.
std::optional<std::uint64_t> MemoryLimit(const CgroupMemory& memory);

// The recording's budget: `recorder_memory`, at most `percentage` of the
// cgroup's limit if it has one, at least kSmallestRecorderMemory.
inline constexpr std::uint64_t kSmallestRecorderMemory = 512u << 10;
std::uint64_t RecorderBudget(std::uint64_t recorder_memory,
                             std::int64_t percentage,
                             std::optional<std::uint64_t> limit_bytes);

}  // namespace fodc::agent
