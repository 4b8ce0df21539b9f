// SPDX-License-Identifier: Apache-2.0
#include "fodc/ctl/pprof_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/ctl/top_text.h"
#include "fodc/pprof/profile_testing.h"

namespace fodc::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class PprofCommandTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& name, const pprof::ProfileText& text) {
    const std::string path = dir_.File(name);
    EXPECT_THAT(WriteFileAtomically(path, pprof::ProfileMaker().Make(text)),
                IsOk());
    return path;
  }
  std::string Run(const PprofCommand& command) {
    StringOutput out;
    EXPECT_THAT(RunPprof(command, &out), IsOk());
    return out.text;
  }

  TempDirectory dir_;
  pprof::ProfileText first_ = {
      {{{"grow", "main"}, 3 << 20}, {{"keep<main"}, 1 << 20}, {{"dust"}, 10}},
      "space",
      "bytes",
      "",
      ""};
};

TEST_F(PprofCommandTest, ShowsTheTop) {
  PprofCommand command;
  command.path = Write("a", first_);
  EXPECT_EQ(Run(command),
            "space: 4.0 MiB in all; 4 functions, 1 of them below 20.5 KiB and "
            "not shown\n"
            "   FLAT   FLAT%     SUM%      CUM     CUM%  FUNCTION\n"
            "3.0 MiB  75.00%   75.00%  3.0 MiB   75.00%  grow\n"
            "1.0 MiB  25.00%  100.00%  1.0 MiB   25.00%  keep (inlined)\n"
            "    0 B   0.00%  100.00%  4.0 MiB  100.00%  main\n");
  command.all = true;
  command.by_cum = true;
  command.count = 1;
  EXPECT_EQ(Run(command),
            "space: 4.0 MiB in all; 4 functions, 3 more not shown\n"
            "FLAT  FLAT%   SUM%      CUM     CUM%  FUNCTION\n"
            " 0 B  0.00%  0.00%  4.0 MiB  100.00%  main\n");
}

TEST_F(PprofCommandTest, ShowsWhatIsMoreOrLess) {
  PprofCommand command;
  command.action = PprofCommand::Action::kDiff;
  command.base = Write("a", first_);
  first_.samples[0].value = 5 << 20;
  first_.samples[1].value = 0;
  command.path = Write("b", first_);
  const std::string text = Run(command);
  EXPECT_THAT(text, HasSubstr("+2.0 MiB   50.00%  50.00%  +2.0 MiB   50.00%  "
                              "grow\n"));
  EXPECT_THAT(text, HasSubstr("-1.0 MiB  -25.00%"));
}

TEST_F(PprofCommandTest, GivesProgramsAllNumbers) {
  PprofCommand command;
  command.path = Write("a", first_);
  command.json = true;
  const auto json = nlohmann::json::parse(Run(command));
  EXPECT_EQ(json["sample_type"], "space");
  EXPECT_EQ(json["unit"], "bytes");
  EXPECT_EQ(json["total"], (4 << 20) + 10);
  EXPECT_EQ(json["functions"], 4);
  EXPECT_EQ(json["dropped"], 1);
  EXPECT_EQ(json["rows"][1]["function"], "keep");
  EXPECT_EQ(json["rows"][1]["flat"], 1 << 20);
  EXPECT_EQ(json["rows"][2]["cum"], 4 << 20);
  EXPECT_EQ(json["rows"][1]["inlined"], "everywhere");
  EXPECT_TRUE(json["notes"].empty());
}

TEST_F(PprofCommandTest, WritesAllAsText) {
  PprofCommand command;
  command.action = PprofCommand::Action::kRaw;
  command.path = Write("a", first_);
  EXPECT_THAT(Run(command), HasSubstr("space/bytes\n    3145728: 1 2 \n"));
}

TEST_F(PprofCommandTest, NamesTheFileThatIsBad) {
  PprofCommand command;
  StringOutput out;
  command.path = dir_.File("none");
  EXPECT_THAT(RunPprof(command, &out),
              StatusIs(Code::kNotFound, HasSubstr("none")));
  command.path = dir_.File("bad");
  ASSERT_THAT(WriteFileAtomically(command.path, "<html>"), IsOk());
  EXPECT_THAT(RunPprof(command, &out),
              StatusIs(Code::kDataLoss, HasSubstr("bad: ")));
  command.base = command.path;
  command.path = Write("a", first_);
  command.action = PprofCommand::Action::kDiff;
  EXPECT_THAT(RunPprof(command, &out),
              StatusIs(Code::kDataLoss, HasSubstr("bad: ")));
}

TEST_F(PprofCommandTest, ObeysNoName) {
  first_.samples[0].stack = {"a\x1b[31m"};
  PprofCommand command;
  command.path = Write("a", first_);
  EXPECT_THAT(Run(command), Not(HasSubstr("\x1b")));
  command.json = true;
  EXPECT_THAT(Run(command), Not(HasSubstr("\x1b")));
}

TEST(TopTextTest, ShowsTimesAndCounts) {
  pprof::TopReport report;
  report.unit = "nanoseconds";
  report.total = 2'000'000'000;
  report.rows = {{.name = "f", .flat = 1'500'000'000, .cum = 20'500'000}};
  report.functions = 1;
  report.notes = {"careful"};
  const std::string text = TopText(report, false);
  EXPECT_THAT(text, HasSubstr("1.50s"));
  EXPECT_THAT(text, HasSubstr("20.50ms"));
  EXPECT_THAT(text, HasSubstr("note: careful\n"));
  report.unit = "count";
  EXPECT_THAT(TopText(report, true), HasSubstr("+1500000000 "));
}

}  // namespace
}  // namespace fodc::ctl
