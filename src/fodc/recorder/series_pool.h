// SPDX-License-Identifier: Apache-2.0
// Interns series, so that each text is in memory once however many recordings
// refer to it. A series leaves the pool with its last reference.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "fodc/exposition/metric.h"
#include "fodc/recorder/log_entry.h"
#include "fodc/recorder/series.h"

namespace fodc::recorder {

// Thread-safe. Series may outlive the pool object that made them.
// Accounting: a recording without a pool of its own (RecordingOptions::pool is
// null) makes one and counts its bytes; where several recordings share a pool,
// its owner adds bytes() once, and each of them counts only what it alone added
// beyond half of its budget.
class SeriesPool {
 public:
  SeriesPool();
  ~SeriesPool();
  SeriesPool(const SeriesPool&) = delete;
  SeriesPool& operator=(const SeriesPool&) = delete;

  // Labels in any order; they are brought into canonical form.
  SeriesRef Intern(const exposition::SeriesDesc& desc);
  // Labels are canonical already.
  // `*grown` (if wanted): by how much the pool's bytes grew, tables aside.
  SeriesRef Intern(const SeriesEntry& entry, std::size_t* grown = nullptr);

  // Of everything interned, tables and allocator's overhead included.
  std::size_t bytes() const;
  std::size_t size() const;  // series

 private:
  series_internal::PoolCore* core_;
};

}  // namespace fodc::recorder
