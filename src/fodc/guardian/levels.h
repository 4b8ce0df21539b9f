// SPDX-License-Identifier: Apache-2.0
// The lines that a target's memory is compared with: capture, term and kill.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::guardian {

// A line: off, a share of the limit, or bytes.
class Level {
 public:
  static constexpr std::uint64_t kMinBytes = 1u << 20;

  Level() = default;  // off
  static Level Percent(double percent);
  static Level Bytes(std::uint64_t bytes);
  // "90%", "12.5%", "480MiB", "off" (or empty).
  // Errors: kInvalidArgument naming the text and what is allowed: a share from
  // 1 to 100, bytes from 1 MiB on (a "90" that was meant as a share would stop
  // every target).
  static Result<Level> Parse(std::string_view text);

  bool is_off() const { return percent_ == 0 && bytes_ == 0; }
  // As Parse reads it.
  std::string ToString() const;
  // The line in bytes; 0 if it is off.
  std::uint64_t At(std::uint64_t limit_bytes) const;

  // Of two that are on: whether this one lies below, if that can be told
  // without the limit.
  std::optional<bool> IsBelow(const Level& other) const;
  double percent() const { return percent_; }  // 0 if it is no share

 private:
  double percent_ = 0;
  std::uint64_t bytes_ = 0;
};

// In bytes, of one limit; 0 is off.
struct Lines {
  std::uint64_t capture = 0;
  std::uint64_t term = 0;
  std::uint64_t kill = 0;

  // The next line above `bytes`; the limit beyond all of them.
  std::uint64_t Above(std::uint64_t bytes, std::uint64_t limit_bytes) const;

  bool operator==(const Lines&) const = default;
};

struct Levels {
  Level capture = Level::Percent(75);
  Level term = Level::Percent(90);
  Level kill = {};

  // What can be told without a limit: those that are on rise strictly, and
  // there is no kill without a term.
  // Errors: kInvalidArgument naming both flags and their values.
  Status Check() const;
  // Errors: the same, where bytes and shares meet at this limit.
  Result<Lines> At(std::uint64_t limit_bytes) const;
  // What does not fit into the order of the defences (docs/operation/
  // guardian.md): a sentence, or empty.
  std::string Misfit() const;
};

}  // namespace fodc::guardian
