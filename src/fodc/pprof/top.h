// SPDX-License-Identifier: Apache-2.0
// Which functions a profile's values are of, and how that differs between two
// profiles. Counted as `pprof -top` does:
// - flat: of samples whose innermost frame is the function, what is inlined
//   counting as a frame;
// - cum: of samples that have it anywhere, once for each sample, however deep
//   it recurses;
// - functions are told apart by name; what has no name is its file's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/pprof/profile.h"

namespace fodc::pprof {

struct TopOptions {
  // A type, or its place; without "inuse_" also where the profile leaves that
  // out. "": the profile's default, else the last.
  std::string sample_type;
  std::size_t max_rows = 0;  // 0: all
  bool by_cum = false;       // the order of rows; else by flat
  // Functions whose cum is less than this part of the sum are left out.
  double min_share = 0.005;
};

struct TopRow {
  enum class Inlined : std::uint8_t { kNo, kSomewhere, kEverywhere };

  std::string name;  // "[file]" if unknown, "<unknown>" if that is, too
  std::int64_t flat = 0;
  std::int64_t cum = 0;
  Inlined inlined = Inlined::kNo;
};

struct TopReport {
  std::string sample_type;
  std::string unit;  // "bytes", "count", "nanoseconds"
  // Of all samples, without signs: what shares are of. Of two profiles: of the
  // base, or, if that has nothing, of both.
  std::int64_t total = 0;
  std::vector<TopRow> rows;   // the largest first, whatever the sign
  std::size_t functions = 0;  // with a value: in rows, left out or dropped
  std::size_t dropped = 0;    // for a cum of less than dropped_below
  std::int64_t dropped_below = 0;
  std::vector<std::string> notes;  // what the reader of the numbers must know
};

// Errors: kInvalidArgument for a sample type that it does not have.
Result<TopReport> Top(const Profile& profile, const TopOptions& options);

// What `profile` has more than `base` (negative: less), as `pprof -diff_base`.
// Errors: kInvalidArgument also if the base does not have the sample type, or
// in another unit.
Result<TopReport> Diff(const Profile& base, const Profile& profile,
                       const TopOptions& options);

// Where in sample_types() the type of TopOptions is.
// Errors: kInvalidArgument, naming those that there are.
Result<std::size_t> SelectSampleType(const Profile& profile,
                                     std::string_view sample_type);

}  // namespace fodc::pprof
