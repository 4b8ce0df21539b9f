// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/options.h"

#include <algorithm>
#include <array>

#include "fodc/agent/identity.h"
#include "fodc/base/strings.h"
#include "fodc/collect/targets.h"
#include "fodc/fleet/agent.h"
#include "fodc/program/addresses.h"

namespace fodc::agent {
namespace {

using std::chrono::nanoseconds;

Status InRange(std::string_view flag, std::int64_t value, std::int64_t min,
               std::int64_t max) {
  if (value >= min && value <= max) return {};
  return InvalidArgument(
      StrCat(flag, " is ", value, "; it must be from ", min, " to ", max));
}

Status InRange(std::string_view flag, nanoseconds value, nanoseconds min,
               nanoseconds max) {
  if (value >= min && value <= max) return {};
  return InvalidArgument(StrCat(flag, " is ", FormatGoDuration(value),
                                "; it must be from ", FormatGoDuration(min),
                                " to ", FormatGoDuration(max)));
}

Status BytesInRange(std::string_view flag, std::uint64_t value,
                    std::uint64_t min, std::uint64_t max) {
  if (value >= min && value <= max) return {};
  return InvalidArgument(StrCat(flag, " is ", value, " bytes; it must be from ",
                                min, " to ", max));
}

Result<std::uint16_t> Port(std::string_view flag, std::string_view text) {
  const auto number = ParseUint(Trim(text));
  if (!number || *number == 0 || *number > 65535) {
    return InvalidArgument(
        StrCat(flag, ": \"", text, "\" is no port from 1 to 65535"));
  }
  return static_cast<std::uint16_t>(*number);
}

}  // namespace

Result<std::map<std::string, std::string>> ParseNodeLabels(
    std::string_view text) {
  std::map<std::string, std::string> labels;
  if (Trim(text).empty()) return labels;
  for (const std::string_view piece : Split(text, ',')) {
    const std::size_t equals = piece.find('=');
    const std::string_view key =
        Trim(piece.substr(0, std::min(equals, piece.size())));
    const bool key_ok = !key.empty() && key.size() <= 128 &&
                        std::ranges::all_of(key, [](char c) {
                          return (c >= 'a' && c <= 'z') ||
                                 (c >= 'A' && c <= 'Z') ||
                                 (c >= '0' && c <= '9') || c == '_' ||
                                 c == '-' || c == '.' || c == '/';
                        });
    if (equals == std::string_view::npos || !key_ok) {
      return InvalidArgument(StrCat(
          "--node-labels: \"", piece,
          "\" is not KEY=VALUE (a key has letters, digits, '_', '-', '.', "
          "'/' and at most 128 of them)"));
    }
    const std::string value(Trim(piece.substr(equals + 1)));
    if (!IsValidUtf8(value)) {
      return InvalidArgument(
          StrCat("--node-labels: the value of \"", key, "\" is not UTF-8"));
    }
    if (!labels.emplace(key, value).second) {
      return InvalidArgument(
          StrCat("--node-labels: \"", key, "\" is given twice"));
    }
  }
  return labels;
}

std::string CanonicalRole(std::string_view text) {
  const std::string lower = ToLower(Trim(text));
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 9>
      kRoles{{{"meta", "ROLE_META"},
              {"data", "ROLE_DATA"},
              {"datanode", "ROLE_DATA"},
              {"liaison", "ROLE_LIAISON"},
              {"unspecified", "ROLE_UNSPECIFIED"},
              {"role_meta", "ROLE_META"},
              {"role_data", "ROLE_DATA"},
              {"role_liaison", "ROLE_LIAISON"},
              {"role_unspecified", "ROLE_UNSPECIFIED"}}};
  for (const auto& [word, role] : kRoles) {
    if (lower == word) return std::string(role);
  }
  return std::string(Trim(text));
}

std::optional<std::uint64_t> MemoryLimit(const CgroupMemory& memory) {
  if (!memory.limit_bytes) return memory.high_bytes;
  if (!memory.high_bytes) return memory.limit_bytes;
  return std::min(*memory.limit_bytes, *memory.high_bytes);
}

std::uint64_t RecorderBudget(std::uint64_t recorder_memory,
                             std::int64_t percentage,
                             std::optional<std::uint64_t> limit_bytes) {
  std::uint64_t budget = recorder_memory;
  if (limit_bytes) {
    const auto share =
        static_cast<std::uint64_t>(static_cast<long double>(*limit_bytes) *
                                   static_cast<long double>(percentage) / 100);
    budget = std::min(budget, share);
  } else if (percentage == 0) {
    budget = 0;
  }
  return std::max(budget, kSmallestRecorderMemory);
}

namespace {

// Of features that are not there yet: what can only be a mistake.
Status CheckWithoutEffect(const Options& o) {
  using std::chrono::hours;
  constexpr std::int64_t kMost = std::int64_t{1} << 50;
  const auto long_time = hours(24 * 365);
  FODC_RETURN_IF_ERROR(InRange("--max-diagnosis-memory-usage-percentage",
                               o.max_diagnosis_memory_usage_percentage, 0,
                               100));
  FODC_RETURN_IF_ERROR(InRange("--panic-diagnostics-max-artifacts",
                               o.panic_diagnostics_max_artifacts, 0, kMost));
  if (o.panic_diagnostics_enabled && o.panic_diagnostics_dir.empty()) {
    return InvalidArgument(
        "--panic-diagnostics-dir is empty; with --panic-diagnostics-enabled it "
        "must name a directory");
  }
  FODC_RETURN_IF_ERROR(InRange("--lifecycle-port", o.lifecycle_port, 0, 65535));
  FODC_RETURN_IF_ERROR(
      InRange("--schema-registry-port", o.schema_registry_port, 0, 65535));
  FODC_RETURN_IF_ERROR(InRange("--lifecycle-cache-ttl", o.lifecycle_cache_ttl,
                               nanoseconds(0), long_time));
  return {};
}

// What Go's strconv.ParseBool takes, and "auto".
Result<KtmMode> ModeOf(std::string_view text) {
  if (EqualsIgnoreCase(text, "auto")) return KtmMode::kAuto;
  if (text == "1" || EqualsIgnoreCase(text, "t") ||
      EqualsIgnoreCase(text, "true")) {
    return KtmMode::kOn;
  }
  if (text == "0" || EqualsIgnoreCase(text, "f") ||
      EqualsIgnoreCase(text, "false")) {
    return KtmMode::kOff;
  }
  return InvalidArgument(StrCat("--ktm-enabled is \"", text,
                                "\"; it must be true, false or auto"));
}

Status OfFlag(std::string_view flag, const Status& status) {
  return InvalidArgument(StrCat(flag, ": ", status.message()));
}

Status CheckKernelTelemetry(const Options& o, Checked* c) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  FODC_ASSIGN_OR_RETURN(c->ktm, ModeOf(o.ktm_enabled));
  // Zero and less is no usage error in Go: kernel telemetry does not start.
  if (o.ktm_interval.count() > 0) {
    FODC_RETURN_IF_ERROR(InRange("--ktm-interval", o.ktm_interval,
                                 milliseconds(100), hours(24)));
  }
  FODC_RETURN_IF_ERROR(InRange("--ktm-sample-above", o.ktm_sample_above, 0,
                               std::int64_t{1} << 40));
  FODC_RETURN_IF_ERROR(
      InRange("--ktm-sample-every", o.ktm_sample_every, 1, 4096));
  auto signals = detect::SignalMap::Parse(o.signal);
  if (!signals.ok()) return OfFlag("--signal", signals.status());
  c->signals = *std::move(signals);
  Status bounds = detect::ParseBounds(o.detect_bound, &c->detect);
  if (bounds.ok()) bounds = c->detect.Check();
  return bounds.ok() ? bounds : OfFlag("--detect-bound", bounds);
}

}  // namespace

