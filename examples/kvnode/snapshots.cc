// SPDX-License-Identifier: Apache-2.0
#include "examples/kvnode/snapshots.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <vector>

#include "fodc/base/file.h"

namespace kvnode {

using fodc::OkStatus;
using fodc::Result;
using fodc::Status;

Result<std::string> Snapshots::Make(const Store& store) {
  FODC_RETURN_IF_ERROR(fodc::MakeDirectories(directory_));
  std::string name = fodc::FormatRfc3339(clock_.Unix(), 9);
  std::erase_if(name, [](char c) { return c == '-' || c == ':'; });
  const std::string path = directory_ + "/" + name;
  // RocksDB makes it beside and renames it: there is no half of one.
  FODC_RETURN_IF_ERROR(store.Checkpoint(path));
  FODC_RETURN_IF_ERROR(RemoveOld());
  return path;
}

Status Snapshots::RemoveOld() const {
  FODC_ASSIGN_OR_RETURN(std::vector<std::string> names,
                        fodc::ListDirectory(directory_));
  // Names sort as their times. What does not end so is not ours.
  std::erase_if(names, [](const std::string& n) { return !n.ends_with('Z'); });
  for (std::size_t i = 0; i + keep_ < names.size(); ++i) {
    std::error_code ec;
    std::filesystem::remove_all(directory_ + "/" + names[i], ec);
    if (ec) return fodc::ErrnoStatus(ec.value(), "remove " + names[i]);
  }
  return OkStatus();
}

}  // namespace kvnode
