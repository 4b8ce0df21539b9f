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

struct TickerFamily {
  rocksdb::Tickers ticker;
  const char* name;
  const char* help;
};
// The names that FODC's agent can be told to take as the node's signals:
// block_cache_hits, block_cache_misses, compaction_bytes, ...
constexpr TickerFamily kTickers[] = {
    {rocksdb::BLOCK_CACHE_HIT, "kvnode_block_cache_hits_total",
     "Blocks that were found in RocksDB's block cache."},
    {rocksdb::BLOCK_CACHE_MISS, "kvnode_block_cache_misses_total",
     "Blocks that had to be read from files."},
    {rocksdb::COMPACT_READ_BYTES, "kvnode_compaction_read_bytes_total",
     "Bytes that compactions read."},
    {rocksdb::COMPACT_WRITE_BYTES, "kvnode_compaction_bytes_total",
     "Bytes that compactions wrote."},
    {rocksdb::FLUSH_WRITE_BYTES, "kvnode_flush_bytes_total",
     "Bytes of memtables written to files."},
    {rocksdb::STALL_MICROS, "kvnode_write_stall_microseconds_total",
     "Time that writes waited for compactions and flushes."},
};

struct PropertyFamily {
  const char* property;
  const char* name;
  const char* help;
};
constexpr PropertyFamily kProperties[] = {
    {"rocksdb.block-cache-capacity", "kvnode_block_cache_budget_bytes",
     "What the block cache may hold now; the soft limit lowers it."},
    {"rocksdb.block-cache-usage", "kvnode_block_cache_bytes",
     "What the block cache holds."},
    {"rocksdb.cur-size-all-mem-tables", "kvnode_memtable_bytes",
     "Data that is in memory and in the node's log only."},
    {"rocksdb.estimate-num-keys", "kvnode_keys", "Keys, as RocksDB estimates."},
    {"rocksdb.num-running-compactions", "kvnode_compactions_running",
     "Compactions at work."},
    {"rocksdb.estimate-pending-compaction-bytes",
     "kvnode_compaction_pending_bytes",
     "Bytes that compactions have yet to rewrite."},
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

Result<Gauge*> NodeMetrics::NewGauge(const char* name, const char* help) {
  FODC_RETURN_IF_ERROR(metrics_->Declare(name, help, MetricType::kGauge));
  return metrics_->FindGauge(name);
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
  FODC_ASSIGN_OR_RETURN(
      batches_.counter,
      NewCounter("kvnode_log_batches_total",
                 "Batches written to the log, one sync each."));
  FODC_ASSIGN_OR_RETURN(operations_.counter,
                        NewCounter("kvnode_log_operations_total",
                                   "Operations in those batches."));
  FODC_ASSIGN_OR_RETURN(refused_.counter,
                        NewCounter("kvnode_log_refused_total",
                                   "Operations refused because too many bytes "
                                   "waited for the log."));
  FODC_ASSIGN_OR_RETURN(
      queued_bytes_,
      NewGauge("kvnode_log_queued_bytes", "Bytes that wait for the log."));
  FODC_ASSIGN_OR_RETURN(
      log_bytes_, NewGauge("kvnode_log_bytes", "Size of the log on disk."));
  for (const TickerFamily& f : kTickers) {
    Followed followed;
    FODC_ASSIGN_OR_RETURN(followed.counter, NewCounter(f.name, f.help));
    tickers_.emplace_back(f.ticker, followed);
  }
  for (const PropertyFamily& f : kProperties) {
    FODC_ASSIGN_OR_RETURN(Gauge * gauge, NewGauge(f.name, f.help));
    properties_.emplace_back(f.property, gauge);
  }
  return OkStatus();
}

Result<std::string> NodeMetrics::Page(const Store& store,
                                      const CommitLog& log) {
  const CommitLog::Figures f = log.figures();
  batches_.Set(f.batches);
  operations_.Set(f.operations);
  refused_.Set(f.refused);
  queued_bytes_->Set(static_cast<double>(f.queued_bytes));
  log_bytes_->Set(static_cast<double>(f.log_bytes));
  for (auto& [ticker, followed] : tickers_) {
    followed.Set(store.Ticker(ticker));
  }
  for (auto& [property, gauge] : properties_) {
    gauge->Set(static_cast<double>(store.Property(property)));
  }
  std::string page;
  FODC_RETURN_IF_ERROR(metrics_->AppendTextPage(&page));
  return page;
}

}  // namespace kvnode
