// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/status.h>

#include <string_view>

#include "fodc/base/status.h"

namespace kvnode {

// Where RocksDB's errors become the node's. kNotFound is for the caller: an
// absent key is no error.
fodc::Status FromRocksDb(const rocksdb::Status& status, std::string_view what);

}  // namespace kvnode
