// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/event_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/evidence/event_id.h"

namespace fodc::fleet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string Id(int second) {
  return evidence::MakeEventId(ParseRfc3339("2026-11-23T01:02:03Z").value() +
                               std::chrono::seconds(second));
}

ListedEvent Event(int second, std::uint64_t rss = 1) {
  ListedEvent e;
  e.id = Id(second);
  e.meta.rss_bytes = rss;
  e.meta.profiles = {{.type = "heap", .filename = "heap.pprof"}};
  return e;
}

Agent Node(const std::string& pod, const AgentId& id,
           AgentKind kind = AgentKind::kFlight) {
  Agent a;
  a.id = id;
  a.kind = kind;
  a.identity.pod_name = pod;
  a.identity.role = "ROLE_DATA";
  if (kind == AgentKind::kFlight) a.identity.instance_id = "instance";
  return a;
}

std::vector<std::string> Ids(const NodeEvents& node) {
  std::vector<std::string> ids;
  ids.reserve(node.events.size());
  for (const auto& e : node.events) ids.push_back(e->id);
  return ids;
}

std::vector<AgentId> Agents(
    const std::vector<std::shared_ptr<const NodeEvents>>& nodes) {
  std::vector<AgentId> out;
  out.reserve(nodes.size());
  for (const auto& n : nodes) out.push_back(n->agent);
  return out;
}

class EventBookTest : public ::testing::Test {
 protected:
  EventBook::Limits limits_;
  EventBook book_{limits_};
};

TEST_F(EventBookTest, ListsWhatWasToldTheNewestFirst) {
  ASSERT_THAT(book_.Replace(Node("b", "1"), {Event(2), Event(9), Event(4)}),
              IsOk());
  ASSERT_THAT(book_.Replace(Node("a", "2", AgentKind::kV1), {Event(1)}),
              IsOk());
  const auto all = book_.List();
  ASSERT_THAT(Agents(all), ElementsAre("2", "1"));
  EXPECT_THAT(Ids(*all[1]), ElementsAre(Id(9), Id(4), Id(2)));
  EXPECT_EQ(all[0]->kind, AgentKind::kV1);
  EXPECT_EQ(all[0]->pod_name, "a");
  EXPECT_EQ(all[0]->role, "ROLE_DATA");
  EXPECT_THAT(Agents(book_.Find("B")), ElementsAre("1"));
  EXPECT_THAT(book_.Find("c"), IsEmpty());
  EXPECT_EQ(book_.Of("1"), all[1]);
  EXPECT_EQ(book_.Of("3"), nullptr);
}

TEST_F(EventBookTest, AReturningAgentReplacesItsOwn) {
  for (const AgentKind kind : {AgentKind::kFlight, AgentKind::kV1}) {
    EventBook book(limits_);
    ASSERT_THAT(book.Replace(Node("a", "1", kind), {Event(1), Event(2)}),
                IsOk());
    ASSERT_THAT(book.Replace(Node("A", "2", kind), {Event(2), Event(3)}),
                IsOk());
    const auto all = book.List();
    ASSERT_THAT(Agents(all), ElementsAre("2"));
    EXPECT_THAT(Ids(*all[0]), ElementsAre(Id(3), Id(2)));
    EXPECT_EQ(book.stats().events, 2u);
  }
}

TEST_F(EventBookTest, OneInConflictStandsBesideUntilItMovesUp) {
  ASSERT_THAT(book_.Replace(Node("a", "1"), {Event(1)}), IsOk());
  Agent second = Node("a", "2");
  second.status = AgentStatus::kConflict;
  ASSERT_THAT(book_.Replace(second, {Event(2)}), IsOk());
  EXPECT_THAT(Agents(book_.Find("a")), ElementsAre("2", "1"));
  second.status = AgentStatus::kOnline;
  ASSERT_THAT(book_.Put(second, Event(3)), IsOk());
  const auto nodes = book_.Find("a");
  ASSERT_THAT(Agents(nodes), ElementsAre("2"));
  EXPECT_THAT(Ids(*nodes[0]), ElementsAre(Id(3), Id(2)));
}

TEST_F(EventBookTest, AnAgentOfAnotherKindTakesOverItsDirectory) {
  ASSERT_THAT(
      book_.Replace(Node("a", "1", AgentKind::kV1), {Event(1), Event(2)}),
      IsOk());
  ASSERT_THAT(book_.Replace(Node("ab", "9"), {Event(1)}), IsOk());
  // The one that was upgraded has one of them still, and one that is new.
  ASSERT_THAT(book_.Replace(Node("a", "2"), {Event(2), Event(3)}), IsOk());
  const auto rest = book_.Find("a");
  ASSERT_THAT(Agents(rest), ElementsAre("2", "1"));
  EXPECT_THAT(Ids(*rest[0]), ElementsAre(Id(3), Id(2)));
  EXPECT_THAT(Ids(*rest[1]), ElementsAre(Id(1)));
  EXPECT_EQ(book_.stats().events, 4u);
  ASSERT_THAT(book_.Replace(Node("a", "3"), {Event(1), Event(2), Event(3)}),
              IsOk());
  EXPECT_THAT(Agents(book_.Find("a")), ElementsAre("3"));
  EXPECT_THAT(book_.Find("ab"), SizeIs(1));
  EXPECT_EQ(book_.stats().events, 4u);
  EXPECT_EQ(book_.stats().bytes, 4 * EventBytes(Event(1)));
}

