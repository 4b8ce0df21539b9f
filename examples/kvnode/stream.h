// SPDX-License-Identifier: Apache-2.0
// Streams: entries in the order of their appending, named by the sequence of
// the operation that appended them.
//
// Two layouts. Entries: one key for each, so that reading what is new costs
// what is new. Blob: one value for the whole stream, which every read decodes
// and every append rewrites; that is how such nodes burn their CPU when a few
// clients poll a long stream. A read takes both, whatever the layout in force,
// and MigrateBlobs makes entries of blobs.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace kvnode {

struct StreamEntry {
  std::uint64_t sequence = 0;
  std::string value;
};

// What one answer may hold: at least one entry, then up to these bounds.
struct ReadBounds {
  std::size_t max_entries = 10'000;
  std::size_t max_bytes = 8u << 20;
};

struct StreamPage {
  std::vector<StreamEntry> entries;
  bool more = false;      // behind the last of these entries
  bool met_blob = false;  // the older layout was read
};

// A blob is its entries, each: sequence (8 bytes), length of the value (4),
// both little-endian, value.
void AppendToBlob(std::uint64_t sequence, std::string_view value,
                  std::string* blob);
// Calls `take` for each entry. Errors: kDataLoss for what is no blob; those of
// `take`.
fodc::Status ReadBlob(
    std::string_view blob,
    const std::function<fodc::Status(std::uint64_t, std::string_view)>& take);

// Adds the append to `batch`, in the layout of blobs. `batch` must not hold
// another append to a blob: the blob is read from `db`.
fodc::Status AppendInBlobLayout(rocksdb::DB* db, std::string_view stream,
                                std::uint64_t sequence, std::string_view value,
                                rocksdb::WriteBatch* batch);

// The entries with a sequence beyond `after`.
// Errors: kDataLoss for a damaged blob; those of RocksDB.
fodc::Result<StreamPage> ReadStream(rocksdb::DB* db, std::string_view stream,
                                    std::uint64_t after,
                                    const ReadBounds& bounds);

// Makes entries of each blob, one blob at a time, each in one atomic write:
// wherever it is stopped, an entry is in one layout and never in both. Runs
// beside reads, and beside appends in the layout of entries.
// Returns how many entries it moved. Errors: as ReadStream.
fodc::Result<std::uint64_t> MigrateBlobs(rocksdb::DB* db,
                                         const std::stop_token& stop);

}  // namespace kvnode
