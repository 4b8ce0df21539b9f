// SPDX-License-Identifier: Apache-2.0
// The tables of heap samples that targets share (libfodc-guard), held so that
// they can be read when their owners were killed.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/base/status.h"
#include "fodc/capture/capture_request.h"
#include "fodc/pprof/heap_table_reader.h"

namespace fodc::capture {

// Thread-safe. Of each row the tables of the last two processes that had one:
// who was killed may be asked for when somebody else is there already. A table
// that is held costs address space, and its owner's pages stay; none is touched
// before it is read.
class HeldTables {
 public:
  using Table = std::shared_ptr<const pprof::HeapTableView>;

  // Looks for the table of a process that lives, and holds it; nothing is done
  // if it is held. Blocks as /proc does.
  // Errors: as pprof::FindHeapTable and HeapTableView::Map; kNotFound if the
  // pid is another's by now.
  Status Hold(std::size_t row, const CaptureProcess& process,
              const std::string& proc_root);
  // Null if it is not held.
  Table Find(std::size_t row, const CaptureProcess& process) const;

 private:
  struct Held {
    CaptureProcess process;
    Table table;
  };

  mutable Mutex mutex_;
  // By row; the newest last.
  std::map<std::size_t, std::vector<Held>> rows_ FODC_GUARDED_BY(mutex_);
};

}  // namespace fodc::capture
