// SPDX-License-Identifier: Apache-2.0
// A folder of saved pages made into a recording.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/recorder/recording.h"

namespace fodc::ctl {

struct ImportedFile {
  std::string name;
  std::uint64_t frames = 0;      // recorded
  std::uint64_t failed = 0;      // frames that say the scrape failed: gaps
  std::uint64_t lost_lines = 0;  // bad lines and duplicates
  std::string damage;  // why its rest was left out, naming file and frame
};

struct ImportSummary {
  std::vector<ImportedFile> files;
  std::vector<std::string> left_out;  // "name: why"
};

// Appends the frames of all files of `directory` to `recording`, merged by
// their times. A file is one source, named by its stem, and each of its series
// gets the label `recording`, the stem; one that the page has itself becomes
// `exported_recording`.
// What follows damage in a file is left out. Errors: kNotFound if there is no
// such directory or nothing to import in it; kDataLoss, naming file and frame,
// if every file is damaged at its first frame.
Result<ImportSummary> ImportPages(const std::string& directory,
                                  recorder::Recording* recording);

}  // namespace fodc::ctl
