// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "fodc/program/flags.h"
#include "fodc/program/log_sink.h"

namespace kvnode {

struct Options {
  std::string listen = "127.0.0.1:7070";
  std::string data_dir = "kvnode-data";
  std::string snapshot_dir;  // empty: data_dir/snapshots
  std::string stream_layout = "entries";
  std::uint64_t max_value_bytes = 16u << 20;
  std::int64_t max_answer_entries = 10'000;
  std::uint64_t block_cache_bytes = 0;  // 0: a quarter of the memory limit
  std::uint64_t write_buffer_bytes = 64u << 20;

  // The guard.
  bool no_guard = false;
  std::string soft_limit = "auto";
  double memory_threshold_percent = 90;
  std::int64_t heavy_slots = 0;      // 0: two for each CPU
  std::uint64_t inflight_bytes = 0;  // 0: an eighth of the memory limit
  std::string profile_listen = "127.0.0.1:0";

  fodc::program::LogOptions log;
};

void DeclareFlags(fodc::program::Flags* flags, Options* options);

}  // namespace kvnode
