// SPDX-License-Identifier: Apache-2.0
// The layouts in which a catalog is backed up.
#pragma once

#include <memory>
#include <stop_token>

#include "fodc/backup/catalog_backup.h"
#include "fodc/backup/catalog_run.h"

namespace fodc::backup {

// All arguments must outlive it.
std::unique_ptr<CatalogRun> NewObjectBackup(object_store::ObjectStore& store,
                                            const CatalogJob& job,
                                            const CatalogOptions& options,
                                            const Clock& clock,
                                            const std::stop_token& stop,
                                            CatalogCounters* counters);
std::unique_ptr<CatalogRun> NewBundleBackup(object_store::ObjectStore& store,
                                            const CatalogJob& job,
                                            const CatalogOptions& options,
                                            const Clock& clock,
                                            const std::stop_token& stop,
                                            CatalogCounters* counters);

}  // namespace fodc::backup
