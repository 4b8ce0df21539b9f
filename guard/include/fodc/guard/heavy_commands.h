// SPDX-License-Identifier: Apache-2.0
// Which commands are heavy: by name, in one table that people can review.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::guard {

struct HeavyCommand {
  std::string_view name;        // upper or lower case, as the host asks
  std::size_t class_index = 0;  // of SlotOptions::classes
};

// Scans, whole-collection reads, range reads and removals, scripts and counts
// of the Redis protocol, in upper case: class 0 answers somebody who waits,
// class 1 walks all keys. Commands of a single key are not in it.
std::span<const HeavyCommand> RedisHeavyCommands() noexcept;

// Thread-safe.
class HeavyCommands {
 public:
  // The names must live as long as the object: a table of constants.
  // Errors: kInvalidArgument for an empty name, or one that is there twice.
  static Result<HeavyCommands> Create(
      std::span<const HeavyCommand> table) noexcept;

  // The class of a heavy command; nothing for a light one. The caller has
  // brought the name into the table's case.
  std::optional<std::size_t> Find(std::string_view name) const noexcept;
  // Of a transaction: heavy if any queued command is; the class that comes
  // last in the options, so that who walks all keys does not pass for a reader.
  std::optional<std::size_t> FindAny(
      std::span<const std::string_view> names) const noexcept;

 private:
  explicit HeavyCommands(std::vector<HeavyCommand> sorted)
      : sorted_(std::move(sorted)) {}
  std::vector<HeavyCommand> sorted_;
};

}  // namespace fodc::guard
