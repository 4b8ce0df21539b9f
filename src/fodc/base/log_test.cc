// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/log.h"

#include <gmock/gmock.h>

#include <vector>

namespace fodc {
namespace {

TEST(LogTest, LogfmtQuotesOnlyWhatNeedsIt) {
  const LogField fields[] = {
      {"addr", ":9090"}, {"count", 3}, {"path", "a b\"c\n"}, {"empty", ""}};
  EXPECT_EQ(FormatLogfmt(LogLevel::kInfo, "agent started", fields),
            "level=info msg=\"agent started\" addr=:9090 count=3 "
            "path=\"a b\\\"c\\n\" empty=\"\"");
}

TEST(LogTest, JsonKeepsNumbersAsNumbers) {
  const LogField fields[] = {
      {"n", 3}, {"ok", true}, {"s", "x\xff"}, {"r", 0.5}};
  EXPECT_EQ(FormatLogJson(LogLevel::kWarn, "m", fields),
            "{\"level\":\"warn\",\"msg\":\"m\",\"n\":3,\"ok\":true,"
            "\"s\":\"x\\ufffd\",\"r\":0.5}");
}

class Collect : public LogSink {
 public:
  explicit Collect(std::vector<std::string>* lines) : lines_(lines) {}
  void Write(LogLevel level, std::string_view message,
             std::span<const LogField> fields) override {
    lines_->push_back(FormatLogfmt(level, message, fields));
  }

 private:
  std::vector<std::string>* lines_;
};

TEST(LogTest, SinkGetsEventsAtOrAboveTheLevel) {
  std::vector<std::string> lines;
  auto old = SetLogSink(std::make_unique<Collect>(&lines));
  LogDebug("hidden");
  LogWarn("shown", {{"k", 1}});
  SetLogSink(std::move(old));
  EXPECT_THAT(lines, ::testing::ElementsAre("level=warn msg=shown k=1"));
}

}  // namespace
}  // namespace fodc
