// SPDX-License-Identifier: Apache-2.0
#include "record_buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>
#include <string>

namespace fodc::guard {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

class RecordBufferTest : public ::testing::Test {
 protected:
  std::array<char, 4096> memory_{};
  RecordBuffer out_{memory_.data(), memory_.size()};
};

TEST_F(RecordBufferTest, KeysAndElementsGetTheirCommas) {
  out_.Append("{");
  out_.Key("a");
  out_.AppendUint(18446744073709551615u);
  out_.Key("b");
  out_.Append("[");
  for (const char* s : {"x", "y"}) {
    out_.Next();
    out_.AppendString(s);
  }
  out_.Append("]}");
  EXPECT_EQ(out_.text(), R"({"a":18446744073709551615,"b":["x","y"]})");
}

TEST_F(RecordBufferTest, AllBytesMakeAStringOfJson) {
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  bytes += "\xc3\xa9\xe2\x80\xa8";
  out_.AppendString(bytes);
  const auto parsed = nlohmann::json::parse(out_.text());
  const auto text = parsed.get<std::string>();
  EXPECT_EQ(text.substr(0, 0x80), bytes.substr(0, 0x80));
  EXPECT_TRUE(text.ends_with("\xef\xbf\xbd\xc3\xa9\xe2\x80\xa8"));
}

TEST_F(RecordBufferTest, PiecesOfAStringAreEscaped) {
  out_.BeginString();
  out_.Append("thread \"a\"\n");
  out_.AppendHex(0xbeef);
  out_.EndString();
  EXPECT_EQ(out_.text(), R"("thread \"a\"\n0xbeef")");
}

TEST_F(RecordBufferTest, WhatDoesNotFitIsNotedAndCanBeTakenBack) {
  RecordBuffer small(memory_.data(), 8);
  small.Append("1234");
  small.BeginString();
  small.Append("123");
  EXPECT_FALSE(small.is_full());
  small.EndString();
  EXPECT_TRUE(small.is_full());
  small.Append("");
  EXPECT_EQ(small.text(), "1234\"123");
  small.Truncate(4);
  small.Append("\"\"\"\"");
  EXPECT_FALSE(small.is_full());
  EXPECT_EQ(small.text(), "1234\"\"\"\"");
}

TEST_F(RecordBufferTest, TimesHaveAllTheirDigits) {
  const UnixTime t = FromUnixMillis(1763710273857) + 207ns;
  out_.AppendTime(t);
  EXPECT_EQ(out_.text(), "\"" + FormatRfc3339(t, 9) + "\"");
  out_.Truncate(0);
  out_.AppendStamp(t);
  EXPECT_EQ(out_.text(), "20251121T073113.857000207Z");
}

}  // namespace
}  // namespace fodc::guard
