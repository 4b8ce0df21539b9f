// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/catalog_backup.h"

#include "fodc/backup/catalog_layouts.h"

namespace fodc::backup {

CatalogReport BackUpCatalog(object_store::ObjectStore& store,
                            const CatalogJob& job,
                            const CatalogOptions& options, const Clock& clock,
                            const std::stop_token& stop,
                            CatalogCounters* counters) {
  return (options.layout == Layout::kBundles
              ? NewBundleBackup
              : NewObjectBackup)(store, job, options, clock, stop, counters)
      ->Run();
}

}  // namespace fodc::backup
