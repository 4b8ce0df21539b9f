// SPDX-License-Identifier: Apache-2.0
// What a snapshot holds. For this room.
#pragma once

#include <memory>
#include <vector>

#include "fodc/base/mutex.h"
#include "fodc/recorder/chunk.h"
#include "fodc/recorder/open_rows.h"
#include "fodc/recorder/recording_impl.h"
#include "fodc/recorder/series_table.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::recorder {

struct Snapshot::State {
  struct LifeView {
    Incarnation incarnation = 0;
    std::shared_ptr<const SourceMap> sources;
    std::shared_ptr<const SeriesTable> table;
    std::vector<std::shared_ptr<const Chunk>> chunks;
  };
  // A chunk and the life that explains it.
  struct Part {
    const LifeView* life = nullptr;
    std::shared_ptr<const Chunk> chunk;
  };

  std::vector<LifeView> lives;
  OpenRows open;                    // of the last life
  std::vector<SourceFrame> latest;  // names: in the sources of a life

  // All chunks that reach into the range, oldest first. The open rows come as
  // a chunk, too: sealed the first time they are asked for.
  std::vector<Part> Parts(TimeRange range) const;
  // The source's names; empty if the life does not know it.
  static const SourceInfo& Source(const LifeView& life, SourceId source);

 private:
  mutable Mutex mutex_;
  mutable std::shared_ptr<const Chunk> open_chunk_ FODC_GUARDED_BY(mutex_);
};

}  // namespace fodc::recorder
