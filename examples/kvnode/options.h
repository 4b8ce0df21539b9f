// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "fodc/program/flags.h"
#include "fodc/program/log_sink.h"

namespace kvnode {

struct Options {
  std::string listen = "127.0.0.1:7070";
  std::string data_dir = "kvnode-data";
  std::string snapshot_dir;  // empty: data_dir/snapshots
  std::int64_t keep_snapshots = 3;
  std::string stream_layout = "entries";
  std::uint64_t max_value_bytes = 16u << 20;
  std::int64_t max_answer_entries = 10'000;
  std::uint64_t max_answer_bytes = 8u << 20;
  std::uint64_t block_cache_bytes = 0;  // 0: a quarter of the memory limit
  std::uint64_t write_buffer_bytes = 64u << 20;
  std::uint64_t max_log_bytes = 128u << 20;
  std::int64_t workers = 4;
  std::chrono::nanoseconds stop_grace = std::chrono::seconds(5);

  // The guard.
  bool no_guard = false;
  std::string soft_limit;
  double memory_threshold_percent = 90;
  std::int64_t heavy_slots = 0;  // 0: two for each CPU
  std::int64_t heavy_per_peer = 8;
  std::int64_t connections_per_address = 512;
  std::uint64_t inflight_bytes = 256u << 20;
  std::string profile_listen = "127.0.0.1:0";

  fodc::program::LogOptions log;
};

void DeclareFlags(fodc::program::Flags* flags, Options* options);

}  // namespace kvnode
