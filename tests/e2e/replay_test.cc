// SPDX-License-Identifier: Apache-2.0
// The real fodcctl replays a recording that a detector saw while it was made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/detect/scene_testing.h"
#include "fodc/recorder/recording_file.h"
#include "tests/support/paths.h"
#include "tests/support/process.h"

namespace fodc::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class ReplayTest : public testing::Test {
 protected:
  Output Replay(std::vector<std::string> flags) {
    flags.insert(flags.begin(), {ProgramPath("fodcctl"), "replay", file_});
    return RunToEnd(flags);
  }
  void Write(const detect::Scene& scene) {
    ASSERT_THAT(recorder::WriteRecordingFile(file_, scene.recording.Take(), {}),
                IsOk());
  }
  TempDirectory dir_;
  const std::string file_ = dir_.File("x.fdr");
};

TEST_F(ReplayTest, TheSameIncidentsAsLive) {
  detect::Scene live;
  live.Learn();
  live.db.Cold();
  live.db.kernel.rates["ktm_fadvise_dontneed_total"] = 3;
  live.Run(12);
  live.db.Calm();
  live.Run(8);
  Write(live);
  const Output replay = Replay({"--json"});
  EXPECT_EQ(replay.exit_code, 0) << replay.err;
  std::size_t i = 0;
  for (const std::string_view line : Split(replay.out, '\n')) {
    if (line.find("\"id\":") == std::string_view::npos) continue;
    ASSERT_LT(i, live.told.size());
    const json told = json::parse(line);
    EXPECT_EQ(told["id"], live.told[i].id);
    EXPECT_EQ(told["revision"], live.told[i].revision);
    EXPECT_EQ(told["verdict"], live.told[i].verdict);
    EXPECT_EQ(told["summary"], live.told[i].summary);
    ++i;
  }
  EXPECT_EQ(i, live.told.size());
  EXPECT_EQ(live.told.front().cause, "policy");
}

TEST_F(ReplayTest, WrongFlagsEndItWithTwo) {
  Output o = Replay({"--signal", "speed=a"});
  EXPECT_EQ(o.exit_code, 2);
  EXPECT_THAT(o.err, HasSubstr("--signal: 'speed' in 'speed=a' is not a signa"
                               "l"));
  o = Replay({"--detect-bound", "factor=0"});
  EXPECT_EQ(o.exit_code, 2);
  EXPECT_THAT(o.err,
              HasSubstr("--detect-bound: factor=0 is not between 1.1 and"));
}

TEST_F(ReplayTest, SignalsAndBoundsComeFromTheCommandLine) {
  detect::Scene live;
  live.db.page.rates["misses{kind=\"data\"}"] = 1;
  live.db.page.rates["misses{kind=\"index\"}"] = 1;
  live.Learn();
  live.db.Cold();
  live.db.page.rates["misses{kind=\"data\"}"] = 500;
  live.Run(3);
  Write(live);
  const Output o = Replay({"--signal",
                           "block_cache_misses=misses{kind=\"data\"},"
                           "misses{kind=~\"i.*,?\"}",
                           "--detect-bound", "start-windows=2,factor=4"});
  EXPECT_EQ(o.exit_code, 0) << o.err;
  EXPECT_THAT(o.out, HasSubstr("start W6 read-latency-77-"));
  EXPECT_THAT(o.out, HasSubstr("block_cache_misses_per_second 501 (usually 2"));
}

}  // namespace
}  // namespace fodc::test
