// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/node_metrics.h"

namespace kvnode {

using fodc::OkStatus;
using fodc::Result;
using fodc::Status;
using fodc::guard::Counter;
using fodc::guard::Gauge;
using fodc::guard::Metrics;
using fodc::guard::MetricType;

namespace {

constexpr std::array<std::string_view, kRequests> kRequestNames = {
    "get", "put", "delete", "scan", "append", "stream_read", "snapshot"};
constexpr std::array<std::string_view, kOutcomes> kOutcomeNames = {
    "ok", "error", "rejected"};

using Figures = CommitLog::Figures;

// What is counted elsewhere, and read when the page is asked for. Block cache
// and compactions have the names that FODC's agent can be told to take as the
// node's signals.
struct Followed {
  const char* name;
  const char* help;
  MetricType type;
  std::uint64_t (*read)(const Store&, const Figures&);
};
template <auto kField>
std::uint64_t OfLog(const Store& /*store*/, const Figures& log) {
  return log.*kField;
}
template <rocksdb::Tickers kTicker>
std::uint64_t Ticker(const Store& store, const Figures& /*log*/) {
  return store.Ticker(kTicker);
}
using RocksDb = rocksdb::DB::Properties;
template <const std::string& kName>
std::uint64_t Property(const Store& store, const Figures& /*log*/) {
  return store.Property(kName);
}
constexpr Followed kFollowed[] = {
    {"kvnode_log_batches_total", "Batches written to the log, one sync each.",
     MetricType::kCounter, OfLog<&Figures::batches>},
    {"kvnode_log_operations_total", "Operations in those batches.",
     MetricType::kCounter, OfLog<&Figures::operations>},
    {"kvnode_log_refused_total",
     "Operations refused because too many bytes waited for the log.",
     MetricType::kCounter, OfLog<&Figures::refused>},
    {"kvnode_log_queued_bytes", "Bytes that wait for the log.",
     MetricType::kGauge, OfLog<&Figures::queued_bytes>},
    {"kvnode_log_bytes", "Size of the log on disk.", MetricType::kGauge,
     OfLog<&Figures::log_bytes>},
    {"kvnode_block_cache_hits_total",
     "Blocks that were found in RocksDB's block cache.", MetricType::kCounter,
     Ticker<rocksdb::BLOCK_CACHE_HIT>},
    {"kvnode_block_cache_misses_total",
     "Blocks that had to be read from files.", MetricType::kCounter,
     Ticker<rocksdb::BLOCK_CACHE_MISS>},
    {"kvnode_compaction_read_bytes_total", "Bytes that compactions read.",
     MetricType::kCounter, Ticker<rocksdb::COMPACT_READ_BYTES>},
    {"kvnode_compaction_bytes_total", "Bytes that compactions wrote.",
     MetricType::kCounter, Ticker<rocksdb::COMPACT_WRITE_BYTES>},
    {"kvnode_flush_bytes_total", "Bytes of memtables written to files.",
     MetricType::kCounter, Ticker<rocksdb::FLUSH_WRITE_BYTES>},
    {"kvnode_write_stall_microseconds_total",
     "Time that writes waited for compactions and flushes.",
     MetricType::kCounter, Ticker<rocksdb::STALL_MICROS>},
    {"kvnode_block_cache_budget_bytes",
     "What the block cache may hold now; the soft limit lowers it.",
     MetricType::kGauge, Property<RocksDb::kBlockCacheCapacity>},
    {"kvnode_block_cache_bytes", "What the block cache holds.",
     MetricType::kGauge, Property<RocksDb::kBlockCacheUsage>},
    {"kvnode_memtable_bytes",
     "Data that is in memory and in the node's log only.", MetricType::kGauge,
     Property<RocksDb::kCurSizeAllMemTables>},
    {"kvnode_keys", "Keys, as RocksDB estimates.", MetricType::kGauge,
     Property<RocksDb::kEstimateNumKeys>},
    {"kvnode_compactions_running", "Compactions at work.", MetricType::kGauge,
     Property<RocksDb::kNumRunningCompactions>},
    {"kvnode_compaction_pending_bytes",
     "Bytes that compactions have yet to rewrite.", MetricType::kGauge,
     Property<RocksDb::kEstimatePendingCompactionBytes>},
};

}  // namespace

std::string_view RequestName(Request request) {
  return kRequestNames[static_cast<std::size_t>(request)];
}

Result<std::unique_ptr<NodeMetrics>> NodeMetrics::Create() {
  std::unique_ptr<NodeMetrics> metrics(new NodeMetrics);
  FODC_ASSIGN_OR_RETURN(metrics->metrics_, Metrics::Create());
  FODC_RETURN_IF_ERROR(metrics->Find());
  return metrics;
}

Result<Counter*> NodeMetrics::NewCounter(const char* name, const char* help) {
  FODC_RETURN_IF_ERROR(metrics_->Declare(name, help, MetricType::kCounter));
  return metrics_->FindCounter(name);
}

Status NodeMetrics::Find() {
  FODC_RETURN_IF_ERROR(
      metrics_->Declare("kvnode_requests_total",
                        "Requests by operation and outcome; rejected ones were "
                        "answered 503 SlowDown.",
                        MetricType::kCounter));
  for (std::size_t r = 0; r < kRequests; ++r) {
    for (std::size_t o = 0; o < kOutcomes; ++o) {
      FODC_ASSIGN_OR_RETURN(
          requests_[r][o],
          metrics_->FindCounter("kvnode_requests_total",
                                {{"operation", kRequestNames[r]},
                                 {"outcome", kOutcomeNames[o]}}));
    }
  }
  FODC_ASSIGN_OR_RETURN(
      legacy_reads_, NewCounter("kvnode_stream_legacy_reads_total",
                                "Reads of streams that met the blob layout."));
  FODC_ASSIGN_OR_RETURN(
      migrated_entries_,
      NewCounter("kvnode_stream_migrated_entries_total",
                 "Entries moved from blobs to keys of their own."));
  for (const Followed& f : kFollowed) {
    FODC_RETURN_IF_ERROR(metrics_->Declare(f.name, f.help, f.type));
  }
  return OkStatus();
}

Result<std::string> NodeMetrics::Page(const Store& store,
                                      const CommitLog& log) {
  const CommitLog::Figures figures = log.figures();
  for (const Followed& f : kFollowed) {
    const std::uint64_t value = f.read(store, figures);
    if (f.type == MetricType::kGauge) {
      FODC_ASSIGN_OR_RETURN(Gauge * gauge, metrics_->FindGauge(f.name));
      gauge->Set(static_cast<double>(value));
    } else {
      FODC_ASSIGN_OR_RETURN(Counter * counter, metrics_->FindCounter(f.name));
      counter->Add(value - counter->value());
    }
  }
  std::string page;
  FODC_RETURN_IF_ERROR(metrics_->AppendTextPage(&page));
  return page;
}

}  // namespace kvnode
