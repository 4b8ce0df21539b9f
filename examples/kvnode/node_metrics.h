// SPDX-License-Identifier: Apache-2.0
// The node's numbers, on one page with those of the guard: its own counters,
// what the log and RocksDB count, and the process.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "examples/kvnode/commit_log.h"
#include "examples/kvnode/store.h"
#include "fodc/base/status.h"
#include "fodc/guard/metrics.h"

namespace kvnode {

enum class Request : std::uint8_t {
  kGet,
  kPut,
  kDelete,
  kScan,
  kAppend,
  kStreamRead,
  kSnapshot,
};
inline constexpr std::size_t kRequests = 7;
// "get", "put", ...: values of the label `operation`.
std::string_view RequestName(Request request);
enum class Outcome : std::uint8_t { kOk, kError, kRejected };
inline constexpr std::size_t kOutcomes = 3;

// Counting is thread-safe; Page is for one thread.
class NodeMetrics {
 public:
  // Errors: those of guard::Metrics.
  static fodc::Result<std::unique_ptr<NodeMetrics>> Create();

  // The guard's parts count here.
  fodc::guard::Metrics* guard() const { return metrics_.get(); }

  void Count(Request request, Outcome outcome) {
    requests_[static_cast<std::size_t>(request)]
             [static_cast<std::size_t>(outcome)]
                 ->Add();
  }
  // Reads of streams that met the older layout. Once this stays 0, the code
  // that reads blobs can go.
  fodc::guard::Counter& legacy_reads() { return *legacy_reads_; }
  fodc::guard::Counter& migrated_entries() { return *migrated_entries_; }

  // Prometheus text 0.0.4.
  fodc::Result<std::string> Page(const Store& store, const CommitLog& log);

 private:
  NodeMetrics() = default;
  fodc::Status Find();
  fodc::Result<fodc::guard::Counter*> NewCounter(const char* name,
                                                 const char* help);

  std::unique_ptr<fodc::guard::Metrics> metrics_;
  std::array<std::array<fodc::guard::Counter*, kOutcomes>, kRequests>
      requests_{};
  fodc::guard::Counter* legacy_reads_ = nullptr;
  fodc::guard::Counter* migrated_entries_ = nullptr;
};

}  // namespace kvnode
