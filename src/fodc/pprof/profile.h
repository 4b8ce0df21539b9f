// SPDX-License-Identifier: Apache-2.0
// A profile in memory: the bytes of its message, checked whole, and where in
// them things are. Samples stay as they are and are decoded when asked for, so
// a profile takes little more than its message.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/pprof/wire.h"

namespace fodc::pprof {

// Ids of one kind of thing, and where each stands. Ids that are dense, as
// everybody's are, take four bytes each.
class IdIndex {
 public:
  // Errors: kDataLoss for an id that is 0 or given twice; `kind` names it.
  template <typename Things>
  Status Build(std::string_view kind, const Things& things);
  std::optional<std::uint32_t> Find(std::uint64_t id) const;

 private:
  struct Entry {
    std::uint64_t id;
    std::uint32_t place;
  };
  Status BuildSparse(std::string_view kind);

  std::vector<std::uint32_t> dense_;
  std::vector<Entry> sparse_;  // in order of id; only without dense_
};

// Thread-compatible. Texts are indexes of the table of strings, things that
// refer to things are indexes of these vectors: all of them are there.
class Profile {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  struct ValueType {
    std::uint32_t type = 0;
    std::uint32_t unit = 0;
  };
  struct Mapping {
    std::uint64_t id = 0;
    std::uint64_t start = 0;
    std::uint64_t limit = 0;
    std::uint64_t file_offset = 0;
    std::uint32_t path = 0;
    std::uint32_t build_id = 0;
    bool has_functions = false;
    bool has_filenames = false;
    bool has_line_numbers = false;
    bool has_inline_frames = false;
  };
  struct Line {
    std::uint32_t function = 0;
    std::int64_t line = 0;
  };
  struct Location {
    std::uint64_t id = 0;
    std::uint64_t address = 0;
    std::uint32_t mapping = kNone;
    std::uint32_t first_line = 0;
    std::uint32_t line_count = 0;
    bool is_folded = false;
  };
  struct Function {
    std::uint64_t id = 0;
    std::uint32_t name = 0;
    std::uint32_t system_name = 0;
    std::uint32_t path = 0;
    std::int64_t start_line = 0;
  };

  // Valid as long as the profile.
  std::string_view Text(std::uint32_t string) const {
    return At(strings_[string]);
  }
  std::size_t string_count() const { return strings_.size(); }
  const std::vector<ValueType>& sample_types() const { return sample_types_; }
  const std::vector<Mapping>& mappings() const { return mappings_; }
  const std::vector<Location>& locations() const { return locations_; }
  const std::vector<Function>& functions() const { return functions_; }
  const std::vector<std::uint32_t>& comments() const { return comments_; }
  std::size_t sample_count() const { return samples_.size(); }
  // Innermost of what is inlined first.
  std::span<const Line> Lines(const Location& l) const {
    return std::span(lines_).subspan(l.first_line, l.line_count);
  }
  std::int64_t time_ns() const { return time_ns_; }  // since the Unix epoch
  std::int64_t duration_ns() const { return duration_ns_; }
  ValueType period_type() const { return period_type_; }
  std::int64_t period() const { return period_; }
  std::string_view default_sample_type() const {
    return Text(default_sample_type_);
  }
  std::string_view drop_frames() const { return Text(drop_frames_); }
  std::string_view keep_frames() const { return Text(keep_frames_); }

  // The place of a type in sample_types().
  std::optional<std::size_t> FindSampleType(std::string_view type) const;

 private:
  friend class ProfileIndexer;
  friend class SampleReader;
  struct Piece {
    std::uint32_t offset = 0;
    std::uint32_t size = 0;
  };
  std::string_view At(Piece piece) const {
    return std::string_view(message_).substr(piece.offset, piece.size);
  }

  std::string message_;
  std::vector<Piece> strings_;
  std::vector<Piece> samples_;
  std::vector<ValueType> sample_types_;
  std::vector<Mapping> mappings_;
  std::vector<Location> locations_;
  std::vector<Line> lines_;
  std::vector<Function> functions_;
  std::vector<std::uint32_t> comments_;
  IdIndex location_ids_;
  std::int64_t time_ns_ = 0;
  std::int64_t duration_ns_ = 0;
  ValueType period_type_;
  std::int64_t period_ = 0;
  std::uint32_t default_sample_type_ = 0;
  std::uint32_t drop_frames_ = 0;
  std::uint32_t keep_frames_ = 0;
};

// Decodes samples of a profile, which must outlive it. What is given is valid
// until the next call of the same function. Not thread-safe: each thread its
// own.
class SampleReader {
 public:
  struct Sample {
    std::span<const std::uint32_t> locations;  // innermost first
    std::span<const std::int64_t> values;      // one for each of sample_types()
  };
  struct Label {
    std::uint32_t key = 0;
    std::uint32_t text = 0;  // "": `number`
    std::int64_t number = 0;
    std::uint32_t unit = 0;
  };

  explicit SampleReader(const Profile& profile) : profile_(profile) {}
  Sample Read(std::size_t sample);
  std::span<const Label> ReadLabels(std::size_t sample);

 private:
  const Profile& profile_;
  std::vector<std::uint32_t> locations_;
  std::vector<std::int64_t> values_;
  std::vector<Label> labels_;
};

struct ProfileLimits {
  std::size_t bytes = 64u << 20;  // of the message, once decompressed
  std::size_t items = 1u << 20;   // samples, locations, functions, strings, ...
  std::size_t frames = 1u << 20;  // of one sample, as its values and labels
};

// A profile: profile.proto, gzipped or not, or one of the texts that
// text_profile.h reads.
// Errors: kDataLoss if the bytes are no profile: cut, an id or index that
// refers to nothing or is given twice, a sample with another number of values
// than there are types; kResourceExhausted beyond a limit, which it names.
Result<Profile> ReadProfile(std::string bytes,
                            const ProfileLimits& limits = {});

template <typename Things>
Status IdIndex::Build(std::string_view kind, const Things& things) {
  std::uint64_t last = 0;
  for (const auto& thing : things) last = std::max(last, thing.id);
  const bool is_dense = last < 2 * things.size() + 64;
  if (is_dense) dense_.assign(last + 1, Profile::kNone);
  std::uint32_t place = 0;
  for (const auto& thing : things) {
    if (is_dense && thing.id != 0 && dense_[thing.id] == Profile::kNone) {
      dense_[thing.id] = place;
    } else {
      sparse_.push_back({thing.id, place});
    }
    ++place;
  }
  return BuildSparse(kind);
}

}  // namespace fodc::pprof
