// SPDX-License-Identifier: Apache-2.0
// The node's data in RocksDB. RocksDB's own log is off: the node's log comes
// before it, and each write says up to which operation of that log it goes. So
// whatever RocksDB has on disk after a kill is the data as of some operation,
// and the log has the rest.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/statistics.h>
#include <rocksdb/write_buffer_manager.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "examples/kvnode/operation.h"
#include "examples/kvnode/stream.h"
#include "fodc/base/status.h"

namespace kvnode {

enum class StreamLayout : std::uint8_t { kEntries, kBlob };

struct ScanPage {
  std::vector<std::pair<std::string, std::string>> pairs;
  std::optional<std::string> next;  // the key to go on with
};

// Thread-safe, save that Apply is for one thread.
class Store {
 public:
  struct Options {
    std::string directory;
    StreamLayout layout = StreamLayout::kEntries;
    std::uint64_t block_cache_bytes = 128u << 20;
    std::uint64_t write_buffer_bytes = 64u << 20;
  };

  // Errors: as RocksDB says.
  static fodc::Result<std::unique_ptr<Store>> Open(const Options& options);
  // What is in memory only is not flushed: the log has it, and a node that
  // stops for want of memory or time should not write hundreds of megabytes.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // The newest operation in the data; 0 for none.
  std::uint64_t applied() const { return applied_; }
  // Applies the operations, which have these sequences: first, first + 1, ...
  // Errors: those of RocksDB; then nothing may be applied before the store is
  // opened again.
  fodc::Status Apply(std::uint64_t first,
                     std::span<const OperationView> operations);

  fodc::Result<std::optional<std::string>> Get(std::string_view key) const;
  // From `start` (included) to `end` (excluded; empty: the last).
  fodc::Result<ScanPage> Scan(std::string_view start, std::string_view end,
                              const ReadBounds& bounds) const;
  fodc::Result<StreamPage> ReadStream(std::string_view stream,
                                      std::uint64_t after,
                                      const ReadBounds& bounds) const;
  // As MigrateBlobs; for the layout of entries only.
  fodc::Result<std::uint64_t> Migrate(const std::stop_token& stop);

  // All that is applied is in files when it returns.
  fodc::Status Flush();
  // A copy that opens as a store, in a directory that is not there yet; hard
  // links where that is on the same file system.
  fodc::Status Checkpoint(const std::string& directory) const;

  // Gives up what is beyond, at once.
  void SetBlockCacheBytes(std::uint64_t bytes);

  std::uint64_t Ticker(rocksdb::Tickers ticker) const;
  // 0 for a property that this RocksDB does not have.
  std::uint64_t Property(const std::string& name) const;

 private:
  Store() = default;
  fodc::Status Write(rocksdb::WriteBatch* batch, std::uint64_t applied);

  StreamLayout layout_ = StreamLayout::kEntries;
  std::shared_ptr<rocksdb::Cache> cache_;
  std::shared_ptr<rocksdb::Statistics> statistics_;
  std::unique_ptr<rocksdb::DB> db_;
  std::uint64_t applied_ = 0;
};

}  // namespace kvnode
