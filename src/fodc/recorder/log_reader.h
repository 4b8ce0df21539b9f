// SPDX-License-Identifier: Apache-2.0
// What a reader of the log has been given already.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "fodc/recorder/recording.h"

namespace fodc::recorder {

// One per stream of entries: a link's session, a spill segment, a file. Start
// with an empty one whenever the other side starts with nothing.
// Remembers the series of the stretch handed out last and of the one before it:
// a series that was away for longer is handed out again, for the other side may
// have forgotten it. Bounded by the series of two stretches.
class Recording::Defined {
 public:
  // Forgets everything, as for a new stream.
  void Clear() { *this = Defined(); }

 private:
  friend class Recording;
  friend struct Recording::Impl;

  // Turns to a stretch (named by its incarnation and first frame).
  void Enter(Incarnation incarnation, Sequence stretch);
  // True the first time.
  bool Add(SeriesId id);
  bool AddSource(SourceId source, std::uint32_t version);

  Incarnation incarnation_ = 0;
  Sequence stretch_ = 0;
  std::vector<SeriesId> previous_;  // sorted
  std::vector<SeriesId> current_;   // sorted up to sorted_, then as added
  std::size_t sorted_ = 0;
  std::map<SourceId, std::uint32_t> sources_;
};

}  // namespace fodc::recorder
