// SPDX-License-Identifier: Apache-2.0
// fodcctl capsule open on capsules made of real events, and on hostile ones.
#include "fodc/ctl/capsule_commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "fodc/base/file.h"
#include "fodc/base/file_testing.h"
#include "fodc/base/status_matchers.h"
#include "fodc/ctl/capsule_testing.h"
#include "fodc/ctl/timeline_testing.h"
#include "fodc/evidence/capsule_testing.h"
#include "fodc/pprof/profile_testing.h"
#include "fodc/recorder/recording_file.h"
#include "tests/support/paths.h"

namespace fodc::ctl {
namespace {

using evidence::EventMeta;
using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string Heap(std::int64_t grow, const std::string& type = "inuse_space") {
  pprof::ProfileText text;
  text.samples = {{{"grow", "main"}, grow}, {{"keep", "main"}, 1 << 20}};
  text.type = type;
  return pprof::ProfileMaker().Make(text);
}

std::string Window(const Frames& frames) {
  return recorder::EncodeRecordingFile(
      MakeRecording(frames, ToUnixMillis(kCapturedAt)).Take(), {});
}

const char kResident[] = "fodc_target_resident_memory_bytes{target=\"data\"}";

// What an agent keeps of a database that ran out of memory.
EventMeta OomMeta() {
  EventMeta meta;
  meta.pod_name = "db-0";
  meta.role = "ROLE_DATA";
  meta.target = "data";
  meta.incident_id = "5f-2";
  meta.ramp_up = "r-1";
  meta.rss_bytes = 400u << 20;
  meta.cgroup_limit_bytes = 512u << 20;
  meta.threshold_bytes = 384u << 20;
  meta.trigger_percent = 75;
  meta.trigger = {
      .kind = "memory_pressure",
      .summary = "the charge is 78 % of the limit",
      .inputs = {{"charge_bytes", 419430400}, {"seconds_to_limit", 2.125}}};
  meta.death = {{.at = kCapturedAt + std::chrono::milliseconds(2500),
                 .signal = 9,
                 .oom_killed = true,
                 .count = 3,
                 .summary = "the kernel killed pid 7 of 520 MiB"}};
  meta.steps.push_back({.step = "goroutine",
                        .started = kCapturedAt,
                        .duration = std::chrono::milliseconds(5),
                        .outcome = evidence::StepOutcome::kFailed,
                        .reason = "HTTP 500"});
  return meta;
}

class CapsuleCommandTest : public CapsuleTest {
 protected:
  // A capsule of that death; its path.
  std::string Oom() {
    return WriteCapsule(
        OomMeta(),
        {{"heap.pprof", Heap(3 << 20)},
         {"heap-gc.pprof", Heap(9 << 20)},
         {"window.fdr", Window({{-9000, {{kResident, 300u << 20}}},
                                {-100, {{kResident, 400u << 20}}}})},
         {"log.0.db.log", "one\ntwo\x1b[2J\npanic: no memory\n"},
         {"status.txt", "State: D\n"},
         {"window-after.fdr", Window({{1900, {{kResident, 511u << 20}}}})}});
  }
  std::string Text(const std::string& path, bool as_json = false) {
    StringOutput out;
    StringOutput errors;
    EXPECT_THAT(RunCapsule({.path = path, .directory = "", .json = as_json},
                           &out, &errors, &is_damaged_),
                IsOk());
    EXPECT_EQ(errors.text, "");
    return out.text;
  }

  bool is_damaged_ = false;
};

TEST_F(CapsuleCommandTest, TellsTheStory) {
  const std::string text = Text(Oom());
  EXPECT_FALSE(is_damaged_);
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("event 20260101T000000.000000000Z, revision 1: 6 files"),
            HasSubstr("  pod         db-0 (ROLE_DATA)\n"),
            HasSubstr("  target      data\n"),
            HasSubstr("  incident    5f-2\n"),
            HasSubstr("  trigger     memory_pressure: the charge is 78 % of "
                      "the limit\n"
                      "              charge_bytes 419430400 (400 MiB)\n"
                      "              seconds_to_limit 2.125\n"),
            HasSubstr("  memory      measured 400 MiB, limit 512 MiB, line "
                      "384 MiB (75 %)\n"),
            HasSubstr("  death       2026-01-01T00:00:02.500Z, signal 9, "
                      "killed by the kernel for memory, 3 deaths by then: the "
                      "kernel killed pid 7 of 520 MiB\n")));
  EXPECT_THAT(text, HasSubstr("-                     -  goroutine     failed "
                              "   5.0ms  HTTP 500\n"));
  EXPECT_THAT(text, HasSubstr("timeline, of window.fdr, window-after.fdr\n"
                              "TIME                      OFFSET  RESIDENT\n"
                              "2025-12-31T23:59:55.000Z     -5s   300 MiB\n"
                              "2026-01-01T00:00:00.000Z      0s   400 MiB\n"
                              "2026-01-01T00:00:01.900Z   +1.9s   511 MiB\n"));
  EXPECT_THAT(text, HasSubstr("\nheap.pprof\ninuse_space: 4.0 MiB in all"));
  EXPECT_THAT(text, HasSubstr("\nheap-gc.pprof\ninuse_space: 10.0 MiB in all"));
  EXPECT_THAT(text, HasSubstr("\nfrom heap.pprof to heap-gc.pprof\n"));
  EXPECT_THAT(text, HasSubstr("+6.0 MiB"));
  EXPECT_THAT(text, HasSubstr("\nlog.0.db.log\none\ntwo?[2J\npanic: no "
                              "memory\n"));
}

