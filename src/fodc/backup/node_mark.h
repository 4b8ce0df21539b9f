// SPDX-License-Identifier: Apache-2.0
// Whose backup a time directory is: `.meta/node.json`.
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "fodc/base/status.h"
#include "fodc/object_store/object_store.h"

namespace fodc::backup {

// Absent: nobody's as yet. A mark that says nothing is "". Errors: those of the
// store.
Result<std::optional<std::string>> ReadNodeMark(
    object_store::ObjectStore& store, const std::string& time_dir,
    const std::stop_token& stop);
Status WriteNodeMark(object_store::ObjectStore& store,
                     const std::string& time_dir, const std::string& node_id,
                     const std::stop_token& stop);

}  // namespace fodc::backup
