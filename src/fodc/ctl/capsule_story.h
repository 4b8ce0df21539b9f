// SPDX-License-Identifier: Apache-2.0
// What a capsule tells: why it was made, how its target died, and what its
// recordings, profiles and logs say.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/ctl/capsule_parts.h"
#include "fodc/ctl/timeline.h"
#include "fodc/evidence/capsule_reader.h"
#include "fodc/pprof/top.h"

namespace fodc::ctl {

struct CapsuleStory {
  struct Profile {
    std::string file;
    std::optional<pprof::TopReport> top;
    std::string problem;  // if there is no top
  };
  struct HeapGrowth {
    std::string base;  // the first heap
    std::string file;  // the last
    std::optional<pprof::TopReport> diff;
    std::string problem;  // if there is no diff
  };
  struct Log {
    std::string file;
    std::vector<std::string> lines;  // the last ones
    bool is_cut = false;             // there are more
  };

  evidence::CapsuleContent content;
  std::vector<std::string> recordings;  // files
  Timeline timeline;
  // What of the recordings could not be read: "<file>: reason".
  std::vector<std::string> damage;
  std::vector<Profile> profiles;
  std::optional<HeapGrowth> growth;  // absent: fewer than two heaps
  std::vector<Log> logs;
};

struct StoryOptions {
  std::size_t top_rows = 10;
  std::size_t log_lines = 20;
};

// Reads the capsule at `path` once, whole, and checks it. What is wrong with a
// single file of it is part of the story. Errors: as
// evidence::ReadCapsuleFile.
Result<CapsuleStory> ReadCapsuleStory(const std::string& path,
                                      const StoryOptions& options = {});

// For people. Control characters are shown as `?`.
std::string CapsuleText(const CapsuleStory& story);
// One object on several lines: `meta` is meta.json as it is.
std::string CapsuleJson(const CapsuleStory& story);

}  // namespace fodc::ctl