TEST_F(CapsuleCommandTest, GivesProgramsAllOfIt) {
  const json story = json::parse(Text(Oom(), /*as_json=*/true));
  EXPECT_EQ(story["id"], "20260101T000000.000000000Z");
  EXPECT_EQ(story["meta"]["trigger"]["kind"], "memory_pressure");
  EXPECT_EQ(story["meta"]["death"]["signal"], 9);
  EXPECT_EQ(story["meta"]["profiles"][0]["filepath"], "heap.pprof");
  ASSERT_EQ(story["files"].size(), 6u);
  EXPECT_EQ(story["files"][0]["name"], "heap.pprof");
  EXPECT_EQ(story["files"][0]["sha256"], evidence::HexOf(Heap(3 << 20)));
  EXPECT_EQ(story["files"][0]["as_captured"], true);
  EXPECT_EQ(story["timeline"]["rows"].size(), 3u);
  EXPECT_EQ(story["profiles"][1]["top"]["rows"][0]["flat"], 9 << 20);
  EXPECT_EQ(story["growth"]["base"], "heap.pprof");
  EXPECT_EQ(story["growth"]["diff"]["rows"][0]["flat"], 6 << 20);
  EXPECT_EQ(story["logs"][0]["lines"][2], "panic: no memory");
  EXPECT_TRUE(story["damage"].empty());
}

TEST_F(CapsuleCommandTest, ComparesTheFirstHeapWithTheLastByTime) {
  EventMeta meta = OomMeta();
  // Captured later, though it is listed first.
  meta.steps.push_back({.step = "heap-gc",
                        .file = "heap-gc.pprof",
                        .started = kCapturedAt + std::chrono::seconds(9)});
  meta.steps.push_back({.step = "heap",
                        .file = "heap.pprof",
                        .started = kCapturedAt + std::chrono::seconds(1)});
  const auto story =
      json::parse(Text(WriteCapsule(meta, {{"heap-gc.pprof", Heap(2 << 20)},
                                           {"heap.pprof", Heap(1 << 20)}}),
                       /*as_json=*/true));
  EXPECT_EQ(story["growth"]["base"], "heap.pprof");
  EXPECT_EQ(story["growth"]["file"], "heap-gc.pprof");
}

TEST_F(CapsuleCommandTest, HeapsOfOtherValuesAreNotCompared) {
  const std::string text =
      Text(WriteCapsule(OomMeta(), {{"heap.pprof", Heap(1 << 20)},
                                    {"heap-gc.pprof", Heap(5, "objects")}}));
  EXPECT_THAT(text,
              HasSubstr("from heap.pprof to heap-gc.pprof\nnot readable: "));
}

TEST_F(CapsuleCommandTest, WhatIsNotThereIsSaid) {
  const std::string text = Text(WriteCapsule({}, {{"status.txt", "x"}}));
  EXPECT_THAT(text, HasSubstr("death       none is known of"));
  EXPECT_THAT(text, HasSubstr("timeline: there is no recording\n"));
  EXPECT_THAT(text, Not(HasSubstr("trigger")));
  EXPECT_THAT(Text(WriteCapsule({}, {{"window.fdr", Window({})}})),
              HasSubstr("(nothing of the target's memory"));
  // An artifact that went from the agent's disk.
  const json story = json::parse(Text(
      WriteCapsule({}, {{"a.txt", "x"}, {"gone.txt", "y"}}, "gone.txt"), true));
  EXPECT_EQ(story["missing"][0], "gone.txt");
}

// An event that the Go agent recorded: no receipts, no recording, no death.
TEST_F(CapsuleCommandTest, TellsOfWhatGoCaptured) {
  const std::string from = test::SourcePath(
      "tests/data/wire/files/pressure-profiles/"
      "20261121T073132.740756132Z");
  const std::string root = tree_.File("events");
  const std::string id = "20261121T073132.740756132Z";
  for (const char* name : {"meta.json", "heap.pprof", "goroutine.pprof"}) {
    const auto bytes = ReadFile(StrCat(from, "/", name));
    ASSERT_THAT(bytes, IsOk());
    WriteTree(root, {{StrCat(id, "/", name), *bytes}});
  }
  const auto store = evidence::OpenStore(root);
  const std::string path = tree_.File("go");
  ASSERT_THAT(WriteFileAtomically(path, DrainCapsule(*store, id)), IsOk());
  const std::string text = Text(path);
  EXPECT_FALSE(is_damaged_);
  EXPECT_THAT(text, HasSubstr("event 20261121T073132.740756132Z, revision 0: 2 "
                              "files, "));
  EXPECT_THAT(text, HasSubstr("\nheap.pprof\ninuse_space: "));
  EXPECT_THAT(text, HasSubstr("\ngoroutine.pprof\ngoroutine: "));
  EXPECT_THAT(text, HasSubstr("runtime.gopark"));
}

