// SPDX-License-Identifier: Apache-2.0
// A snapshot of a recording, written as text.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "fodc/base/status.h"
#include "fodc/ctl/command_line.h"
#include "fodc/ctl/output.h"
#include "fodc/exposition/selector.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::ctl {

// Whose recording it is: the identity labels that its series are shown with.
struct RecordingIdentity {
  std::string role;
  std::string pod_name;
  std::map<std::string, std::string> labels;
};

struct ShowOptions {
  recorder::TimeRange range{};
  SampleFormat format = SampleFormat::kText;
  const exposition::SelectorSet* selectors = nullptr;  // none: everything
};

// Every sample in the range, family by family in the text formats. Memory: some
// two million samples at a time, however many there are.
// Errors: those of the output. Damaged chunks are passed over and counted in
// *damaged.
Status WriteSamples(const recorder::Snapshot& snapshot,
                    const RecordingIdentity& identity,
                    const ShowOptions& options, Output* out, int* damaged);

// The page of one instant: each source's newest frame at or before `unix_ms`
// that is no older than `max_age_ms`.
Status WritePageAt(const recorder::Snapshot& snapshot,
                   const RecordingIdentity& identity,
                   const ShowOptions& options, std::int64_t unix_ms,
                   std::int64_t max_age_ms, Output* out);

}  // namespace fodc::ctl
