// SPDX-License-Identifier: Apache-2.0
// fodcctl replay on files that a made-up agent recorded.
#include "fodc/ctl/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/ctl/page_import.h"
#include "fodc/detect/scene_testing.h"
#include "fodc/detect/signal_reader.h"
#include "fodc/recorder/log_reader.h"
#include "fodc/recorder/recording_file.h"
#include "tests/support/paths.h"

namespace fodc::ctl {
namespace {

using detect::Scene;
using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class ReplayTest : public testing::Test {
 protected:
  std::string File() { return dir_.File("x.fdr"); }
  void Write(const Scene& scene) {
    ASSERT_THAT(
        recorder::WriteRecordingFile(File(), scene.recording.Take(), {}),
        IsOk());
  }
  std::string Run(ReplayCommand command = {}) {
    command.path = File();
    StringOutput out;
    StringOutput errors;
    bool is_damaged = false;
    EXPECT_THAT(RunReplay(command, &out, &errors, &is_damaged), IsOk());
    EXPECT_FALSE(is_damaged);
    errors_ = errors.text;
    return out.text;
  }
  std::vector<json> RunJson(ReplayCommand command = {}) {
    command.json = true;
    const std::string text = Run(command);
    std::vector<json> lines;
    for (const std::string_view line : Split(text, '\n'))
      if (!line.empty()) lines.push_back(json::parse(line));
    return lines;
  }

  TempDirectory dir_;
  std::string errors_;
};

TEST_F(ReplayTest, SaysWhatTheLiveDetectorSaid) {
  Scene live;
  live.Learn();
  live.db.Cold();
  live.Run(10);
  live.db.Calm();
  live.Run(10);
  live.db.Cold();
  live.Run(4);
  Write(live);
  std::vector<json> told;
  for (const json& line : RunJson())
    if (line.contains("id")) told.push_back(line);
  ASSERT_EQ(told.size(), live.told.size());
  ASSERT_THAT(told, SizeIs(5));  // start, two updates, end; start
  for (std::size_t i = 0; i < told.size(); ++i) {
    const evidence::Incident& want = live.told[i];
    EXPECT_EQ(told[i]["id"], want.id);
    EXPECT_EQ(told[i]["revision"], want.revision);
    EXPECT_EQ(told[i]["verdict"], want.verdict);
    EXPECT_EQ(told[i]["cause"], want.cause);
    EXPECT_EQ(told[i]["target"], "db");
    EXPECT_EQ(told[i]["summary"], want.summary);
    EXPECT_EQ(told[i]["advice"], want.advice);
    EXPECT_EQ(told[i]["missing_signals"], want.missing_signals);
    EXPECT_EQ(told[i]["time"],
              FormatRfc3339(FromUnixMillis(want.updated_ms), 3));
    EXPECT_EQ(told[i]["started_at"],
              FormatRfc3339(FromUnixMillis(want.started_ms), 3));
    EXPECT_EQ(told[i]["updated_at"], told[i]["time"]);
    EXPECT_EQ(told[i]["state"], want.is_open() ? "open" : "ended");
    EXPECT_EQ(told[i]["ended_at"].is_null(), want.is_open());
    json numbers = json::array();
    for (const auto& n : want.numbers)
      numbers.push_back({{"name", n.name}, {"value", n.value}});
    EXPECT_EQ(told[i]["numbers"], numbers);
  }
  EXPECT_EQ(told[0]["event"], "start");
  EXPECT_EQ(told[1]["event"], "update");
  EXPECT_EQ(told[3]["event"], "end");
  EXPECT_EQ(RunJson().back()["event"], "end_of_life");
  EXPECT_EQ(RunJson().back()["open"], told[4]["id"]);
  EXPECT_EQ(errors_, "");
}

TEST_F(ReplayTest, IsReadByPeople) {
  Scene live;
  live.Learn();
  live.db.kernel.rates["ktm_cache_added_pages_total"] = 5000;
  live.Run(3);
  live.db.Cold();
  live.Run(3);
  live.db.Calm();
  live.Run(6);
  Write(live);
  const std::string text = Run();
  EXPECT_THAT(text, HasSubstr("2023-11-14T22:18:30.000Z db: W1\n  Churn of "
                              "the page cache"));
  // Reads have become slow: nothing is calm.
  EXPECT_THAT(text, HasSubstr("2023-11-14T22:19:00.000Z db: W1 is over\n"));
  EXPECT_THAT(text, Not(HasSubstr("calm again")));
  EXPECT_THAT(text, HasSubstr("2023-11-14T22:19:20.000Z db: start W4 cold_data "
                              "read-latency-77-"));
  EXPECT_THAT(text, HasSubstr("\n  File reads are slow (p99 "));
  EXPECT_THAT(text, HasSubstr("\n  advice: More memory"));
  EXPECT_THAT(text, HasSubstr("\n  began 2023-11-14T22:18:50.000Z\n"));
  EXPECT_THAT(text, HasSubstr("\n  missing: block_cache_misses "));
  EXPECT_THAT(
      text, HasSubstr("\n    cache_adds_pages_per_second 2000 (usually 10)\n"));
  EXPECT_THAT(text,
              HasSubstr("\n    anonymous_memory_bytes 419400000 (usually "));
  EXPECT_THAT(text, Not(HasSubstr(" 0 (usually 0)")));
  EXPECT_THAT(text, HasSubstr("2023-11-14T22:20:20.000Z db: end W4 "));
  EXPECT_THAT(text, HasSubstr("db: the recording of this life of the agent "
                              "ends: calm, 41 windows"));
}

TEST_F(ReplayTest, TellsWhenCalmVerdictsBeginAndAreOver) {
  Scene live;
  live.Learn();
  live.db.kernel.rates["ktm_cache_added_pages_total"] = 5000;
  live.Run(3);
  live.db.kernel.rates["ktm_cache_added_pages_total"] = 10;
  live.Run(5);
  live.db.kernel.rates["ktm_cache_added_pages_total"] = 5000;
  live.Run(3);
  live.db.Slow();
  live.Run(1);
  Write(live);
  const std::string text = Run();
  EXPECT_THAT(text, HasSubstr("22:18:30.000Z db: W1\n"));
  EXPECT_THAT(text, HasSubstr(" db: calm again\n"));
  EXPECT_THAT(text, HasSubstr("22:20:20.000Z db: W1 is over\n"));
  const std::vector<json> told = RunJson();
  ASSERT_THAT(told, SizeIs(5));
  EXPECT_EQ(told[0]["event"], "calm");
  EXPECT_EQ(told[0]["verdict"], "W1");
  EXPECT_THAT(told[0]["numbers"],
              Contains(json{{"name", "cache_adds_pages_per_second"},
                            {"value", 5000.0}}));
  EXPECT_EQ(told[1]["event"], "calm");
  EXPECT_EQ(told[1]["verdict"], "");
  EXPECT_EQ(told[3]["event"], "over");
  EXPECT_EQ(told[3]["verdict"], "W1");
}

// An agent that was killed and came back records on.
TEST_F(ReplayTest, EachLifeOfTheAgentIsOfItsOwn) {
  Scene first;
  first.Learn();
  first.db.Cold();
  first.Run(4);
  Scene second({}, detect::SignalMap(), 78);
  recorder::Recording::Defined defined;
  first.recording.ReadLog({}, &defined, [&](const recorder::LogEntry& e) {
    EXPECT_THAT(second.recording.Apply(e), IsOk());
    return true;
  });
  second.time = first.time;
  second.db.Cold();
  second.Run(30);
  Write(second);
  const std::vector<json> told = RunJson();
  ASSERT_THAT(told, SizeIs(4));
  EXPECT_EQ(told[0]["event"], "start");
  EXPECT_EQ(told[1]["event"], "end_of_life");
  EXPECT_EQ(told[1]["open"], told[0]["id"]);
  EXPECT_EQ(told[1]["windows"], 33);
  // What was slow all the time is usual.
  EXPECT_EQ(told[2]["event"], "calm");
  EXPECT_EQ(told[2]["verdict"], "W1");
  EXPECT_EQ(told[3]["event"], "end_of_life");
  EXPECT_EQ(told[3]["state"], "calm");
  EXPECT_EQ(told[3]["windows"], 29);
}

TEST_F(ReplayTest, BoundsChangeWhatItSays) {
  Scene live;
  live.Learn();
  live.db.Cold();
  live.Run(4);
  Write(live);
  EXPECT_THAT(Run({.bounds = {"min-increase=1s"}}), Not(HasSubstr("start")));
  EXPECT_THAT(Run({.bounds = {"min-history=31,history=40"}}),
              Not(HasSubstr("start")));
  EXPECT_THAT(Run({.bounds = {"start-windows=1"}}),
              HasSubstr("22:18:30.000Z db: start"));
}

TEST_F(ReplayTest, SignalsAreFoundInThePages) {
  Scene live;
  live.db.page.rates["my_misses"] = 1;
  live.Learn();
  live.db.Cold();
  live.db.page.rates["my_misses"] = 1000;
  live.Run(3);
  Write(live);
  EXPECT_THAT(Run(), HasSubstr("start W4"));
  EXPECT_THAT(Run({.signals = {"block_cache_misses=my_misses"}}),
              HasSubstr("start W6"));
  EXPECT_EQ(errors_, "");
  EXPECT_THAT(Run({.signals = {"block_cache_misses=our_misses"}}),
              HasSubstr("start W4"));
  EXPECT_EQ(errors_,
            "fodcctl: signal block_cache_misses matches no series of the "
            "newest pages of db\n");
}

// Pages as they were recorded of real servers.
TEST_F(ReplayTest, BuiltInMapsKnowTheRecordedPages) {
  for (const char* page : {"banyandb-data", "etcd"}) {
    const auto bytes = ReadFile(test::SourcePath(
        StrCat("tests/data/expositions/", page, ".frames.zst")));
    ASSERT_THAT(bytes.status(), IsOk());
    ASSERT_THAT(
        WriteFileAtomically(dir_.File(StrCat(page, ".frames.zst")), *bytes),
        IsOk());
  }
  recorder::RecordingOptions options;
  options.budget_bytes = std::size_t{1} << 30;
  recorder::Recording recording(1, options);
  ASSERT_THAT(ImportPages(dir_.path(), &recording).status(), IsOk());
  const detect::SignalMap map;
  std::map<std::string, detect::SignalReader> readers;
  std::map<std::string, detect::Facts> facts;
  recording.Take().ReadFrames({}, [&](const recorder::SourceFrame& frame) {
    const std::string name(frame.source_name);
    readers.try_emplace(name, map).first->second.OnFrame(frame);
    return true;
  });
  const auto state = [&](const std::string& page) {
    return readers.at(page).state();
  };
  for (auto& [name, reader] : readers)
    reader.Take(recording.Latest()[0].time.monotonic_ms, 60'000, &facts[name]);
  using detect::Fact;
  EXPECT_EQ(state("banyandb-data").products[1], "banyandb");
  EXPECT_GT(state("banyandb-data").series[1], 3u);  // compaction_threads
  EXPECT_GT(state("banyandb-data").series[3], 0u);  // block_cache_misses
  EXPECT_GT(facts["banyandb-data"][Fact::kCompactionThreads], 0);
  EXPECT_LT(facts["banyandb-data"][Fact::kCompactionThreads], 4);
  EXPECT_GE(facts["banyandb-data"][Fact::kBlockCacheMisses], 0);
  EXPECT_EQ(state("etcd").products[1], "etcd");
  EXPECT_EQ(state("etcd").series[1], 2u);
  EXPECT_EQ(facts["etcd"][Fact::kCompactionThreads], 0);
}

TEST_F(ReplayTest, SaysWhyThereIsNothing) {
  recorder::Recording empty(1, {});
  ASSERT_THAT(recorder::WriteRecordingFile(File(), empty.Take(), {}), IsOk());
  EXPECT_EQ(Run(), "");
  EXPECT_THAT(errors_, HasSubstr("no readings of a target"));
  Scene off;
  off.db.kernel.Drop("ktm_read_latency_seconds");
  off.Run(3);
  Write(off);
  EXPECT_THAT(Run(), HasSubstr("no_readings, 0 windows"));
  EXPECT_THAT(Run(), HasSubstr("there is no ktm_read_latency_seconds"));
  EXPECT_EQ(RunJson().back()["numbers"], json::array());
}

TEST_F(ReplayTest, WhatIsWholeOfADamagedFileIsReplayed) {
  Scene live;
  live.Learn();
  live.db.Cold();
  live.Run(4);
  live.recording.Seal();
  live.Run(100);
  Write(live);
  const auto bytes = ReadFile(File());
  ASSERT_THAT(bytes.status(), IsOk());
  ASSERT_THAT(WriteFileAtomically(File(), bytes->substr(0, bytes->size() - 99)),
              IsOk());
  StringOutput out;
  StringOutput errors;
  bool is_damaged = false;
  EXPECT_THAT(RunReplay({.path = File()}, &out, &errors, &is_damaged), IsOk());
  EXPECT_TRUE(is_damaged);
  EXPECT_THAT(errors.text, HasSubstr("damaged, left out: "));
  EXPECT_THAT(out.text, HasSubstr("start W4 cold_data"));
}

TEST_F(ReplayTest, WhatIsWrongIsAnError) {
  StringOutput out;
  StringOutput errors;
  bool is_damaged = false;
  EXPECT_THAT(
      RunReplay({.path = dir_.File("none")}, &out, &errors, &is_damaged),
      StatusIs(Code::kNotFound, HasSubstr("none")));
  EXPECT_THAT(RunReplay({.path = "", .bounds = {"factor=1"}}, &out, &errors,
                        &is_damaged),
              StatusIs(Code::kInvalidArgument, HasSubstr("factor=1 is not")));
  EXPECT_THAT(out.text, IsEmpty());
}

}  // namespace
}  // namespace fodc::ctl
