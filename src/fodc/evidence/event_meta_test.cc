// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/event_meta.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/evidence/event_id.h"
#include "fodc/evidence/event_meta_testing.h"
#include "tests/support/paths.h"

namespace fodc::evidence {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

auto IsDamaged(std::string_view why) {
  return StatusIs(Code::kDataLoss, HasSubstr(std::string(why)));
}

class GoEventTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::string Text() {
    return ReadFile(test::SourcePath(
                        StrCat("tests/data/wire/files/pressure-profiles/",
                               GetParam(), "/meta.json")))
        .value();
  }
};
INSTANTIATE_TEST_SUITE_P(, GoEventTest,
                         ::testing::Values("20261121T073036.667474998Z",
                                           "20261121T073132.740756132Z"));

// What Go's agent wrote on a real node.
TEST_P(GoEventTest, IsReadAndWrittenByteForByte) {
  const auto meta = DecodeEventMeta(Text());
  ASSERT_THAT(meta, IsOk());
  EXPECT_EQ(MakeEventId(meta->captured_at), GetParam());
  EXPECT_EQ(meta->pod_name, "banyandb-hot-0");
  EXPECT_EQ(meta->role, "ROLE_DATA");
  EXPECT_EQ(meta->source_endpoint, "http://localhost:6060");
  EXPECT_EQ(meta->cgroup_limit_bytes, 83886080u);
  EXPECT_EQ(meta->threshold_bytes, 62914560u);
  EXPECT_EQ(meta->trigger_percent, 75u);
  EXPECT_THAT(EventFiles(*meta), ElementsAre("heap.pprof", "goroutine.pprof"));
  EXPECT_EQ(meta->profiles[0].format, "pprof");
  EXPECT_EQ(EncodeEventMeta(*meta), Text());
}

// Each byte that is missing at the end makes it damaged, not half-read.
TEST_P(GoEventTest, IsDamagedWhenCut) {
  const std::string text = Text();
  for (std::size_t n = 0; n < text.size(); ++n) {
    ASSERT_THAT(DecodeEventMeta(text.substr(0, n)), IsDamaged("no JSON")) << n;
  }
}

TEST(EventMetaTest, ReadsWhatItWrote) {
  EXPECT_THAT(DecodeEventMeta(EncodeEventMeta(FullEventMeta())),
              IsOkAndHolds(FullEventMeta()));
  EXPECT_THAT(DecodeEventMeta(EncodeEventMeta({})), IsOkAndHolds(EventMeta{}));
  EventMeta exited = FullEventMeta();
  exited.death->exit_code = -1;
  exited.death->signal.reset();
  EXPECT_THAT(DecodeEventMeta(EncodeEventMeta(exited)), IsOkAndHolds(exited));
}

TEST(EventMetaTest, WritesOurKeysBehindGos) {
  EXPECT_EQ(EncodeEventMeta(FullEventMeta()), R"({
  "capturedAt": "2026-11-23T01:02:03.5Z",
  "podName": "db-0",
  "role": "ROLE_DATA",
  "sourceEndpoint": "http://localhost:6060",
  "profiles": [
    {
      "type": "heap",
      "filename": "heap.pprof",
      "filepath": "/data/x/heap.pprof",
      "format": "pprof",
      "size_bytes": 7
    }
  ],
  "rssBytes": 9223372036854775808,
  "cgroupLimitBytes": 2,
  "thresholdBytes": 3,
  "triggerPercent": 75,
  "revision": 2,
  "incidentId": "i-1",
  "target": "data",
  "rampUp": "r-1",
  "trigger": {
    "kind": "memory_pressure",
    "summary": "\u003c80 %\u003e of the limit",
    "inputs": [
      {
        "name": "charge_bytes",
        "value": 1e+09
      },
      {
        "name": "seconds_to_limit",
        "value": 0.125
      }
    ]
  },
  "steps": [
    {
      "step": "heap",
      "file": "heap.pprof",
      "source": "http://localhost:6060/debug/pprof/heap",
      "startedAt": "2026-11-23T01:02:03.501Z",
      "durationNs": 1234567,
      "bytes": 7,
      "sha256": ")" + std::string(64, 'a') + R"(",
      "outcome": "cut",
      "reason": "the target died"
    },
    {
      "step": "goroutine",
      "startedAt": "2026-11-23T01:02:03.5Z",
      "durationNs": 0,
      "bytes": 0,
      "outcome": "failed",
      "reason": "HTTP 500"
    }
  ],
  "death": {
    "at": "2026-11-23T01:02:06.5Z",
    "signal": 9,
    "oomKilled": true,
    "count": 3,
    "summary": "killed for memory"
  }
})");
}

