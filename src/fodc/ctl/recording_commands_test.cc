// SPDX-License-Identifier: Apache-2.0
// fodcctl recording import, stat and cat on files and on the spill of an agent.
#include "fodc/ctl/recording_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/ctl/recording_reader.h"
#include "fodc/recorder/spill.h"

namespace fodc::ctl {
namespace {

using nlohmann::json;
using ::testing::IsEmpty;

std::string Frame(int n, int unix_s, const std::string& body) {
  return StrCat("#@@ ", n, " ", unix_s, "000 200 ", body.size(), "\n", body);
}

class RecordingCommandsTest : public testing::Test {
 protected:
  // Imports the files of pages/ and tells what import said.
  std::string Import(bool has_damage = false) {
    StringOutput out;
    StringOutput errors;
    bool is_damaged = false;
    EXPECT_THAT(RunImport({.directory = Pages(), .output = File()}, &out,
                          &errors, &is_damaged),
                IsOk());
    EXPECT_EQ(is_damaged, has_damage);
    return out.text + errors.text;
  }
  void Write(const std::string& name, const std::string& bytes) {
    EXPECT_THAT(MakeDirectories(Pages()), IsOk());
    ASSERT_THAT(WriteFileAtomically(StrCat(Pages(), "/", name), bytes), IsOk());
  }
  std::string Cat(CatCommand command) {
    command.path = File();
    StringOutput out;
    StringOutput errors;
    bool is_damaged = false;
    EXPECT_THAT(RunCat(command, &out, &errors, &is_damaged), IsOk());
    EXPECT_FALSE(is_damaged);
    EXPECT_EQ(errors.text, "");
    return out.text;
  }
  std::string Stat(bool as_json) {
    StringOutput out;
    StringOutput errors;
    bool is_damaged = false;
    EXPECT_THAT(RunStat({.paths = {File()}, .json = as_json}, &out, &errors,
                        &is_damaged),
                IsOk());
    EXPECT_FALSE(is_damaged);
    EXPECT_EQ(errors.text, "");
    return out.text;
  }
  std::string Pages() { return dir_.File("pages"); }
  std::string File() { return dir_.File("x.fdr"); }

