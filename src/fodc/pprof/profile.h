// SPDX-License-Identifier: Apache-2.0
// A profile in memory, as profile.proto has it but with indexes instead of ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::pprof {

struct Profile {
  struct ValueType {
    std::string type;
    std::string unit;
  };
  struct Label {
    std::string key;
    std::string text;
    std::int64_t number = 0;
    std::string unit;
  };
  struct Sample {
    std::vector<std::size_t> locations;  // innermost first
    std::vector<std::int64_t> values;    // one for each of sample_types
    std::vector<Label> labels;
  };
  struct Mapping {
    std::uint64_t start = 0;
    std::uint64_t limit = 0;
    std::uint64_t file_offset = 0;
    std::string path;
    std::string build_id;
  };
  struct Line {
    std::size_t function = 0;
    std::int64_t line = 0;
  };
  struct Location {
    std::optional<std::size_t> mapping;
    std::uint64_t address = 0;
    std::vector<Line> lines;  // innermost of what is inlined first
  };
  struct Function {
    std::string name;
    std::string system_name;
    std::string path;
    std::int64_t start_line = 0;
  };

  std::vector<ValueType> sample_types;
  std::vector<Sample> samples;
  std::vector<Mapping> mappings;
  std::vector<Location> locations;
  std::vector<Function> functions;
  std::int64_t time_ns = 0;  // since the Unix epoch
  std::int64_t duration_ns = 0;
  ValueType period_type;
  std::int64_t period = 0;
  std::vector<std::string> comments;
  std::string default_sample_type;

  // The place of a type in sample_types.
  std::optional<std::size_t> FindSampleType(std::string_view type) const;
};

struct ProfileLimits {
  std::size_t bytes = 64u << 20;       // of the message, once decompressed
  std::size_t items = 1u << 20;        // samples, locations, functions, strings
  std::size_t frames = 16u << 20;      // of all samples together
  std::size_t text_bytes = 64u << 20;  // of all strings, as often as they occur
};

// A profile, gzipped or not.
// Errors: kDataLoss if the bytes are no profile: cut, an id or index that
// refers to nothing or is given twice, a sample with another number of values
// than there are types; kResourceExhausted beyond a limit.
Result<Profile> ReadProfile(std::string_view bytes,
                            const ProfileLimits& limits = {});

}  // namespace fodc::pprof
