// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/held_tables.h"

#include <utility>

#include "fodc/capture/held_process.h"

namespace fodc::capture {
namespace {

constexpr std::size_t kTablesOfRow = 2;

}  // namespace

Status HeldTables::Hold(std::size_t row, const CaptureProcess& process,
                        const std::string& proc_root) {
  if (Find(row, process) != nullptr) return OkStatus();
  FODC_ASSIGN_OR_RETURN(const UniqueFd fd,
                        pprof::FindHeapTable(proc_root, process.pid));
  // If it still lives, the table is its own.
  FODC_RETURN_IF_ERROR(HeldProcess::Open(proc_root, process).status());
  FODC_ASSIGN_OR_RETURN(pprof::HeapTableView view,
                        pprof::HeapTableView::Map(fd.get(), /*touches=*/false));
  auto table = std::make_shared<const pprof::HeapTableView>(std::move(view));
  const MutexLock lock(mutex_);
  std::vector<Held>& held = rows_[row];
  if (held.size() == kTablesOfRow) held.erase(held.begin());
  held.push_back({process, std::move(table)});
  return OkStatus();
}

HeldTables::Table HeldTables::Find(std::size_t row,
                                   const CaptureProcess& process) const {
  const MutexLock lock(mutex_);
  const auto of_row = rows_.find(row);
  if (of_row == rows_.end()) return nullptr;
  for (const Held& held : of_row->second) {
    if (held.process == process) return held.table;
  }
  return nullptr;
}

}  // namespace fodc::capture
