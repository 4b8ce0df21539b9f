// SPDX-License-Identifier: Apache-2.0
// What a hotnode does: it reads its hot data all the time, as a database that
// answers queries does, and on command goes through one of the situations that
// slow such a database down.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "tests/kernel/hotnode/data_files.h"

namespace fodc::hotnode {

enum class Disturbance : std::uint8_t {
  kCalm,      // hot reads only
  kEviction,  // it drops its own hot pages ten times a second
  kPressure,  // its own memory grows
  kScan,      // it reads the wide file once, from end to end
  kCold,      // it reads blocks that it never read, around its block cache
  kMisses,    // likewise, through its block cache, which has none of them
};
// "calm", "eviction", ...; nothing for any other word.
std::optional<Disturbance> ParseDisturbance(std::string_view word);

struct NodeOptions {
  DataFiles files;
  // Each page about once a second: some machines take pages that were not read
  // for longer, though there is memory enough.
  double hot_reads_per_second = 16000;
  // Look-ups in the block cache while calm; what cold and misses read.
  double block_reads_per_second = 600;
  std::uint64_t scan_bytes_per_second = 64 << 20;
  std::uint64_t pressure_bytes = 64 << 20;
};

// A cache of blocks in the process's own memory, as databases have one: direct
// mapped. Not thread-safe.
class BlockCache {
 public:
  BlockCache();
  // Whether the block was there; else it is read and kept.
  bool Read(int fd, std::uint64_t block);
  static std::uint64_t slots() { return kSlots; }

 private:
  static constexpr std::uint64_t kSlots = 128;
  std::vector<std::uint64_t> held_;
  std::vector<char> bytes_;
};

// A thread that reads and one that disturbs. It aborts if a read fails.
class Node {
 public:
  // Opens the files and loads what is hot into the page cache.
  static Result<std::unique_ptr<Node>> Start(const NodeOptions& options);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // From any thread. A scan that is through makes it calm by itself.
  void Disturb(Disturbance disturbance);
  // Its /metrics, in text exposition. From any thread.
  std::string Page() const;

 private:
  Node(const NodeOptions& options, UniqueFd hot, UniqueFd wide, UniqueFd scan);
  void Load();
  void ReadAlways();
  void DisturbAlways();
  void ReadHot();
  void ReadBlock(Disturbance now);
  std::uint64_t NextColdBlock();
  void ScanOnce();
  void HoldMemory();
  // Waits in the middle of `disturbance`; false once it is over.
  bool Pause(Disturbance disturbance, std::chrono::milliseconds time);

  const NodeOptions options_;
  const UniqueFd hot_;
  const UniqueFd wide_;
  const UniqueFd scan_;  // the wide file, with readahead
  std::uint64_t random_ = 88172645463325252;
  std::uint64_t cold_blocks_ = 0;
  BlockCache block_cache_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<Disturbance> disturbance_{Disturbance::kCalm};  // set with mutex_
  std::atomic<bool> stopping_{false};                         // likewise

  std::atomic<std::uint64_t> reads_{0};
  std::atomic<std::uint64_t> hits_{0};
  std::atomic<std::uint64_t> misses_{0};
  std::atomic<std::uint64_t> scanned_bytes_{0};
  std::atomic<std::uint64_t> drops_{0};

  std::thread reader_;
  std::thread disturber_;
};

}  // namespace fodc::hotnode
