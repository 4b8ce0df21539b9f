// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/incident.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::evidence {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

Incident Good() {
  Incident i;
  i.id = "5f-1";
  i.detector = "read_latency";
  i.verdict = "W3";
  i.cause = "policy";
  i.summary = "reads became slow";
  i.started_ms = 1000;
  i.updated_ms = 2000;
  i.numbers = {{"read_p99_seconds", 0.5}};
  i.missing_signals = {"compaction_bytes"};
  return i;
}

TEST(IncidentTest, TakesWhatIsWithinTheBounds) {
  EXPECT_THAT(CheckIncident(Good()), IsOk());
  Incident i = Good();
  i.ended_ms = 2000;
  EXPECT_THAT(CheckIncident(i), IsOk());
  i.numbers.resize(kMaxIncidentNumbers, {"n", 1});
  i.missing_signals.resize(kMaxMissingSignals, "s");
  i.summary = std::string(kMaxIncidentTextBytes, 'x');
  i.target = std::string(kMaxIncidentNameBytes, 'x');
  EXPECT_THAT(CheckIncident(i), IsOk());
}

TEST(IncidentTest, NamesTheFieldAndTheLimit) {
  const auto message = [](auto change) {
    Incident i = Good();
    change(i);
    const Status s = CheckIncident(i);
    EXPECT_EQ(s.code(), Code::kInvalidArgument);
    return std::string(s.message());
  };
  EXPECT_THAT(message([](Incident& i) { i.id.clear(); }),
              HasSubstr("id is empty"));
  EXPECT_THAT(message([](Incident& i) { i.verdict.clear(); }),
              HasSubstr("verdict is empty"));
  EXPECT_THAT(message([](Incident& i) { i.cause.assign(257, 'x'); }),
              HasSubstr("cause has 257 bytes, at most 256"));
  EXPECT_THAT(message([](Incident& i) { i.summary.assign(4097, 'x'); }),
              HasSubstr("summary has 4097 bytes, at most 4096"));
  EXPECT_THAT(message([](Incident& i) { i.advice = "a\nb"; }),
              HasSubstr("advice is not UTF-8 without control"));
  EXPECT_THAT(message([](Incident& i) { i.target = "\xff"; }),
              HasSubstr("target is not UTF-8"));
  EXPECT_THAT(message([](Incident& i) {
                i.numbers.resize(65, {"n", 1});
              }),
              HasSubstr("65 numbers, at most 64"));
  EXPECT_THAT(message([](Incident& i) { i.numbers[0].name.clear(); }),
              HasSubstr("name of a number is empty"));
  EXPECT_THAT(message([](Incident& i) { i.missing_signals.resize(17, "s"); }),
              HasSubstr("17 missing signals, at most 16"));
  EXPECT_THAT(message([](Incident& i) { i.updated_ms = 999; }),
              HasSubstr("not in order"));
  EXPECT_THAT(message([](Incident& i) { i.ended_ms = 999; }),
              HasSubstr("not in order"));
  EXPECT_THAT(message([](Incident& i) { i.started_ms = 0; }),
              HasSubstr("not in order"));
  EXPECT_THAT(message([](Incident& i) { i.revision = 0; }),
              HasSubstr("revision 0"));
}

TEST(IncidentTest, WhatNobodySawEndEndsWhenItWasLastSeen) {
  Incident i = Good();
  i.revision = 3;
  EndUnseen(&i);
  Incident ended = Good();
  ended.revision = 3;
  ended.ended_ms = 2000;
  ended.summary =
      "reads became slow Ended: its agent ended; nobody saw the end.";
  EXPECT_EQ(i, ended);
  EXPECT_THAT(CheckIncident(i), IsOk());
  EndUnseen(&i);
  EXPECT_EQ(i, ended) << "it ends once";
}

TEST(IncidentTest, AnEndThatNobodySawStaysWithinTheBounds) {
  Incident i = Good();
  i.summary.clear();
  EndUnseen(&i);
  EXPECT_EQ(i.summary, "Ended: its agent ended; nobody saw the end.");
  // Wherever a character of two bytes or of four may be cut.
  for (std::size_t lead = 0; lead < 5; ++lead) {
    for (const std::string character : {"\xc2\xb5", "\xf0\x9f\x94\xa5"}) {
      i = Good();
      i.summary.assign(lead, 'x');
      while (i.summary.size() + character.size() <= kMaxIncidentTextBytes)
        i.summary += character;
      EndUnseen(&i);
      EXPECT_THAT(CheckIncident(i), IsOk());
      EXPECT_THAT(i.summary, EndsWith("; nobody saw the end."));
      EXPECT_GT(i.summary.size(), kMaxIncidentTextBytes - 4);
    }
  }
}

}  // namespace
}  // namespace fodc::evidence
