// SPDX-License-Identifier: Apache-2.0
// Copies of the store for backups, each in a directory of its own named by its
// time: <directory>/20261122T221500.123456789Z. A copy opens as the `db`
// directory of a node; its log begins behind it.
#pragma once

#include <cstddef>
#include <string>

#include "examples/kvnode/store.h"
#include "fodc/base/clock.h"
#include "fodc/base/status.h"

namespace kvnode {

class Snapshots {
 public:
  // Keeps the newest `keep`: files of an old copy take up disk as soon as
  // compactions have replaced them. `clock` must outlive the object.
  Snapshots(std::string directory, std::size_t keep, const fodc::Clock& clock)
      : directory_(std::move(directory)), keep_(keep), clock_(clock) {}

  // The new copy's path. For one thread at a time.
  // Errors: those of RocksDB and of the file system.
  fodc::Result<std::string> Make(const Store& store);

 private:
  fodc::Status RemoveOld() const;

  const std::string directory_;
  const std::size_t keep_;
  const fodc::Clock& clock_;
};

}  // namespace kvnode
