// SPDX-License-Identifier: Apache-2.0
// 7.1, rule 2: classification by name, static, in one place.
#include "fodc/guard/heavy_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "fodc/base/status_matchers.h"

namespace fodc::guard {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

constexpr HeavyCommand kTable[] = {{"SCAN", 1}, {"XREAD", 0}, {"EVAL", 0}};

TEST(HeavyCommandsTest, FindsByNameAsTheCallerNormalisedIt) {
  const auto commands = HeavyCommands::Create(kTable);
  ASSERT_THAT(commands, IsOk());
  EXPECT_THAT(commands->Find("SCAN"), Optional(1u));
  EXPECT_THAT(commands->Find("XREAD"), Optional(0u));
  for (const char* light : {"GET", "SET", "", "SCA", "SCANN", "scan"}) {
    EXPECT_EQ(commands->Find(light), std::nullopt) << light;
  }
}

TEST(HeavyCommandsTest, ATransactionIsHeavyIfAnyQueuedCommandIs) {
  const auto commands = HeavyCommands::Create(kTable);
  ASSERT_THAT(commands, IsOk());
  const std::string_view light[] = {"GET", "SET"};
  EXPECT_EQ(commands->FindAny(light), std::nullopt);
  const std::string_view read[] = {"GET", "XREAD", "SET"};
  EXPECT_THAT(commands->FindAny(read), Optional(0u));
  const std::string_view both[] = {"SCAN", "XREAD"};
  EXPECT_THAT(commands->FindAny(both), Optional(1u));
  EXPECT_EQ(commands->FindAny({}), std::nullopt);
}

TEST(HeavyCommandsTest, RefusesATableThatSaysTwoThings) {
  constexpr HeavyCommand kTwice[] = {{"A", 0}, {"B", 0}, {"A", 1}};
  EXPECT_THAT(HeavyCommands::Create(kTwice),
              StatusIs(Code::kInvalidArgument, HasSubstr("\"A\"")));
  constexpr HeavyCommand kNameless[] = {{"", 0}};
  EXPECT_THAT(HeavyCommands::Create(kNameless),
              StatusIs(Code::kInvalidArgument, HasSubstr("no name")));
}

TEST(HeavyCommandsTest, TheRedisTableHoldsWhatItSays) {
  const auto commands = HeavyCommands::Create(RedisHeavyCommands());
  ASSERT_THAT(commands, IsOk());
  for (const char* heavy : {"KEYS", "SCAN", "HGETALL", "SMEMBERS", "LRANGE",
                            "XREAD", "ZREMRANGEBYSCORE", "EVAL", "ZCOUNT"}) {
    EXPECT_NE(commands->Find(heavy), std::nullopt) << heavy;
  }
  for (const char* light : {"GET", "SET", "DEL", "INCR", "HGET", "HSET",
                            "LPUSH", "XADD", "ZADD", "PING"}) {
    EXPECT_EQ(commands->Find(light), std::nullopt) << light;
  }
  for (const HeavyCommand& c : RedisHeavyCommands()) {
    EXPECT_TRUE(std::all_of(c.name.begin(), c.name.end(), [](char ch) {
      return ch >= 'A' && ch <= 'Z';
    })) << c.name;
    EXPECT_LT(c.class_index, 2u);
  }
}

}  // namespace
}  // namespace fodc::guard
