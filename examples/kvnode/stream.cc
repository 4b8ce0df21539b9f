// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/stream.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "examples/kvnode/keys.h"
#include "examples/kvnode/rocksdb_status.h"
#include "fodc/base/strings.h"

namespace kvnode {

using fodc::DataLoss;
using fodc::OkStatus;
using fodc::Result;
using fodc::Status;
using fodc::StrCat;

namespace {

// A view of the store that no write changes: while a blob is migrated, a read
// sees it or its entries, never both and never neither.
class View {
 public:
  explicit View(rocksdb::DB* db) : db_(db), snapshot_(db->GetSnapshot()) {
    options_.snapshot = snapshot_;
  }
  ~View() { db_->ReleaseSnapshot(snapshot_); }
  View(const View&) = delete;
  View& operator=(const View&) = delete;
  const rocksdb::ReadOptions& options() const { return options_; }

 private:
  rocksdb::DB* db_;
  const rocksdb::Snapshot* snapshot_;
  rocksdb::ReadOptions options_;
};

// The blob of the stream; whether there is one.
Result<bool> GetBlob(rocksdb::DB* db, const rocksdb::ReadOptions& options,
                     std::string_view stream, std::string* blob) {
  const rocksdb::Status got = db->Get(options, BlobKey(stream), blob);
  if (got.IsNotFound()) return false;
  FODC_RETURN_IF_ERROR(FromRocksDb(got, "read of a stream"));
  return true;
}

}  // namespace

void AppendToBlob(std::uint64_t sequence, std::string_view value,
                  std::string* blob) {
  AppendLittleEndian(sequence, blob);
  AppendLittleEndian(static_cast<std::uint32_t>(value.size()), blob);
  blob->append(value);
}

Status ReadBlob(
    std::string_view blob,
    const std::function<Status(std::uint64_t, std::string_view)>& take) {
  const std::size_t size = blob.size();
  while (!blob.empty()) {
    const std::size_t offset = size - blob.size();
    std::uint64_t sequence = 0;
    std::uint32_t length = 0;
    if (!TakeLittleEndian(&blob, &sequence) ||
        !TakeLittleEndian(&blob, &length) || length > blob.size()) {
      return DataLoss(StrCat("stream blob is cut in its entry at byte ", offset,
                             " of ", size));
    }
    FODC_RETURN_IF_ERROR(take(sequence, blob.substr(0, length)));
    blob.remove_prefix(length);
  }
  return OkStatus();
}

Status AppendInBlobLayout(rocksdb::DB* db, std::string_view stream,
                          std::uint64_t sequence, std::string_view value,
                          rocksdb::WriteBatch* batch) {
  std::string blob;
  FODC_RETURN_IF_ERROR(
      GetBlob(db, rocksdb::ReadOptions(), stream, &blob).status());
  AppendToBlob(sequence, value, &blob);
  return FromRocksDb(batch->Put(BlobKey(stream), blob), "append to a stream");
}

Result<StreamPage> ReadStream(rocksdb::DB* db, std::string_view stream,
                              std::uint64_t after, const ReadBounds& bounds) {
  StreamPage page;
  if (after == std::numeric_limits<std::uint64_t>::max()) return page;
  const View view(db);
  std::string blob;
  FODC_ASSIGN_OR_RETURN(page.met_blob,
                        GetBlob(db, view.options(), stream, &blob));
  FODC_RETURN_IF_ERROR(
      ReadBlob(blob, [&](std::uint64_t sequence, std::string_view value) {
        if (sequence > after) {
          page.entries.push_back({sequence, std::string(value)});
        }
        return OkStatus();
      }));

  std::size_t bytes = 0;
  const std::string end = Behind(EntryPrefix(stream));
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options = view.options();
  options.iterate_upper_bound = &end_slice;
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(options));
  const std::size_t from_blob = page.entries.size();
  for (it->Seek(EntryKey(stream, after + 1)); it->Valid(); it->Next()) {
    // One more than fits tells that there is more.
    const std::size_t count = page.entries.size() - from_blob;
    if (count > bounds.max_entries || (count > 1 && bytes > bounds.max_bytes)) {
      break;
    }
    page.entries.push_back(
        {SequenceOf(it->key().ToStringView()), it->value().ToString()});
    bytes += it->value().size();
  }
  FODC_RETURN_IF_ERROR(FromRocksDb(it->status(), "read of a stream"));
  // Only a store that went back to blobs holds newer ones in its blob.
  std::ranges::inplace_merge(
      page.entries,
      page.entries.begin() + static_cast<std::ptrdiff_t>(from_blob), {},
      &StreamEntry::sequence);

  std::size_t fits = 0;
  for (bytes = 0; fits < page.entries.size() && fits < bounds.max_entries;
       ++fits) {
    bytes += page.entries[fits].value.size();
    if (fits > 0 && bytes > bounds.max_bytes) break;
  }
  page.more = fits < page.entries.size();
  page.entries.resize(fits);
  return page;
}

Result<std::uint64_t> MigrateBlobs(rocksdb::DB* db,
                                   const std::stop_token& stop) {
  std::uint64_t moved = 0;
  const std::string end = Behind(std::string(kBlobPrefix));
  const rocksdb::Slice end_slice(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &end_slice;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(options));
  rocksdb::WriteOptions unlogged;
  // As all writes: the log does not know of it, and need not. If it is lost
  // with the memtable, the blob is there as before.
  unlogged.disableWAL = true;
  for (it->Seek(rocksdb::Slice(kBlobPrefix));
       it->Valid() && !stop.stop_requested(); it->Next()) {
    std::string_view stream = it->key().ToStringView();
    stream.remove_prefix(kBlobPrefix.size());
    rocksdb::WriteBatch batch;
    const Status read = ReadBlob(
        it->value().ToStringView(),
        [&](std::uint64_t sequence, std::string_view value) {
          ++moved;
          return FromRocksDb(batch.Put(EntryKey(stream, sequence), value),
                             "migration of a stream");
        });
    FODC_RETURN_IF_ERROR(read.WithContext(StrCat("stream '", stream, "'")));
    FODC_RETURN_IF_ERROR(
        FromRocksDb(batch.Delete(it->key()), "migration of a stream"));
    FODC_RETURN_IF_ERROR(
        FromRocksDb(db->Write(unlogged, &batch), "migration of a stream"));
  }
  FODC_RETURN_IF_ERROR(FromRocksDb(it->status(), "migration of streams"));
  return moved;
}

}  // namespace kvnode
