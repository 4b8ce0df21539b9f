// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/heavy_commands.h"

#include <algorithm>
#include <array>

#include "edge.h"
#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

constexpr std::size_t kRead = 0;
constexpr std::size_t kScan = 1;

// What costs more the more a key, or the key space, holds.
constexpr auto kRedis = std::to_array<HeavyCommand>({
    // Walks of the key space.
    {"DBSIZE", kScan},
    {"FLUSHALL", kScan},
    {"FLUSHDB", kScan},
    {"KEYS", kScan},
    {"SCAN", kScan},
    // Whole collections.
    {"HGETALL", kRead},
    {"HKEYS", kRead},
    {"HSCAN", kRead},
    {"HVALS", kRead},
    {"SDIFF", kRead},
    {"SDIFFSTORE", kRead},
    {"SINTER", kRead},
    {"SINTERSTORE", kRead},
    {"SMEMBERS", kRead},
    {"SORT", kRead},
    {"SSCAN", kRead},
    {"SUNION", kRead},
    {"SUNIONSTORE", kRead},
    {"ZINTERSTORE", kRead},
    {"ZSCAN", kRead},
    {"ZUNIONSTORE", kRead},
    // Ranges: read and removed.
    {"LRANGE", kRead},
    {"LTRIM", kRead},
    {"XRANGE", kRead},
    {"XREAD", kRead},
    {"XREADGROUP", kRead},
    {"XREVRANGE", kRead},
    {"XTRIM", kRead},
    {"ZRANGE", kRead},
    {"ZRANGEBYLEX", kRead},
    {"ZRANGEBYSCORE", kRead},
    {"ZREMRANGEBYLEX", kRead},
    {"ZREMRANGEBYRANK", kRead},
    {"ZREMRANGEBYSCORE", kRead},
    {"ZREVRANGE", kRead},
    {"ZREVRANGEBYSCORE", kRead},
    // Scripts: they may call any of these.
    {"EVAL", kRead},
    {"EVALSHA", kRead},
    {"FCALL", kRead},
    // Counts that walk what they count.
    {"BITCOUNT", kRead},
    {"PFCOUNT", kRead},
    {"ZCOUNT", kRead},
    {"ZLEXCOUNT", kRead},
});

bool IsBefore(const HeavyCommand& a, const HeavyCommand& b) {
  return a.name < b.name;
}

}  // namespace

std::span<const HeavyCommand> RedisHeavyCommands() noexcept { return kRedis; }

Result<HeavyCommands> HeavyCommands::Create(
    std::span<const HeavyCommand> table) noexcept {
  return AtEdge([&]() -> Result<HeavyCommands> {
    std::vector<HeavyCommand> sorted(table.begin(), table.end());
    std::sort(sorted.begin(), sorted.end(), IsBefore);
    for (std::size_t i = 0; i < sorted.size(); ++i) {
      if (sorted[i].name.empty()) {
        return InvalidArgument("a heavy command has no name");
      }
      if (i > 0 && sorted[i].name == sorted[i - 1].name) {
        return InvalidArgument(
            StrCat("heavy command \"", sorted[i].name, "\" is there twice"));
      }
    }
    return HeavyCommands(std::move(sorted));
  });
}

std::optional<std::size_t> HeavyCommands::Find(
    std::string_view name) const noexcept {
  const auto found = std::lower_bound(sorted_.begin(), sorted_.end(),
                                      HeavyCommand{name, 0}, IsBefore);
  if (found == sorted_.end() || found->name != name) return std::nullopt;
  return found->class_index;
}

std::optional<std::size_t> HeavyCommands::FindAny(
    std::span<const std::string_view> names) const noexcept {
  std::optional<std::size_t> heaviest;
  for (const std::string_view name : names) {
    const std::optional<std::size_t> found = Find(name);
    if (found && (!heaviest || *found > *heaviest)) heaviest = found;
  }
  return heaviest;
}

}  // namespace fodc::guard
