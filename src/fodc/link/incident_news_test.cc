// SPDX-License-Identifier: Apache-2.0
#include "fodc/link/incident_news.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/link/flight_codec.h"

namespace fodc::link {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::size_t kAmple = 1u << 20;

class IncidentNewsTest : public ::testing::Test {
 protected:
  void Put(const std::string& id, std::uint32_t revision,
           std::size_t summary_bytes = 10) {
    evidence::Incident i;
    i.id = id;
    i.detector = "read_latency";
    i.verdict = "W4";
    i.summary.assign(summary_bytes, 's');
    i.started_ms = i.updated_ms = 1000;
    i.revision = revision;
    ASSERT_THAT(list_.Put(i), IsOk());
    news_.OnChanged();
  }
  static flight::v1::Welcome Welcome() {
    flight::v1::Welcome w;
    w.add_features("other");
    w.add_features(std::string(kIncidentsFeature));
    return w;
  }
  // "id/revision" of each.
  std::vector<std::string> Take(std::size_t max_bytes = kAmple) {
    flight::v1::Incidents message;
    news_.Take(
        max_bytes, [this](std::size_t bytes) { left_out_ += bytes; }, &message);
    EXPECT_LE(message.ByteSizeLong(), max_bytes);
    std::vector<std::string> told;
    for (const auto& i : message.incidents()) {
      told.push_back(i.id() + "/" + std::to_string(i.revision()));
    }
    return told;
  }

  evidence::IncidentList list_;
  IncidentNews news_{list_};
  std::size_t left_out_ = 0;
};

TEST_F(IncidentNewsTest, TellsEachRevisionOnce) {
  Put("a", 1);
  EXPECT_THAT(Take(), IsEmpty());  // nobody is there yet
  news_.Begin(Welcome());
  Put("b", 1);
  EXPECT_THAT(Take(), ElementsAre("a/1", "b/1"));
  EXPECT_FALSE(news_.any());
  EXPECT_THAT(Take(), IsEmpty());
  Put("a", 2);
  Put("a", 3);  // only the newest counts
  EXPECT_TRUE(news_.any());
  EXPECT_THAT(Take(), ElementsAre("a/3"));
}

TEST_F(IncidentNewsTest, LeavesOutWhatTheProxyHolds) {
  Put("same", 2);
  Put("newer", 3);
  Put("older", 1);
  Put("unknown", 1);
  flight::v1::Welcome w = Welcome();
  const auto hold = [&](const std::string& id, std::uint32_t revision) {
    flight::v1::HeldIncident* held = w.add_incidents();
    held->set_id(id);
    held->set_revision(revision);
  };
  hold("same", 2);
  hold("newer", 2);
  hold("older", 4);
  hold("of another life", 1);
  news_.Begin(w);
  EXPECT_THAT(Take(), ElementsAre("newer/3", "unknown/1"));
}

TEST_F(IncidentNewsTest, AProxyWithoutTheFeatureIsToldNothing) {
  Put("a", 1);
  flight::v1::Welcome w;
  w.add_features("other");
  news_.Begin(w);
  EXPECT_FALSE(news_.any());
  EXPECT_THAT(Take(), IsEmpty());
}

TEST_F(IncidentNewsTest, KeepsToTheSizeOfAMessage) {
  for (int i = 0; i < 5; ++i) Put(std::to_string(i), 1, 400);
  news_.Begin(Welcome());
  EXPECT_THAT(Take(1000), ElementsAre("0/1", "1/1"));
  EXPECT_THAT(Take(1000), ElementsAre("2/1", "3/1"));
  // What changed meanwhile has its turn at the end.
  Put("0", 2, 400);
  EXPECT_THAT(Take(1000), ElementsAre("4/1", "0/2"));
  EXPECT_THAT(Take(1000), IsEmpty());
  EXPECT_EQ(left_out_, 0u);
}

TEST_F(IncidentNewsTest, OneLargerThanAnyMessageIsLeftOutOnce) {
  Put("a", 1);
  Put("large", 1, 3000);
  Put("b", 1);
  news_.Begin(Welcome());
  EXPECT_THAT(Take(1000), ElementsAre("a/1", "b/1"));
  EXPECT_GT(left_out_, 3000u);
  left_out_ = 0;
  Put("c", 1);
  EXPECT_THAT(Take(1000), ElementsAre("c/1"));
  EXPECT_EQ(left_out_, 0u);
}

TEST_F(IncidentNewsTest, KeepsToTheNumberOfAMessage) {
  list_ = evidence::IncidentList({.incidents = 1000, .bytes = kAmple});
  for (int i = 0; i < 2 * kMaxIncidents; ++i) Put(std::to_string(i), 1);
  news_.Begin(Welcome());
  EXPECT_EQ(Take().size(), static_cast<std::size_t>(kMaxIncidents));
  EXPECT_TRUE(news_.any());
  EXPECT_EQ(Take().size(), static_cast<std::size_t>(kMaxIncidents));
  EXPECT_THAT(Take(), IsEmpty());
}

}  // namespace
}  // namespace fodc::link
