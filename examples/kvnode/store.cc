// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/store.h"

#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include "examples/kvnode/keys.h"
#include "examples/kvnode/rocksdb_status.h"

namespace kvnode {

using fodc::DataLoss;
using fodc::OkStatus;
using fodc::Result;
using fodc::Status;

Result<std::unique_ptr<Store>> Store::Open(const Options& options) {
  std::unique_ptr<Store> store(new Store);
  store->layout_ = options.layout;
  store->cache_ = rocksdb::NewLRUCache(options.block_cache_bytes);
  store->statistics_ = rocksdb::CreateDBStatistics();

  rocksdb::BlockBasedTableOptions table;
  table.block_cache = store->cache_;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // Else indexes and filters grow beside the cache, where no budget sees them.
  table.cache_index_and_filter_blocks = true;

  rocksdb::Options o;
  o.create_if_missing = true;
  o.statistics = store->statistics_;
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  o.write_buffer_size = options.write_buffer_bytes / 2;
  o.write_buffer_manager =
      std::make_shared<rocksdb::WriteBufferManager>(options.write_buffer_bytes);
  o.avoid_flush_during_shutdown = true;
  o.keep_log_file_num = 4;
  rocksdb::DB* db = nullptr;
  FODC_RETURN_IF_ERROR(FromRocksDb(rocksdb::DB::Open(o, options.directory, &db),
                                   options.directory));
  store->db_.reset(db);

  std::string applied;
  const rocksdb::Status got =
      db->Get({}, rocksdb::Slice(kAppliedKey), &applied);
  if (got.IsNotFound()) return store;
  FODC_RETURN_IF_ERROR(FromRocksDb(got, options.directory));
  std::string_view bytes = applied;
  if (!TakeLittleEndian(&bytes, &store->applied_) || !bytes.empty()) {
    return DataLoss(options.directory + ": not a store of this program");
  }
  return store;
}

Store::~Store() = default;

Status Store::Write(rocksdb::WriteBatch* batch, std::uint64_t applied) {
  std::string number;
  AppendLittleEndian(applied, &number);
  FODC_RETURN_IF_ERROR(
      FromRocksDb(batch->Put(rocksdb::Slice(kAppliedKey), number), "write"));
  rocksdb::WriteOptions unlogged;
  unlogged.disableWAL = true;
  FODC_RETURN_IF_ERROR(FromRocksDb(db_->Write(unlogged, batch), "write"));
  batch->Clear();
  applied_ = applied;
  return OkStatus();
}

Status Store::Apply(std::uint64_t first,
                    std::span<const OperationView> operations) {
  rocksdb::WriteBatch batch;
  std::uint64_t sequence = first;
  for (const OperationView& op : operations) {
    rocksdb::Status added;
    switch (op.kind) {
      case OperationKind::kPut:
        added = batch.Put(ValueKey(op.key), op.value);
        break;
      case OperationKind::kDelete:
        added = batch.Delete(ValueKey(op.key));
        break;
      case OperationKind::kAppend:
        if (layout_ == StreamLayout::kEntries) {
          added = batch.Put(EntryKey(op.key, sequence), op.value);
          break;
        }
        // The next append to the blob reads what this one wrote.
        FODC_RETURN_IF_ERROR(
            AppendInBlobLayout(db_.get(), op.key, sequence, op.value, &batch));
        FODC_RETURN_IF_ERROR(Write(&batch, sequence));
        break;
    }
    FODC_RETURN_IF_ERROR(FromRocksDb(added, "write"));
    ++sequence;
  }
  return batch.Count() == 0 ? OkStatus() : Write(&batch, sequence - 1);
}

Result<std::optional<std::string>> Store::Get(std::string_view key) const {
  std::string value;
  const rocksdb::Status got = db_->Get({}, ValueKey(key), &value);
  if (got.IsNotFound()) return std::optional<std::string>();
  FODC_RETURN_IF_ERROR(FromRocksDb(got, "get"));
  return std::optional(std::move(value));
}

Result<ScanPage> Store::Scan(std::string_view start, std::string_view end,
                             const ReadBounds& bounds) const {
  const std::string last =
      end.empty() ? Behind(std::string(kValuePrefix)) : ValueKey(end);
  const rocksdb::Slice last_slice(last);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &last_slice;
  const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(options));
  ScanPage page;
  std::size_t bytes = 0;
  for (it->Seek(ValueKey(start)); it->Valid(); it->Next()) {
    std::string key = it->key().ToString().substr(kValuePrefix.size());
    bytes += key.size() + it->value().size();
    if (!page.pairs.empty() &&
        (page.pairs.size() >= bounds.max_entries || bytes > bounds.max_bytes)) {
      page.next = std::move(key);
      break;
    }
    page.pairs.emplace_back(std::move(key), it->value().ToString());
  }
  FODC_RETURN_IF_ERROR(FromRocksDb(it->status(), "scan"));
  return page;
}

Result<StreamPage> Store::ReadStream(std::string_view stream,
                                     std::uint64_t after,
                                     const ReadBounds& bounds) const {
  return kvnode::ReadStream(db_.get(), stream, after, bounds);
}

Result<std::uint64_t> Store::Migrate(const std::stop_token& stop) {
  return MigrateBlobs(db_.get(), stop);
}

Status Store::Flush() {
  return FromRocksDb(db_->Flush(rocksdb::FlushOptions()), "flush");
}

Status Store::Checkpoint(const std::string& directory) const {
  rocksdb::Checkpoint* made = nullptr;
  FODC_RETURN_IF_ERROR(
      FromRocksDb(rocksdb::Checkpoint::Create(db_.get(), &made), "snapshot"));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  return FromRocksDb(checkpoint->CreateCheckpoint(directory), "snapshot");
}

void Store::SetBlockCacheBytes(std::uint64_t bytes) {
  cache_->SetCapacity(bytes);
}

std::uint64_t Store::Ticker(rocksdb::Tickers ticker) const {
  return statistics_->getTickerCount(ticker);
}

std::uint64_t Store::Property(const std::string& name) const {
  std::uint64_t value = 0;
  return db_->GetIntProperty(name, &value) ? value : 0;
}

}  // namespace kvnode