TEST(EventMetaTest, TellsOthersNoPaths) {
  const std::string text = EncodeEventMetaForOthers(FullEventMeta());
  EXPECT_THAT(text, AllOf(HasSubstr("\"filepath\": \"heap.pprof\""),
                          Not(HasSubstr("/data"))));
  EventMeta meta;
  meta.steps = {
      {.step = "config.0",
       .source = "/etc/db/node.yaml",
       .reason = "open /etc/db/node.yaml: No such file, in '/etc/db'"},
      {.step = "heap",
       .source = "http://localhost:6060/debug/pprof/heap",
       .reason = "HTTP 503 /"}};
  EXPECT_THAT(EncodeEventMetaForOthers(meta),
              AllOf(HasSubstr("\"source\": \"node.yaml\""),
                    HasSubstr("open node.yaml: No such file, in 'db'"),
                    HasSubstr("http://localhost:6060/debug/pprof/heap"),
                    HasSubstr("\"HTTP 503 \""), Not(HasSubstr("/etc"))));
  meta = {.source_endpoint = "unix:/run/node/pprof.sock"};
  EXPECT_THAT(EncodeEventMetaForOthers(meta),
              HasSubstr("\"sourceEndpoint\": \"unix:pprof.sock\""));
}

TEST(EventMetaTest, LeavesTheLastPartOfPaths) {
  for (const auto& [text, expected] :
       {std::pair{"unix:/run/node/pprof.sock:/debug/pprof/heap",
                  "unix:pprof.sock:/debug/pprof/heap"},
        {"unix:/run/node/pprof.sock, later", "unix:pprof.sock, later"},
        {"--pressure-profiler-dir: open /var/lib/x: Permission denied",
         "--pressure-profiler-dir: open x: Permission denied"},
        {"dir:/var/lib/x", "dir:x"},
        {"http://localhost:6060/debug", "http://localhost:6060/debug"},
        {"/", ""},
        {"", ""}}) {
    EXPECT_EQ(WithoutDirectories(text), expected);
  }
}

TEST(EventMetaTest, IgnoresKeysThatItDoesNotKnowAndMissingOnes) {
  EXPECT_THAT(DecodeEventMeta(R"({"later": {"a": [1, {}]}, "rssBytes": 5,
                                  "profiles": null, "death": null})"),
              IsOkAndHolds(EventMeta{.rss_bytes = 5}));
  EXPECT_THAT(DecodeEventMeta("{}"), IsOkAndHolds(EventMeta{}));
}

