// SPDX-License-Identifier: Apache-2.0
// The file `life`, which tells the next life of this one: who began, sealed;
// and, once it ends in good order, one line that is put behind.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/guard/exit_cause.h"

namespace fodc::guard {

struct LifeBegin {
  std::int64_t unix_ms = 0;
  std::string boot_id;
  std::string group;            // of memory; empty if none is visible
  std::uint64_t oom_kills = 0;  // that the group had counted
  int pressure_streak = 0;
};

struct LifeRecord {
  LifeBegin begin;
  std::optional<LastExit> end;  // none: it ended without a word
};

std::string FormatLifeBegin(const LifeBegin& begin);
// Errors: kDataLoss. An end that is cut off or not understood is none.
Result<LifeRecord> ParseLife(std::string_view text);

// Both are async-signal-safe, and never fill more than kMaxEndBytes.
inline constexpr std::size_t kMaxEndBytes = 512;
std::size_t FormatLifeEnd(const LastExit& end,
                          std::span<char, kMaxEndBytes> out) noexcept;
std::size_t FormatLastExitJson(const LastExit& end, std::int64_t pid,
                               std::span<char, kMaxEndBytes> out) noexcept;

}  // namespace fodc::guard
