// SPDX-License-Identifier: Apache-2.0
#include "fodc/program/log_sink.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/base/unique_fd.h"

namespace fodc::program {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class LogSinkTest : public ::testing::Test {
 protected:
  std::string Text() { return *ReadFile(dir_.File("log")); }
  TempDirectory dir_;
  UniqueFd fd_{::open(dir_.File("log").c_str(),
                      O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600)};
};

TEST_F(LogSinkTest, WritesLogfmtLinesInTheirOrder) {
  {
    const ScopedLog log({.fd = fd_.get()});
    LogInfo("agent started", {{"addr", ":9090"}});
    LogWarn("second", {{"n", 2}});
    LogDebug("hidden");
  }
  EXPECT_THAT(Text(),
              MatchesRegex("time=[0-9-]+T[0-9:]+\\.[0-9]{3}Z level=info "
                           "msg=\"agent started\" addr=:9090\n"
                           "time=[0-9-]+T[0-9:]+\\.[0-9]{3}Z level=warn "
                           "msg=second n=2\n"));
  // The moment of the call.
  const auto time = ParseRfc3339(Text().substr(5, 24));
  ASSERT_THAT(time, IsOk());
  EXPECT_LT(SystemClock().Unix() - *time, std::chrono::minutes(1));
  EXPECT_GE(SystemClock().Unix(), *time);
}

TEST_F(LogSinkTest, WritesJsonAtTheLevelAskedFor) {
  {
    const ScopedLog log({.format = "json", .level = "error", .fd = fd_.get()});
    LogWarn("hidden");
    LogError("shown", {{"n", 2}});
  }
  EXPECT_THAT(Text(),
              MatchesRegex("\\{\"time\":\"[0-9T:.-]+Z\",\"level\":\"error\","
                           "\"msg\":\"shown\",\"n\":2\\}\n"));
}

TEST_F(LogSinkTest, DropsTheOldestWhenTheOutputIsStuckAndSaysSo) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  UniqueFd write_end(ends[1]);
  std::string text;
  std::jthread reader;
  {
    AsyncLogSink sink({.queue_lines = 16, .fd = write_end.get()});
    const std::string filler(8000, 'f');
    // More than the pipe and the queue hold: nobody reads yet.
    for (int i = 0; i < 200; ++i) {
      const LogField fields[] = {{"i", i}, {"filler", filler}};
      sink.Write(LogLevel::kInfo, "line", fields);
    }
    EXPECT_GT(sink.dropped(), 0u);
    reader = std::jthread([&] {
      char buffer[65536];
      ssize_t n = 0;
      while ((n = ::read(read_end.get(), buffer, sizeof buffer)) > 0) {
        text.append(buffer, static_cast<std::size_t>(n));
      }
    });
  }
  write_end.reset();
  reader.join();
  // Not with a matcher: it would print all of the text.
  EXPECT_NE(text.find("level=warn msg=\"log lines dropped\" lines="),
            std::string::npos);
  EXPECT_NE(text.find("i=199 "), std::string::npos);
}

TEST_F(LogSinkTest, LevelsAreNamed) {
  EXPECT_THAT(ParseLogLevel("WARN"), IsOkAndHolds(LogLevel::kWarn));
  EXPECT_THAT(ParseLogLevel("loud"),
              StatusIs(Code::kInvalidArgument, HasSubstr("\"loud\"")));
}

TEST_F(LogSinkTest, FlagsThatWereGivenAreOneLineWithoutSecrets) {
  Flags flags("p", "s", "1");
  LogOptions options;
  AddLogFlags(&flags, &options);
  std::string token = "hunter2";
  flags.String("token", &token, "secret").Secret();
  std::string url;
  flags.String("url", &url, "of a page").MaskUserInfo();
  EXPECT_THAT(flags.Parse({"--log-level=loud"}).error,
              HasSubstr("--log-level: \"loud\""));
  options.level = "info";
  ASSERT_TRUE(flags
                  .Parse({"--log-format=json", "--token=hunter3",
                          "--url=http://u:pw@h:1/m,https://h/n"})
                  .run);
  {
    options.fd = fd_.get();
    const ScopedLog log(options);
    LogEffectiveValues(flags);
  }
  EXPECT_THAT(Text(), EndsWith("\"level\":\"info\",\"msg\":\"flags given\","
                               "\"flags\":\"--log-format=json (flag) "
                               "--log-level=info (flag) --token=*** (flag) "
                               "--url=http://***@h:1/m,https://h/n (flag)"
                               "\"}\n"));
}

}  // namespace
}  // namespace fodc::program