TEST(EventMetaTest, NamesTheKeyThatIsWrong) {
  const std::pair<const char*, const char*> bad[] = {
      {R"([])", "no JSON object"},
      {R"({} x)", "no JSON"},
      {R"({"podName": "\xff"})", "no JSON"},
      {R"({"capturedAt": 5})", "capturedAt"},
      {R"({"capturedAt": "yesterday"})", "capturedAt"},
      {R"({"podName": 5})", "podName"},
      {R"({"rssBytes": -1})", "rssBytes"},
      {R"({"rssBytes": 1.5})", "rssBytes"},
      {R"({"rssBytes": 18446744073709551616})", "rssBytes"},
      {R"({"rssBytes": "5"})", "rssBytes"},
      {R"({"triggerPercent": 4294967296})", "triggerPercent"},
      {R"({"profiles": {}})", "profiles"},
      {R"({"profiles": [5]})", "profiles"},
      {R"({"profiles": [{}]})", "profiles.filename"},
      {R"({"profiles": [{"filename": "../../etc/shadow"}]})", "filename"},
      {R"({"profiles": [{"filename": "a\u0000b"}]})", "filename"},
      {R"({"profiles": [{"filename": "meta.json"}]})", "filename"},
      {R"({"profiles": [{"filename": "a", "size_bytes": 1125899906842625}]})",
       "limit"},
      {R"({"profiles": [{"filename": "a"}, {"filename": "a"}]})", "twice"},
      {R"({"profiles": [{"filename": "a", "size_bytes": 1}],
           "steps": [{"file": "a", "bytes": 2}]})",
       "1 bytes as profile and 2"},
      {R"({"trigger": []})", "trigger"},
      {R"({"trigger": {"inputs": [{"value": "x"}]}})", "value"},
      {R"({"trigger": {"inputs": [{"value": 1e999}]}})", "no JSON"},
      {R"({"steps": [{"outcome": "splendid"}]})", "outcome"},
      {R"({"steps": [{"durationNs": -5}]})", "durationNs"},
      {R"({"steps": [{"bytes": 5}]})", "without a file"},
      {R"({"steps": [{"file": "a", "outcome": "failed"}]})", "steps.file"},
      {R"({"steps": [{"file": "a", "sha256": "x"}]})", "sha256"},
      {R"({"death": 5})", "death"},
      {R"({"death": {"signal": 3000000000}})", "signal"},
      {R"({"death": {"oomKilled": 1}})", "oomKilled"},
  };
  for (const auto& [text, why] : bad)
    EXPECT_THAT(DecodeEventMeta(text), IsDamaged(why)) << text;
}

TEST(EventMetaTest, BoundsWhatItReads) {
  EXPECT_THAT(DecodeEventMeta("{}" + std::string(kMaxMetaBytes, ' ')),
              IsDamaged("limit is 262144"));
  EXPECT_THAT(DecodeEventMeta(std::string(kMaxMetaBytes, '[')),
              IsDamaged("no JSON"));
  std::string many = R"({"profiles": [)";
  for (int i = 0; i < 65; ++i)
    many += StrCat(i == 0 ? "" : ",", R"({"filename": "f)", i, "\"}");
  EXPECT_THAT(DecodeEventMeta(many + "]}"), IsDamaged("limit is 64"));
  EXPECT_THAT(
      DecodeEventMeta(StrCat(R"({"role": ")", std::string(4097, 'x'), "\"}")),
      IsDamaged("role has 4097 bytes; the limit is 4096"));
}

TEST(EventMetaTest, RefusesToKeepWhatItWouldNotRead) {
  EXPECT_THAT(CheckEventMeta(FullEventMeta()), IsOk());
  const auto check = [](auto change) {
    EventMeta m = FullEventMeta();
    change(&m);
    return CheckEventMeta(m);
  };
  const auto refused = [](const char* key) {
    return StatusIs(Code::kInvalidArgument, HasSubstr(key));
  };
  EXPECT_THAT(check([](EventMeta* m) { m->pod_name = "\xff"; }),
              refused("podName"));
  EXPECT_THAT(check([](EventMeta* m) { m->trigger.inputs.resize(65); }),
              refused("trigger.inputs"));
  EXPECT_THAT(check([](EventMeta* m) {
                m->trigger.inputs[0].value =
                    std::numeric_limits<double>::infinity();
              }),
              refused("not finite"));
  EXPECT_THAT(check([](EventMeta* m) { m->steps.resize(129); }),
              refused("steps"));
  EXPECT_THAT(check([](EventMeta* m) { m->steps[0].file = "a/b"; }),
              refused("steps.file"));
}

}  // namespace
}  // namespace fodc::evidence
