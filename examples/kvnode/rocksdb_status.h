// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <rocksdb/status.h>

#include <string_view>

#include "fodc/base/status.h"
#include "fodc/base/strings.h"

namespace kvnode {

// Where RocksDB's errors become the node's. kNotFound is for the caller: an
// absent key is no error.
inline fodc::Status FromRocksDb(const rocksdb::Status& status,
                                std::string_view what) {
  if (status.ok()) return fodc::OkStatus();
  fodc::Code code = fodc::Code::kInternal;
  if (status.IsNotFound()) code = fodc::Code::kNotFound;
  if (status.IsCorruption()) code = fodc::Code::kDataLoss;
  if (status.IsNoSpace() || status.IsMemoryLimit()) {
    code = fodc::Code::kResourceExhausted;
  }
  if (status.IsBusy() || status.IsShutdownInProgress()) {
    code = fodc::Code::kUnavailable;
  }
  return {code, fodc::StrCat(what, ": ", status.ToString())};
}

}  // namespace kvnode
