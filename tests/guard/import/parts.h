// SPDX-License-Identifier: Apache-2.0
// What the lines of docs/operation/guard.md take for granted.
#pragma once

#include <fodc/guard/isolation.h>
#include <fodc/guard/memwatch.h>
#include <fodc/guard/metrics.h>
#include <fodc/guard/soft_limit.h>
#include <fodc/wal/wal.h>

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "database.h"

namespace guard = fodc::guard;
using fodc::Status;

struct Cache {
  void SetCapacity(std::uint64_t bytes);
};

inline guard::Metrics* metrics = nullptr;
inline guard::Memwatch* watch = nullptr;
inline guard::SoftLimiter* limiter = nullptr;
inline guard::Isolation* isolation = nullptr;
inline Cache* cache = nullptr;
inline std::optional<std::string_view> flag;
inline std::optional<std::string_view> configured;
inline std::string_view user;

void Compact();
Status Answer(int status, std::string_view text);
Status Replay(const fodc::wal::Record& record);
void CatchUpFrom(std::uint64_t sequence);