TEST_F(EventBookTest, ChangesOneAndForgetsOne) {
  const Agent a = Node("a", "1");
  ASSERT_THAT(book_.Replace(a, {Event(1), Event(2)}), IsOk());
  const auto before = book_.Of("1");
  ListedEvent changed = Event(1, 77);
  changed.is_pinned = true;
  ASSERT_THAT(book_.Put(a, changed), IsOk());
  ASSERT_THAT(Ids(*book_.Of("1")), ElementsAre(Id(2), Id(1)));
  EXPECT_EQ(book_.Of("1")->events[1]->meta.rss_bytes, 77u);
  EXPECT_TRUE(book_.Of("1")->events[1]->is_pinned);
  EXPECT_EQ(before->events[1]->meta.rss_bytes, 1u) << "what was given stays";
  book_.Erase(a, Id(2));
  book_.Erase(a, Id(7));
  EXPECT_THAT(Ids(*book_.Of("1")), ElementsAre(Id(1)));
  book_.Erase(a, Id(1));
  EXPECT_THAT(book_.List(), IsEmpty());
  EXPECT_EQ(book_.stats().bytes, 0u);
  EXPECT_EQ(book_.stats().events, 0u);
}

TEST_F(EventBookTest, APinIsKnownAtOnceAndChangesNothingElse) {
  ASSERT_THAT(book_.Replace(Node("a", "1"), {Event(1), Event(2)}), IsOk());
  ASSERT_THAT(book_.Replace(Node("b", "2"), {Event(1)}), IsOk());
  const auto before = book_.Of("1");
  const auto stats = book_.stats();
  book_.SetPinned("1", Id(1), true);
  book_.SetPinned("1", Id(7), true);
  book_.SetPinned("nobody", Id(1), true);
  EXPECT_FALSE(before->events[1]->is_pinned) << "what is read stays as it was";
  EXPECT_TRUE(book_.Of("1")->events[1]->is_pinned);
  EXPECT_FALSE(book_.Of("1")->events[0]->is_pinned);
  EXPECT_FALSE(book_.Of("2")->events[0]->is_pinned);
  EXPECT_EQ(book_.stats().bytes, stats.bytes);
  book_.SetPinned("1", Id(1), false);
  EXPECT_FALSE(book_.Of("1")->events[1]->is_pinned);
}

TEST_F(EventBookTest, NoEventsAreAnAnswer) {
  ASSERT_THAT(book_.Replace(Node("a", "1"), {Event(1)}), IsOk());
  ASSERT_THAT(book_.Replace(Node("a", "1"), {}), IsOk());
  EXPECT_THAT(book_.List(), IsEmpty());
}

TEST_F(EventBookTest, LeavesOutWhatBreaksARuleAndTakesTheRest) {
  ListedEvent escaping = Event(2);
  escaping.id = "../../etc";
  ListedEvent bad = Event(3);
  bad.meta.profiles[0].filename = "../shadow";
  EXPECT_THAT(
      book_.Replace(Node("a", "1"), {Event(1), escaping, bad, Event(4)}),
      StatusIs(Code::kInvalidArgument, HasSubstr("../../etc")));
  EXPECT_THAT(Ids(*book_.Of("1")), ElementsAre(Id(4), Id(1)));
  EXPECT_THAT(book_.Put(Node("a", "1"), bad),
              StatusIs(Code::kInvalidArgument, HasSubstr("profiles.filename")));
  EXPECT_THAT(Ids(*book_.Of("1")), ElementsAre(Id(4), Id(1)));
  EXPECT_EQ(book_.stats().refused, 3u);
}

TEST_F(EventBookTest, OfOneIdTheLastHolds) {
  ASSERT_THAT(book_.Replace(Node("a", "1"), {Event(1, 5), Event(1, 6)}),
              IsOk());
  ASSERT_THAT(book_.Of("1")->events, SizeIs(1));
  EXPECT_EQ(book_.Of("1")->events[0]->meta.rss_bytes, 6u);
}

TEST_F(EventBookTest, BeyondALimitTheOldestGo) {
  limits_.max_events_per_node = 2;
  limits_.max_nodes = 2;
  EventBook book(limits_);
  ASSERT_THAT(book.Replace(Node("a", "1"), {Event(1), Event(2), Event(3)}),
              IsOk());
  EXPECT_THAT(Ids(*book.Of("1")), ElementsAre(Id(3), Id(2)));
  EXPECT_EQ(book.stats().dropped, 1u);
  ASSERT_THAT(book.Replace(Node("b", "2"), {Event(1)}), IsOk());
  ASSERT_THAT(book.Put(Node("a", "1"), Event(4)), IsOk());
  ASSERT_THAT(book.Replace(Node("c", "3"), {Event(1)}), IsOk());
  EXPECT_THAT(Agents(book.List()), ElementsAre("1", "3"))
      << "b was told of longest ago";
}

TEST_F(EventBookTest, WhoTakesMostGivesWay) {
  ListedEvent large = Event(1);
  large.meta.source_endpoint = std::string(4000, 'x');
  limits_.max_bytes = 3 * EventBytes(large);
  EventBook book(limits_);
  ASSERT_THAT(book.Replace(Node("small", "1"), {Event(1)}), IsOk());
  std::vector<ListedEvent> many;
  for (int i = 0; i < 10; ++i) {
    many.push_back(large);
    many.back().id = Id(i);
  }
  ASSERT_THAT(book.Replace(Node("large", "2"), many), IsOk());
  EXPECT_THAT(Ids(*book.Of("2")), ElementsAre(Id(9), Id(8)));
  EXPECT_THAT(Ids(*book.Of("1")), ElementsAre(Id(1)));
  EXPECT_LE(book.stats().bytes, limits_.max_bytes);
  EXPECT_EQ(book.stats().events, 3u);
}

}  // namespace
}  // namespace fodc::fleet