TEST_F(CapsuleCommandTest, ABadFileInItSpoilsOnlyItself) {
  std::string cut = Window({{-9000, {{kResident, 300u << 20}}}});
  cut.resize(cut.size() - 5);
  const std::string text =
      Text(WriteCapsule(OomMeta(), {{"heap.pprof", "<html>"},
                                    {"window.fdr", cut},
                                    {"window-after.fdr", "no recording"},
                                    {"log.0.db.log", ""}}));
  EXPECT_TRUE(is_damaged_);
  EXPECT_THAT(text, HasSubstr("\nheap.pprof\nnot readable: "));
  EXPECT_THAT(text, HasSubstr("left out: window.fdr: "));
  EXPECT_THAT(text, HasSubstr("left out: window-after.fdr: "));
  EXPECT_THAT(text, HasSubstr("log.0.db.log\n(empty)\n"));
}

TEST_F(CapsuleCommandTest, ShowsTheEndsOfLogs) {
  std::string log;
  for (int i = 0; i < 30'000; ++i) log += StrCat("line ", i, "\n");
  const std::string text = Text(WriteCapsule({}, {{"log.1.x", log}}));
  EXPECT_THAT(text, HasSubstr("log.1.x, its last lines\nline 29980\n"));
  EXPECT_TRUE(text.ends_with("line 29999\n"));
}

TEST_F(CapsuleCommandTest, ExtractsWhatItChecked) {
  StringOutput out;
  StringOutput errors;
  const CapsuleCommand command = {
      .path = Oom(), .directory = tree_.File("out"), .json = true};
  ASSERT_THAT(RunCapsule(command, &out, &errors, &is_damaged_), IsOk());
  const std::string directory =
      command.directory + "/20260101T000000.000000000Z";
  EXPECT_EQ(errors.text,
            StrCat("fodcctl: extracted 6 files to ", directory, "\n"));
  EXPECT_FALSE(json::parse(out.text).empty());
  EXPECT_THAT(ReadFile(directory + "/status.txt"), IsOkAndHolds("State: D\n"));
  // Not over what is there.
  out.text.clear();
  EXPECT_THAT(RunCapsule(command, &out, &errors, &is_damaged_),
              StatusIs(Code::kAlreadyExists, HasSubstr(directory)));
  EXPECT_EQ(out.text, "");
}

TEST_F(CapsuleCommandTest, NothingIsShownOrExtractedOfABadCapsule) {
  const std::string id = "20260101T000000.000000000Z";
  const std::string meta = evidence::EncodeEventMeta({});
  const auto pack = [](const evidence::TarFiles& files) {
    return evidence::Compress(evidence::MakeTar(files));
  };
  evidence::TarFiles changed =
      evidence::WithManifest(id, {{"meta.json", meta}, {"a", "x"}});
  changed[1].second = "y";
  std::string whole = *ReadFile(Oom());
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"empty", ""},
      {"no capsule", "<html>"},
      {"cut", whole.substr(0, whole.size() / 2)},
      {"more behind it", whole + "x"},
      {"changed", pack(changed)},
      {"out of the directory",
       pack(evidence::WithManifest(id,
                                   {{"meta.json", meta}, {"../evil", "x"}}))},
      {"absolute", pack(evidence::WithManifest(
                       id, {{"meta.json", meta}, {"/etc/evil", "x"}}))},
      {"another id", pack(evidence::WithManifest(
                         "../../evil", {{"meta.json", meta}, {"a", "x"}}))},
  };
  for (const auto& [what, bytes] : cases) {
    const std::string path = tree_.File("bad");
    ASSERT_THAT(WriteFileAtomically(path, bytes), IsOk());
    StringOutput out;
    StringOutput errors;
    const std::string directory = tree_.File("target/below");
    EXPECT_THAT(
        RunCapsule({.path = path, .directory = directory, .json = false}, &out,
                   &errors, &is_damaged_),
        StatusIs(Code::kDataLoss, HasSubstr(path)))
        << what;
    EXPECT_EQ(out.text, "") << what;
    EXPECT_THAT(ListDirectory(tree_.File("target")), Not(IsOk())) << what;
  }
  StringOutput out;
  EXPECT_THAT(
      RunCapsule({.path = tree_.File("none"), .directory = "", .json = false},
                 &out, &out, &is_damaged_),
      StatusIs(Code::kNotFound, HasSubstr("none")));
}

TEST_F(CapsuleCommandTest, ObeysNoText) {
  EventMeta meta = OomMeta();
  meta.pod_name = "a\x1b[2J";
  meta.trigger.summary = "b\x1b[2J\nc";
  meta.death->summary = "d\x1b[2J";
  meta.steps[0].reason = "e\x1b[2J";
  const std::string path = WriteCapsule(meta, {{"log.0.x", "f\x1b[2J\r"}});
  EXPECT_THAT(Text(path), Not(HasSubstr("\x1b")));
  EXPECT_THAT(Text(path, true), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace fodc::ctl
