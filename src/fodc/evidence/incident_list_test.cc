// SPDX-License-Identifier: Apache-2.0
#include "fodc/evidence/incident_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/evidence/incident_testing.h"

namespace fodc::evidence {
namespace {

using Outcome = IncidentList::Outcome;
using ::testing::ElementsAre;

std::vector<std::string> Ids(const IncidentList& list) {
  std::vector<std::string> ids;
  for (const IncidentRef& i : list.all()) ids.push_back(i->id);
  return ids;
}

TEST(IncidentListTest, TheGreaterRevisionHolds) {
  IncidentList list;
  EXPECT_THAT(list.Put(OpenIncident("a", 2)), IsOkAndHolds(Outcome::kNew));
  EXPECT_THAT(list.Put(OpenIncident("b")), IsOkAndHolds(Outcome::kNew));
  EXPECT_THAT(list.Put(OpenIncident("a", 1)), IsOkAndHolds(Outcome::kKnown));
  EXPECT_THAT(list.Put(EndedIncident("a", 2)), IsOkAndHolds(Outcome::kKnown));
  EXPECT_EQ(list.open(), 2u);
  EXPECT_THAT(list.Put(EndedIncident("a", 3)), IsOkAndHolds(Outcome::kUpdated));
  EXPECT_EQ(list.open(), 1u);
  EXPECT_EQ(list.Find("a")->revision, 3u);
  EXPECT_EQ(list.Find("c"), nullptr);
  EXPECT_THAT(Ids(list), ElementsAre("b", "a"));
  EXPECT_EQ(list.dropped(), 0u);
}

TEST(IncidentListTest, WhatMayNotBeKeptChangesNothing) {
  IncidentList list;
  ASSERT_THAT(list.Put(OpenIncident("a")), IsOk());
  Incident bad = OpenIncident("a", 2);
  bad.verdict.clear();
  EXPECT_THAT(list.Put(bad), StatusIs(Code::kInvalidArgument, ::testing::_));
  EXPECT_EQ(list.Find("a")->revision, 1u);
}

TEST(IncidentListTest, TheFirstThatEndedGivesWayBeforeAnyOpenOne) {
  IncidentList list({.incidents = 3, .bytes = 1u << 20});
  ASSERT_THAT(list.Put(OpenIncident("a")), IsOk());
  ASSERT_THAT(list.Put(EndedIncident("b")), IsOk());
  ASSERT_THAT(list.Put(EndedIncident("c")), IsOk());
  // An update takes no room from others.
  ASSERT_THAT(list.Put(EndedIncident("b", 3)), IsOk());
  EXPECT_THAT(Ids(list), ElementsAre("a", "c", "b"));
  ASSERT_THAT(list.Put(OpenIncident("d")), IsOk());
  EXPECT_THAT(Ids(list), ElementsAre("a", "b", "d"));
  ASSERT_THAT(list.Put(OpenIncident("e")), IsOk());
  EXPECT_THAT(Ids(list), ElementsAre("a", "d", "e"));
  // Nothing else is left: the one that was silent longest.
  ASSERT_THAT(list.Put(OpenIncident("a", 2)), IsOk());
  ASSERT_THAT(list.Put(OpenIncident("f")), IsOk());
  EXPECT_THAT(Ids(list), ElementsAre("e", "a", "f"));
  EXPECT_EQ(list.dropped(), 3u);
}

TEST(IncidentListTest, WhatIsOpenEndsUnseenInTheSameRevision) {
  IncidentList list;
  for (const Incident& i :
       {OpenIncident("a", 5), EndedIncident("b", 3), OpenIncident("c")})
    ASSERT_THAT(list.Put(i), IsOk());
  list.EndAllUnseen();
  EXPECT_EQ(list.open(), 0u);
  // In the order of their ends.
  EXPECT_THAT(Ids(list), ElementsAre("b", "a", "c"));
  Incident a = OpenIncident("a", 5);
  EndUnseen(&a);
  EXPECT_EQ(*list.Find("a"), a);
  EXPECT_EQ(*list.Find("b"), EndedIncident("b", 3));
  // The agent's own word of the end is the greater one.
  EXPECT_THAT(list.Put(EndedIncident("a", 6)), IsOkAndHolds(Outcome::kUpdated));
  std::size_t bytes = 0;
  for (const IncidentRef& i : list.all()) bytes += IncidentBytes(*i);
  EXPECT_EQ(list.bytes(), bytes);
  EXPECT_EQ(list.dropped(), 0u);
}

TEST(IncidentListTest, EndsStayWithinTheLimits) {
  const std::size_t each = IncidentBytes(OpenIncident("a"));
  IncidentList list({.incidents = 9, .bytes = 9 * each});
  for (int i = 0; i < 9; ++i)
    ASSERT_THAT(list.Put(OpenIncident(std::to_string(i))), IsOk());
  list.EndAllUnseen();
  EXPECT_EQ(list.open(), 0u);
  EXPECT_LE(list.bytes(), 9 * each);
  EXPECT_GT(list.all().size(), 5u);
  EXPECT_EQ(list.dropped() + list.all().size(), 9u);
  EXPECT_EQ(list.all().back()->id, "8");
}

TEST(IncidentListTest, WhatIsEarlierStandsBeforeAndGivesWayFirst) {
  IncidentList list({.incidents = 4, .bytes = 1u << 20});
  for (const Incident& i : {EndedIncident("c"), OpenIncident("d", 7)})
    ASSERT_THAT(list.Put(i), IsOk());
  Incident bad = EndedIncident("bad");
  bad.verdict.clear();
  list.PutEarlier(
      {EndedIncident("a"), bad, EndedIncident("b"), EndedIncident("d", 2)});
  EXPECT_THAT(Ids(list), ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(list.Find("d")->revision, 7u) << "what is here is later";
  EXPECT_EQ(list.dropped(), 0u);
  // One of this life pushes out what is earlier, not what this life found.
  for (const char* id : {"e", "f"})
    ASSERT_THAT(list.Put(OpenIncident(id)), IsOk());
  EXPECT_THAT(Ids(list), ElementsAre("c", "d", "e", "f"));
  list.PutEarlier({EndedIncident("g"), EndedIncident("h")});
  EXPECT_THAT(Ids(list), ElementsAre("c", "d", "e", "f"));
  EXPECT_EQ(list.dropped(), 4u);
  std::size_t bytes = 0;
  for (const IncidentRef& i : list.all()) bytes += IncidentBytes(*i);
  EXPECT_EQ(list.bytes(), bytes);
}

TEST(IncidentListTest, HoldsNoMoreThanItsBytes) {
  IncidentList list;
  Incident large = EndedIncident("");
  large.summary = large.advice = std::string(kMaxIncidentTextBytes, 'x');
  large.numbers.resize(kMaxIncidentNumbers,
                       {std::string(kMaxIncidentNameBytes, 'n'), 1});
  for (int i = 0; i < 500; ++i) {
    large.id = std::to_string(i);
    ASSERT_THAT(list.Put(large), IsOk());
    ASSERT_LE(list.bytes(), IncidentList::Limits().bytes);
  }
  EXPECT_GT(list.all().size(), 5u);
  EXPECT_EQ(list.all().back()->id, "499");
  EXPECT_EQ(list.dropped() + list.all().size(), 500u);
  std::size_t bytes = 0;
  for (const IncidentRef& i : list.all()) bytes += IncidentBytes(*i);
  EXPECT_EQ(list.bytes(), bytes);
  while (list.DropOldest()) {
  }
  EXPECT_EQ(list.bytes(), 0u);
}

}  // namespace
}  // namespace fodc::evidence
