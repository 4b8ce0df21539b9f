// SPDX-License-Identifier: Apache-2.0
// Applies what a disk or a file holds of a log, as far as it goes.
#pragma once

#include <cstdint>
#include <string>

#include "fodc/base/status.h"
#include "fodc/recorder/log_entry.h"

namespace fodc::recorder {

class Recording;

// A sink for ReadEntries. An entry that is refused is counted and ends nothing:
// those after it may be all right. Holes are gaps of the recording.
class LogApplier {
 public:
  explicit LogApplier(Recording* recording) : recording_(*recording) {}

  // Always OK.
  Status operator()(const LogEntry& entry);

  std::uint64_t entries() const { return entries_; }
  std::uint64_t refused() const { return refused_; }
  const Status& first_refusal() const { return first_refusal_; }
  // "2 of 7 entries refused, the first: ..."
  std::string Refusals() const;

 private:
  Recording& recording_;
  std::uint64_t entries_ = 0;
  std::uint64_t refused_ = 0;
  Status first_refusal_;
};

}  // namespace fodc::recorder