  TempDirectory dir_;
};

TEST_F(RecordingCommandsTest, StatTellsWhatAnImportedFileHolds) {
  Write("x.frames", Frame(1, 1'700'000'010, "a 1\nb 2\n") +
                        Frame(2, 1'700'000'012, "a 3\nb 4\n") +
                        Frame(3, 1'700'000'070, "a 5\nbad\n"));
  EXPECT_EQ(Import(),
            StrCat("x.frames: 3 frames, 1 bad lines\nwritten: ", File(), "\n"));
  const auto bytes = ReadFile(File());
  ASSERT_THAT(bytes, IsOk());
  char ratio[32];
  (void)std::snprintf(ratio, sizeof ratio, "%.3f",
                      static_cast<double>(bytes->size()) / 5);
  EXPECT_EQ(Stat(false),
            StrCat(File(),
                   "\n"
                   "  series          2\n"
                   "  samples         5\n"
                   "  frames          3\n"
                   "  from            2023-11-14T22:13:30.000Z\n"
                   "  to              2023-11-14T22:14:30.000Z (1m00s)\n"
                   "  bytes           ",
                   bytes->size(), " (", bytes->size(),
                   " B) on disk\n"
                   "  bytes/sample    ",
                   ratio,
                   "\n"
                   "  life            1 (imported): frames 1 to 3\n"
                   "  damage          none\n"));
  const json stat = json::parse(Stat(true));
  EXPECT_EQ(stat["path"], File());
  EXPECT_EQ(stat["series"], 2);
  EXPECT_EQ(stat["samples"], 5);
  EXPECT_EQ(stat["frames"], 3);
  EXPECT_EQ(stat["from"], "2023-11-14T22:13:30.000Z");
  EXPECT_EQ(stat["to"], "2023-11-14T22:14:30.000Z");
  EXPECT_EQ(stat["bytes"], bytes->size());
  EXPECT_DOUBLE_EQ(stat["bytes_per_sample"],
                   static_cast<double>(bytes->size()) / 5);
  EXPECT_EQ(
      stat["lives"],
      (json{
          {{"incarnation", "1"}, {"first", 1}, {"last", 3}, {"missing", 0}}}));
  EXPECT_EQ(stat["damaged_regions"], 0);
  EXPECT_EQ(stat["damage"], json::array());
}

TEST_F(RecordingCommandsTest, CatGivesItBackInEachFormat) {
  Write("x.frames",
        Frame(1, 10,
              "# HELP a A.\n# TYPE a gauge\na 1\n# TYPE b_total "
              "counter\nb_total 2\n") +
            Frame(2, 12,
                  "# HELP a A.\n# TYPE a gauge\na 3\n# TYPE b_total "
                  "counter\nb_total 4\n"));
  Import();
  CatCommand all;
  EXPECT_EQ(Cat(all),
            "# HELP a A.\n# TYPE a gauge\n"
            "a{recording=\"x\"} 1 10000\na{recording=\"x\"} 3 12000\n"
            "# TYPE b_total counter\n"
            "b_total{recording=\"x\"} 2 10000\n"
            "b_total{recording=\"x\"} 4 12000\n");
  CatCommand late;
  late.from_unix_ms = 11'000;
  late.format = SampleFormat::kOpenMetrics;
  EXPECT_EQ(Cat(late),
            "# HELP a A.\n# TYPE a gauge\na{recording=\"x\"} 3 12.000\n"
            "# TYPE b counter\nb_total{recording=\"x\"} 4 12.000\n# EOF\n");
  CatCommand one;
  one.matches = {"b_total"};
  one.from_unix_ms = 9'000;
  one.to_unix_ms = 11'999;
  one.format = SampleFormat::kCsv;
  EXPECT_EQ(Cat(one),
            "timestamp,name,labels,value\n"
            "1970-01-01T00:00:10.000Z,b_total,\"recording=\"\"x\"\"\",2\n");
  all.format = SampleFormat::kJson;
  const json series = json::parse(Cat(all));
  ASSERT_EQ(series.size(), 2U);
  EXPECT_EQ(
      series[0],
      (json{{"name", "a"},
            {"type", "gauge"},
            {"description", "A."},
            {"labels", {{"recording", "x"}}},
            {"data",
             {{{"timestamp", "1970-01-01T00:00:10.000Z"}, {"value", 1}},
              {{"timestamp", "1970-01-01T00:00:12.000Z"}, {"value", 3}}}}}));
  CatCommand at;
  at.at_unix_ms = 11'500;
  at.max_age = std::chrono::seconds(5);
  EXPECT_EQ(Cat(at),
            "# HELP a A.\n# TYPE a gauge\na{recording=\"x\"} 1\n"
            "# TYPE b_total counter\nb_total{recording=\"x\"} 2\n");
}

TEST_F(RecordingCommandsTest, CatTellsWhyThereIsNothing) {
  Write("x.frames",
        Frame(1, 1'700'000'010, "a 1\n") + Frame(2, 1'700'000'070, "a 5\n"));
  Import();
  const auto told = [this](CatCommand command) {
    command.path = File();
    command.max_age = std::chrono::seconds(30);
    StringOutput out;
    StringOutput errors;
    bool is_damaged = false;
    EXPECT_THAT(RunCat(command, &out, &errors, &is_damaged), IsOk());
    EXPECT_FALSE(is_damaged);
    return errors.text;
  };
  const std::string window =
      "; the recording reaches from 2023-11-14T22:13:30.000Z to "
      "2023-11-14T22:14:30.000Z\n";
  CatCommand at;
  at.at_unix_ms = 1'700'000'060'000;
  EXPECT_EQ(told(at), StrCat("fodcctl: nothing was recorded at "
                             "2023-11-14T22:14:20.000Z or up to 30s before",
                             window));
  CatCommand range;
  range.from_unix_ms = 1'700'000'071'000;
  range.to_unix_ms = 1'700'000'072'000;
  for (const auto format : {SampleFormat::kText, SampleFormat::kOpenMetrics,
                            SampleFormat::kJson, SampleFormat::kCsv}) {
    range.format = format;
    EXPECT_EQ(told(range),
              StrCat("fodcctl: nothing was recorded from "
                     "2023-11-14T22:14:31.000Z to 2023-11-14T22:14:32.000Z",
                     window));
  }
  range.to_unix_ms.reset();
  EXPECT_EQ(told(range), StrCat("fodcctl: nothing was recorded since "
                                "2023-11-14T22:14:31.000Z",
                                window));
  range.to_unix_ms = 1'600'000'000'000;
  range.from_unix_ms.reset();
  EXPECT_EQ(told(range), StrCat("fodcctl: nothing was recorded until "
                                "2020-09-13T12:26:40.000Z",
                                window));
  CatCommand match;
  match.matches = {"b"};
  EXPECT_THAT(told(match), testing::HasSubstr("nothing that --match takes"));
}

TEST_F(RecordingCommandsTest, ImportNamesAFileThatIsCut) {
  Write("x.frames", Frame(1, 10, "a 1\n") + "#@@ 2 11000 200 5\na 2");
  EXPECT_THAT(Import(/*has_damage=*/true),
              testing::AllOf(testing::HasSubstr("x.frames: 1 frames\n"),
                             testing::HasSubstr("damaged, left out from "
                                                "there: "),
                             testing::HasSubstr("x.frames: frame 2: ")));
  EXPECT_EQ(Cat({}), "# TYPE a untyped\na{recording=\"x\"} 1 10000\n");
}

// Pages of an import of an import have both labels.
TEST_F(RecordingCommandsTest, ImportsPagesThatWereImportedBefore) {
  Write("x.frames",
        Frame(1, 10,
              "a{exported_recording=\"r\",recording=\"s\"} 1\nb 2\n"
              "c{exported_exported_recording=\"q\",exported_recording=\"r\","
              "recording=\"s\"} 3\n"));
  Import();
  EXPECT_EQ(json::parse(Stat(true))["damaged_regions"], 0);
  EXPECT_EQ(Cat({}),
            "# TYPE a untyped\n"
            "a{exported_exported_recording=\"s\",exported_recording=\"r\","
            "recording=\"x\"} 1 10000\n"
            "# TYPE b untyped\nb{recording=\"x\"} 2 10000\n"
            "# TYPE c untyped\n"
            "c{exported_exported_exported_recording=\"s\","
            "exported_exported_recording=\"q\",exported_recording=\"r\","
            "recording=\"x\"} 3 10000\n");
}

// The agent seals and spills while its directory is read.
TEST_F(RecordingCommandsTest, ReadsTheSpillOfARunningAgentWithoutAHole) {
  FakeClock clock;
  auto spill = recorder::Spill::Open({.directory = dir_.File("spill")}, clock);
  ASSERT_THAT(spill, IsOk());
  recorder::Recording agent(1'700'000'000'000'000'000, {.stretch_rows = 1000});
  (*spill)->Load(&agent);
  const recorder::SourceId source = agent.OpenSource("page", "");
  const exposition::SeriesDesc desc = {.name = "a",
                                       .labels = {},
                                       .family = "a",
                                       .type = exposition::MetricType::kGauge,
                                       .help = "",
                                       .unit = ""};
  agent.SpliceLines(source, 0, 0, {&desc, 1});
  int frames = 0;
  const auto step = [&](int n) {
    for (int i = 0; i < n; ++i) {
      const double value = ++frames;
      agent.Append(source, {frames * 1000, frames * 1000}, {&value, 1},
                   std::nullopt);
    }
    const recorder::Spill::Batch batch = (*spill)->Collect(agent);
    const Status written = (*spill)->Write(batch);
    EXPECT_THAT(written, IsOk());
    (*spill)->Finish(batch, written);
  };
  step(10);
  agent.Seal();
  step(10);
  const auto opened = OpenRecording(dir_.File("spill"), [&] {
    agent.Seal();
    step(3);
  });
  ASSERT_THAT(opened, IsOk());
  EXPECT_THAT(opened->damage, IsEmpty());
  const std::vector<recorder::HeldRange> held = opened->recording.held();
  ASSERT_EQ(held.size(), 1U);
  EXPECT_EQ(held[0].first, 1U);
  EXPECT_GE(held[0].last, 20U);
  EXPECT_EQ(held[0].missing, 0U);
  EXPECT_EQ(opened->recording.stats().samples, held[0].last);
}

// Damage is told, what is whole is shown, and nothing is changed.
TEST_F(RecordingCommandsTest, LeavesADamagedSpillAsItIs) {
  FakeClock clock;
  {
    auto spill =
        recorder::Spill::Open({.directory = dir_.File("spill")}, clock);
    ASSERT_THAT(spill, IsOk());
    recorder::Recording agent(1'700'000'000'000'000'000, {});
    (*spill)->Load(&agent);
    const recorder::SourceId source = agent.OpenSource("page", "");
    for (int i = 1; i < 9; ++i) {
      agent.Append(source, {i * 1000, i * 1000}, {}, std::nullopt);
      if (i == 4) agent.Seal();
      const recorder::Spill::Batch batch = (*spill)->Collect(agent);
      const Status written = (*spill)->Write(batch);
      ASSERT_THAT(written, IsOk());
      (*spill)->Finish(batch, written);
    }
  }
  const std::string chunks = dir_.File("spill/chunks/0000000000000001.wal");
  auto bytes = ReadFile(chunks);
  ASSERT_THAT(bytes, IsOk());
  (*bytes)[bytes->size() / 2] ^= 0x20;
  ASSERT_THAT(WriteFileAtomically(chunks, *bytes), IsOk());
  const auto before = ListDirectory(dir_.File("spill/chunks"));
  StringOutput out;
  StringOutput errors;
  bool is_damaged = false;
  ASSERT_THAT(RunStat({.paths = {dir_.File("spill")}, .json = true}, &out,
                      &errors, &is_damaged),
              IsOk());
  EXPECT_TRUE(is_damaged);
  const json stat = json::parse(out.text);
  EXPECT_EQ(stat["damaged_regions"], 1);
  EXPECT_THAT(stat["damage"][0].get<std::string>(),
              testing::HasSubstr("0000000000000001.wal: offset "));
  EXPECT_GE(stat["frames"], 4);
  EXPECT_LT(stat["frames"], 8);
  EXPECT_EQ(stat["set_aside"], json::array());
  CatCommand cat;
  cat.path = dir_.File("spill");
  is_damaged = false;
  ASSERT_THAT(RunCat(cat, &out, &errors, &is_damaged), IsOk());
  EXPECT_TRUE(is_damaged);
  EXPECT_EQ(*ReadFile(chunks), *bytes);
  EXPECT_EQ(*ListDirectory(dir_.File("spill/chunks")), *before);

  // The agent's next start sets the segment aside; what is left is whole.
  {
    auto spill =
        recorder::Spill::Open({.directory = dir_.File("spill")}, clock);
    ASSERT_THAT(spill, IsOk());
    recorder::Recording agent(1'700'000'000'000'000'001, {});
    (*spill)->Load(&agent);
    const recorder::Spill::Batch batch = (*spill)->Collect(agent);
    const Status written = (*spill)->Write(batch);
    ASSERT_THAT(written, IsOk());
    (*spill)->Finish(batch, written);
  }
  for (const bool as_json : {false, true}) {
    is_damaged = false;
    out.text.clear();
    ASSERT_THAT(RunStat({.paths = {dir_.File("spill")}, .json = as_json}, &out,
                        &errors, &is_damaged),
                IsOk());
    EXPECT_FALSE(is_damaged);
    EXPECT_THAT(out.text,
                testing::HasSubstr("chunks/0000000000000001.wal.damaged-"));
    EXPECT_THAT(out.text, testing::HasSubstr(std::to_string(bytes->size())));
  }
}

}  // namespace
}  // namespace fodc::ctl
