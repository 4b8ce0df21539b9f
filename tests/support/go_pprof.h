// SPDX-License-Identifier: Apache-2.0
// Debian's `go tool pprof`, to which what we say of profiles is compared.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace fodc::test {

// Why it cannot be used; empty: it can.
std::string NoGoPprof();

// What it prints. A failure of the test if it fails.
std::string GoPprof(std::vector<std::string> arguments);

struct GoTable {
  std::string total;
  std::vector<std::string> rows;  // "<flat> <cum> <name>"
};
// Of `pprof -top -unit=...`, numbers without their unit.
GoTable ParseGoTop(std::string_view text);
// The unit in which pprof writes numbers as they are.
std::string GoUnitFlag(std::string_view unit);

// A raw profile, without the head, whose times are written in another way.
struct GoRawText {
  std::vector<std::string> types;  // "inuse_space/bytes"
  // By stack and labels. Go adds up those of the same, and leaves out what has
  // no stack.
  std::map<std::string, std::vector<std::int64_t>> samples;
  std::string places;
};
// Of `pprof -raw`, and of `fodcctl pprof raw`. A failure of the test if it
// cannot be read.
GoRawText ParseGoRaw(std::string_view raw);

}  // namespace fodc::test
