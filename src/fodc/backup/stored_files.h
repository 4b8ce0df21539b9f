// SPDX-License-Identifier: Apache-2.0
// Files read back from the bundles of layout 2.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/backup/manifest.h"
#include "fodc/backup/seal.h"
#include "fodc/base/status.h"
#include "fodc/object_store/object_store.h"

namespace fodc::backup {

// Files that are read together: neighbours in one bundle, or a large one.
class StoredGroup {
 public:
  // False: it is not of this group, which is full or of another bundle.
  bool Add(const ManifestEntry& entry);
  const std::vector<ManifestEntry>& files() const { return files_; }
  bool empty() const { return files_.empty(); }

 private:
  std::vector<ManifestEntry> files_;
  std::uint64_t stored_ = 0;
  std::optional<Place> last_;
};

// Hears of files one after the other. A failure of any ends the reading.
class StoredFileSink {
 public:
  virtual ~StoredFileSink() = default;

  virtual Status Begin(const ManifestEntry& file) = 0;
  virtual Status Write(std::string_view bytes) = 0;
  // `came`: whether its bytes are those of its digest; kDataLoss, or
  // kNotFound where its bundle is gone. The next one is read all the same.
  virtual Status End(const Status& came) = 0;
};

// Reads `files`, which are of one group, in their order; what lies between them
// is skipped. `prefix` is that of the catalog's keys; `key` may be null.
// Errors: those of the store that are no damage, and of the sink;
// kFailedPrecondition for what is sealed, without a key.
Status ReadStored(object_store::ObjectStore& store, const std::string& prefix,
                  std::span<const ManifestEntry> files, const SealKey* key,
                  const std::stop_token& stop, StoredFileSink* sink);

}  // namespace fodc::backup
