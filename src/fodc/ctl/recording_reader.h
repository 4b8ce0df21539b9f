// SPDX-License-Identifier: Apache-2.0
// Opens what holds a recording: an .fdr file, or the spill of an agent.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/ctl/recording_text.h"
#include "fodc/recorder/recording.h"

namespace fodc::ctl {

struct OpenedRecording {
  recorder::Recording recording;
  RecordingIdentity identity;
  std::uint64_t disk_bytes = 0;
  // What could not be read: "<path>: offset 123: 45 bytes: reason".
  std::vector<std::string> damage;
  std::uint64_t damaged_regions = 0;  // told or not
  // Segments that the agent found damaged and renamed: not read.
  struct SetAside {
    std::string path;
    std::uint64_t bytes = 0;
  };
  std::vector<SetAside> set_aside = {};
};

// Reads everything that is whole; changes nothing. The agent of a spill may be
// running. `between`: called when a part of a spill was read, for tests.
// Errors: kNotFound and the like, kDataLoss if the path holds no recording.
Result<OpenedRecording> OpenRecording(
    const std::string& path, const std::function<void()>& between = nullptr);

}  // namespace fodc::ctl
