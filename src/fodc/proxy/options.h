// SPDX-License-Identifier: Apache-2.0
// The proxy's flags (docs/reference/cli.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "fodc/base/status.h"
#include "fodc/program/flags.h"
#include "fodc/program/log_sink.h"

namespace fodc::proxy {

struct ProxyOptions {
  // Go's, with its defaults.
  std::string grpc_listen_addr = ":17912";
  std::string http_listen_addr = ":17913";
  std::chrono::nanoseconds agent_heartbeat_timeout = std::chrono::seconds(30);
  std::chrono::nanoseconds agent_cleanup_timeout = std::chrono::minutes(5);
  std::int64_t max_agents = 1000;
  std::int64_t grpc_max_msg_size = 33'554'432;
  std::chrono::nanoseconds http_read_timeout = std::chrono::seconds(10);
  std::chrono::nanoseconds http_write_timeout = std::chrono::seconds(10);
  std::chrono::nanoseconds heartbeat_interval = std::chrono::seconds(10);
  // Ours.
  std::uint64_t recorder_memory_per_agent = 10u << 20;
  std::uint64_t recorder_memory = 1u << 30;
  std::int64_t http_max_connections = 1024;
  std::string evidence_dir;  // empty: no copies are kept
  std::int64_t evidence_max_artifacts = 256;
  std::uint64_t evidence_max_disk_bytes = 4ULL << 30;
  std::chrono::nanoseconds evidence_max_age{0};  // 0: not bounded
  // For tests: see EvidenceKeeper::Options.
  std::chrono::nanoseconds evidence_copy_grace = std::chrono::seconds(60);
  std::chrono::nanoseconds evidence_retain_every = std::chrono::minutes(1);
  bool restrict_profile_downloads = false;
  std::chrono::nanoseconds shutdown_timeout = std::chrono::seconds(5);
  program::LogOptions log;
};

// Declares the flags, with what each value must satisfy by itself and beside
// the others. `options` must outlive Parse.
void DeclareFlags(program::Flags* flags, ProxyOptions* options);

}  // namespace fodc::proxy