std::vector<target::TargetSpec> TargetRows(
    const Options& options, const std::vector<collect::Endpoint>& endpoints) {
  return collect::MakeTargetSpecs(
      endpoints, {.pid = options.target_pid,
                  .comm = options.target_comm,
                  .port = options.target_port,
                  .has_cgroup = !options.ktm_cgroup_path.empty()});
}

Result<Checked> Check(const Options& o) {
  using std::chrono::hours;
  using std::chrono::milliseconds;
  Checked c;
  // The seven checks of Go's agent, in its order.
  FODC_RETURN_IF_ERROR(InRange("--poll-metrics-interval",
                               o.poll_metrics_interval, milliseconds(10),
                               hours(24)));
  FODC_ASSIGN_OR_RETURN(
      c.endpoints,
      collect::MakeEndpoints(o.poll_metrics_ports, o.container_names,
                             o.poll_metrics_urls));
  FODC_RETURN_IF_ERROR(InRange("--max-metrics-memory-usage-percentage",
                               o.max_metrics_memory_usage_percentage, 0, 100));
  if (o.diagnosis_listen_addr.empty()) {
    return InvalidArgument(
        "--diagnosis-listen-addr is empty; it must be HOST:PORT or :PORT");
  }
  FODC_RETURN_IF_ERROR(InRange("--max-fodc-diagnosis-memory-usage-percentage",
                               o.max_fodc_diagnosis_memory_usage_percentage, 0,
                               100));
  FODC_ASSIGN_OR_RETURN(c.capture,
                        CheckCapture(o.capture, TargetRows(o, c.endpoints)));

  // What Go leaves open.
  if (o.poll_metrics_timeout.count() != 0) {
    FODC_RETURN_IF_ERROR(InRange("--poll-metrics-timeout",
                                 o.poll_metrics_timeout, milliseconds(10),
                                 o.poll_metrics_interval));
  }
  FODC_RETURN_IF_ERROR(program::CheckListenAddress(o.prometheus_listen_addr)
                           .WithContext("--prometheus-listen-addr"));
  FODC_RETURN_IF_ERROR(program::CheckListenAddress(o.diagnosis_listen_addr)
                           .WithContext("--diagnosis-listen-addr"));
  FODC_RETURN_IF_ERROR(InRange("--heartbeat-interval", o.heartbeat_interval,
                               milliseconds(100), hours(1)));
  FODC_RETURN_IF_ERROR(InRange("--reconnect-interval", o.reconnect_interval,
                               milliseconds(10), hours(1)));
  FODC_RETURN_IF_ERROR(InRange("--cluster-state-poll-interval",
                               o.cluster_state_poll_interval, milliseconds(10),
                               hours(24)));
  FODC_RETURN_IF_ERROR(InRange("--recorder-spill-interval",
                               o.recorder_spill_interval, milliseconds(100),
                               hours(1)));
  FODC_RETURN_IF_ERROR(BytesInRange("--recorder-memory", o.recorder_memory,
                                    kSmallestRecorderMemory,
                                    std::uint64_t{64} << 30));
  FODC_RETURN_IF_ERROR(BytesInRange("--max-page-bytes", o.max_page_bytes, 1024,
                                    std::uint64_t{1} << 30));
  if (o.max_series < 1 || o.max_series > 10'000'000) {
    return InvalidArgument(StrCat("--max-series is ", o.max_series,
                                  "; it must be from 1 to 10000000"));
  }
  FODC_RETURN_IF_ERROR(InRange("--target-pid", o.target_pid, 0, 1 << 22));
  FODC_RETURN_IF_ERROR(InRange("--target-port", o.target_port, 0, 65535));
  FODC_RETURN_IF_ERROR(CheckKernelTelemetry(o, &c));
  FODC_ASSIGN_OR_RETURN(c.guardian, CheckGuardian(o.guardian));
  FODC_RETURN_IF_ERROR(CheckWithoutEffect(o));

  c.scrape.interval = o.poll_metrics_interval;
  c.scrape.timeout = o.poll_metrics_timeout;
  c.scrape.max_page_bytes = o.max_page_bytes;
  if (o.poll_metrics_compression == "auto") {
    c.scrape.compression = collect::PageCompression::kAuto;
  } else if (o.poll_metrics_compression == "always") {
    c.scrape.compression = collect::PageCompression::kAlways;
  } else if (o.poll_metrics_compression == "never") {
    c.scrape.compression = collect::PageCompression::kNever;
  } else {
    return InvalidArgument(StrCat("--poll-metrics-compression is \"",
                                  o.poll_metrics_compression,
                                  "\"; it must be auto, always or never"));
  }

  for (const std::string& port : o.cluster_state_ports) {
    FODC_ASSIGN_OR_RETURN(const std::uint16_t number,
                          Port("--cluster-state-ports", port));
    c.cluster_state_ports.push_back(number);
  }
  for (const std::string& proxy : o.proxy_addr) {
    const std::string_view text = Trim(proxy);
    if (text.empty()) continue;  // no proxy, as in Go
    FODC_RETURN_IF_ERROR(
        program::CheckPeerAddress(text).WithContext("--proxy-addr"));
    if (std::ranges::find(c.proxies, text) == c.proxies.end())
      c.proxies.emplace_back(text);
  }
  if (!o.advertise_addr.empty()) {
    FODC_RETURN_IF_ERROR(program::CheckPeerAddress(o.advertise_addr)
                             .WithContext("--advertise-addr"));
  }
  for (const auto& [flag, text] :
       {std::pair<std::string_view, std::string_view>{"--pod-name", o.pod_name},
        {"--node-role", o.node_role}}) {
    if (!IsValidUtf8(text) || text.size() > 1024) {
      return InvalidArgument(
          StrCat(flag, " must be UTF-8 of at most 1024 bytes"));
    }
  }
  FODC_ASSIGN_OR_RETURN(c.node_labels, ParseNodeLabels(o.node_labels));
  c.role = CanonicalRole(o.node_role);
  fleet::AgentIdentity identity;
  identity.role = c.role;
  identity.labels = c.node_labels;
  identity.node_name = o.pod_name;
  identity.pod_name = o.pod_name;
  identity.container_names = o.container_names;
  identity.advertise_address = o.advertise_addr;
  // Else every proxy would refuse it, for ever.
  FODC_RETURN_IF_ERROR(
      fleet::CheckIdentitySize(fleet::EncodedBytes(identity) + kMaxLearntBytes,
                               identity.labels.size())
          .WithContext("--node-labels, --container-names, --advertise-addr"));
  return c;
}

}  // namespace fodc::agent
