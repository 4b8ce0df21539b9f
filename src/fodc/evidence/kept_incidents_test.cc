// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/kept_incidents.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "fodc/base/file.h"
#include "fodc/base/kept_text.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc::evidence {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Incident Sample() {
  Incident i;
  i.id = "read-latency-17-4";
  i.detector = "read_latency";
  i.verdict = "W3";
  i.cause = "policy";
  i.target = "db 1";
  i.summary = "reads of files became slow: p99 4 ms, usually 40 \xc2\xb5s";
  i.advice = "raise eviction thresholds";
  i.started_ms = 1000;
  i.updated_ms = 3000;
  i.revision = 2;
  i.numbers = {{"read_p99_seconds", 0.1 + 0.2}, {"fadvise per second", -4}};
  i.missing_signals = {"block_cache_misses"};
  return i;
}

std::vector<IncidentRef> Refs(const std::vector<Incident>& incidents) {
  std::vector<IncidentRef> refs;
  refs.reserve(incidents.size());
  for (const Incident& i : incidents)
    refs.push_back(std::make_shared<const Incident>(i));
  return refs;
}

TEST(KeptIncidentsTest, ReadsBackWhatWasWritten) {
  Incident ended = Sample();
  ended.id = "read-latency-17-9";
  ended.ended_ms = 9000;
  ended.cause.clear();
  ended.numbers.clear();
  const auto read =
      DecodeIncidents(EncodeIncidents("db-0", Refs({Sample(), ended})));
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(read->pod, "db-0");
  EXPECT_THAT(read->incidents, ElementsAre(Sample(), ended));
  const auto none = DecodeIncidents(EncodeIncidents("", {}));
  ASSERT_THAT(none, IsOk());
  EXPECT_EQ(none->pod, "");
  EXPECT_THAT(none->incidents, IsEmpty());
}

// The worked example of docs/formats/recording.md.
TEST(KeptIncidentsTest, IsTheTextOfTheDocument) {
  const auto document = ReadFile(test::SourcePath("docs/formats/recording.md"));
  ASSERT_THAT(document, IsOk());
  constexpr std::string_view kFence = "```incidents\n";
  const std::size_t begin = document->find(kFence) + kFence.size();
  ASSERT_GT(begin, kFence.size());
  const std::string text =
      document->substr(begin, document->find("```", begin) - begin);
  const auto kept = DecodeIncidents(text);
  ASSERT_THAT(kept, IsOk());
  ASSERT_EQ(kept->incidents.size(), 1u);
  EXPECT_TRUE(kept->incidents[0].is_open());
  EXPECT_EQ(kept->incidents[0].numbers[1].value, 1200);
  EXPECT_EQ(EncodeIncidents(kept->pod, Refs(kept->incidents)), text);
}

TEST(KeptIncidentsTest, LeavesOutNumbersThatAreNone) {
  Incident i = Sample();
  i.numbers = {{"a", std::nan("")}, {"b", INFINITY}, {"c", 1}};
  const auto read = DecodeIncidents(EncodeIncidents("db-0", Refs({i})));
  ASSERT_THAT(read, IsOk());
  EXPECT_THAT(read->incidents[0].numbers, ElementsAre(IncidentNumber{"c", 1}));
}

TEST(KeptIncidentsTest, TrustsNothing) {
  const std::string good = EncodeIncidents("db-0", Refs({Sample()}));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    EXPECT_THAT(DecodeIncidents(bad),
                StatusIs(Code::kDataLoss, HasSubstr("it")))
        << i;
    EXPECT_THAT(DecodeIncidents(good.substr(0, i)),
                StatusIs(Code::kDataLoss, HasSubstr("it")));
  }
  const auto sealed = [](std::string_view lines) {
    return DecodeIncidents(SealText("fodc-incidents 1\n", lines));
  };
  EXPECT_THAT(sealed("verdict W3\n"),
              StatusIs(Code::kDataLoss, HasSubstr("out of place")));
  EXPECT_THAT(sealed("incident a\n"),
              StatusIs(Code::kDataLoss, HasSubstr("detector is empty")));
  EXPECT_THAT(sealed("incident a\nrevision 4294967296\n"),
              StatusIs(Code::kDataLoss, HasSubstr("out of place")));
  EXPECT_THAT(sealed("incident a\nnumber nan b\n"),
              StatusIs(Code::kDataLoss, HasSubstr("out of place")));
  EXPECT_THAT(sealed("pod\n"),
              StatusIs(Code::kDataLoss, HasSubstr("no value")));
  EXPECT_THAT(sealed("incident\n"),
              StatusIs(Code::kDataLoss, HasSubstr("no value")));
}

}  // namespace
}  // namespace fodc::evidence
