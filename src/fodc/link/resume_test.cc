// SPDX-License-Identifier: Apache-2.0
// The flight link over a network with a mind of its own: after every break,
// the proxy's mirror is what the agent recorded, sample by sample.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "fodc/base/log_testing.h"
#include "fodc/base/strings.h"
#include "fodc/link/flight_link_testing.h"
#include "fodc/net/http_server.h"

namespace fodc::link {
namespace {

using fleet::AgentStatus;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(FlightLinkTest, MirrorsEverySampleAsItIsAppended) {
  StartAll();
  agent_->Append(5);
  ExpectMirrored();
  for (int i = 0; i < 60; ++i) {
    agent_->Append();
    RunFor(milliseconds(2));
  }
  ExpectMirrored();
  EXPECT_EQ(AllSamples(agent_->recording()), AllSamples(mirror()->recording()));
  const ProxyLinkStats stats = agent_->stats();
  // A reader that lags gets the chunk that it is in the middle of, whole.
  EXPECT_GE(stats.frames_sent, 130u);
  EXPECT_LE(stats.frames_sent, 260u);
  EXPECT_EQ(stats.gaps, 0u);
  EXPECT_EQ(stats.connects, 1u);
  ASSERT_TRUE(Until([&] { return agent_->stats().round_trip.count() > 0; }));
  const fleet::Agent agent = fleet_->List()->at(0);
  EXPECT_EQ(agent.kind, fleet::AgentKind::kFlight);
  EXPECT_EQ(agent.identity, agent_->identity());
  ASSERT_TRUE(
      Until([&] { return fleet_->List()->at(0).round_trip.count() > 0; }));
}

TEST_F(FlightLinkTest, ResumesAfterACutWithoutAHole) {
  StartAll();
  agent_->Append(20);
  ExpectMirrored();
  for (int round = 0; round < 3; ++round) {
    relay_->Cut();
    ASSERT_TRUE(
        Until([&] { return agent_->stats().state != LinkState::kFlight; }));
    ASSERT_TRUE(Until(
        [&] { return fleet_->List()->at(0).status == AgentStatus::kOffline; }));
    agent_->Append(7);
    relay_->Heal();
    ExpectMirrored();
    EXPECT_EQ(fleet_->List()->size(), 1u);
  }
  EXPECT_EQ(mirror()->stats().gaps, 0u);
  EXPECT_EQ(agent_->stats().resumes, 3u);
  EXPECT_EQ(agent_->stats().gaps, 0u);
  // Resumed, not sent anew: 41 appends of two sources, and no frame twice but
  // those of a chunk in the middle of which the link broke.
  EXPECT_LE(agent_->stats().frames_sent, 2u * 41 + 3 * 16);
}

TEST_F(FlightLinkTest, BothEndsNoticeAFrozenLink) {
  options_.flight_dead_after = seconds(1);
  StartAll();
  agent_->Append(3);
  ExpectMirrored();
  const std::uint64_t before = server_->stats().dead_peers;
  relay_->Freeze();
  ASSERT_TRUE(
      Until([&] { return agent_->stats().state != LinkState::kFlight; }));
  ASSERT_TRUE(Until(
      [&] { return fleet_->List()->at(0).status == AgentStatus::kOffline; }));
  EXPECT_EQ(server_->stats().dead_peers, before + 1);
  agent_->Append(9);
  relay_->Heal();
  ExpectMirrored();
}

TEST_F(FlightLinkTest, ARestartedProxyGetsTheWholeWindowAgain) {
  StartAll();
  agent_->Append(30);
  ExpectMirrored();
  RestartServer();
  EXPECT_EQ(mirror(), nullptr);
  agent_->Append(5);
  ExpectMirrored();
  EXPECT_EQ(AllSamples(agent_->recording()), AllSamples(mirror()->recording()));
}

TEST_F(FlightLinkTest, WhatAKilledAgentHadNotSpilledIsStillAtTheProxy) {
  StartAll();
  agent_->Append(30);
  ExpectMirrored();
  const Samples before = AllSamples(agent_->recording());
  std::unique_ptr<TestAgent> reborn = agent_->Reborn(/*lost=*/7);
  EXPECT_NE(Missing(before, AllSamples(reborn->recording())), "");
  agent_ = std::move(reborn);
  agent_->Append(4);
  agent_->StartLink();
  ExpectMirrored();
  EXPECT_EQ(Missing(before, AllSamples(mirror()->recording())), "");
  EXPECT_EQ(fleet_->List()->size(), 1u);
  EXPECT_EQ(fleet_->stats().mirrors.gaps, 0u);
}

TEST_F(FlightLinkTest, SurvivesBreaksInAnyOrder) {
  NoticeSilenceSoon();
  StartAll();
  std::mt19937 random(20261121);
  Samples ever;
  for (int step = 0; step < 24; ++step) {
    agent_->Append(static_cast<int>(random() % 12));
    switch (random() % 5) {
      case 0:
        relay_->Cut();
        RunFor(milliseconds(random() % 60));
        break;
      case 1:
        relay_->Freeze();
        RunFor(milliseconds(random() % 500));
        break;
      case 2:
        RestartServer();
        break;
      case 3: {
        auto reborn = agent_->Reborn(random() % 5);
        agent_ = std::move(reborn);
        agent_->StartLink();
        break;
      }
      default:
        RunFor(milliseconds(random() % 30));
        break;
    }
    agent_->Append(static_cast<int>(random() % 5));
    relay_->Heal();
    SCOPED_TRACE(step);
    ExpectMirrored();
    if (HasFatalFailure()) return;
  }
}

TEST_F(FlightLinkTest, ASlowProxyHoldsBackNoMoreThanItsWindow) {
  options_.in_flight_bytes = 4096;
  StartAll();
  agent_->Append(1);
  ExpectMirrored();
  relay_->Freeze();
  for (int i = 0; i < 2000; ++i) {
    agent_->Append();
    if (i % 50 == 0) RunFor(milliseconds(1));
  }
  // One batch may start while the window has room, and holds one chunk more.
  EXPECT_LE(agent_->stats().in_flight_bytes, 4096u + 4096u);
  EXPECT_GT(agent_->stats().in_flight_bytes, 0u);
  relay_->Heal();
  ExpectMirrored();
  EXPECT_TRUE(Until([&] { return agent_->stats().in_flight_bytes == 0; }));
}

TEST_F(FlightLinkTest, MessagesKeepToTheProxysLimit) {
  options_.flight_message_bytes = 2000;
  StartServer();
  relay_ = std::make_unique<test::TcpRelay>(server_->port());
  agent_ = std::make_unique<TestAgent>(loop_, AgentOptions());
  agent_->Append(400);  // many messages at once
  agent_->StartLink();
  ExpectMirrored();
  agent_->Append(30);
  ExpectMirrored();
  EXPECT_EQ(agent_->stats().connects, 1u);
  EXPECT_EQ(mirror()->stats().gaps, 0u);
  EXPECT_EQ(server_->stats().messages_refused, 0u);
}

TEST_F(FlightLinkTest, AFrameLargerThanTheProxysMessagesIsLeftOut) {
  options_.flight_message_bytes = 2000;
  StartAll();
  agent_->Append(3);
  ExpectMirrored();
  std::vector<std::string> names;
  names.reserve(400);
  for (int i = 0; i < 400; ++i) names.push_back(StrCat("wide_", i));
  std::vector<exposition::SeriesDesc> lines(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    lines[i].name = lines[i].family = names[i];
  }
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("wide", "data");
  recording.SpliceLines(source, 0, 0, lines);
  std::vector<double> values(names.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = 1.0 / static_cast<double>(i + 3);
  }
  (void)recording.Append(source, {2'000'000, 2'000'000}, values, std::nullopt);
  // Until the next stretch, whose rows are complete.
  agent_->Append(12);
  ASSERT_TRUE(Until([&] { return CaughtUp(); })) << Describe();
  EXPECT_EQ(agent_->stats().connects, 1u);
  EXPECT_EQ(agent_->stats().gap_frames, 1u);
  EXPECT_EQ(server_->stats().messages_refused, 0u);
  const auto held = AllSamples(mirror()->recording());
  for (const auto& [series, samples] : held) {
    EXPECT_EQ(series.find("wide"), std::string::npos);
  }
  EXPECT_FALSE(held.empty());
}

TEST_F(FlightLinkTest, AnHttpPortIsToldForWhatItIs) {
  net::HttpServer http(loop_);
  ASSERT_TRUE(http.Listen("127.0.0.1:0").ok());
  const LogCapture log;
  TestAgent::Options o;
  o.link = QuickLinkOptions(StrCat("127.0.0.1:", http.port()));
  TestAgent agent(loop_, o);
  agent.StartLink();
  ASSERT_TRUE(Until([&] { return agent.stats().failures > 2; }));
  EXPECT_EQ(log.Lines("this is an HTTP port").size(), 1u)
      << agent.stats().last_failure.ToString();
  EXPECT_EQ(log.Lines("--grpc-listen-addr").size(), 1u);
}

TEST_F(FlightLinkTest, ASeriesLargerThanTheProxysMessagesLosesItsTextOnly) {
  options_.flight_message_bytes = 16u << 10;
  StartAll();
  const std::string text(20'000, 'x');
  const std::string help(4000, 'h');
  const exposition::Label label{"l", text};
  const exposition::Label shorter{"l",
                                  std::string_view(text).substr(0, 14'000)};
  std::vector<exposition::SeriesDesc> lines(3);
  lines[0].name = lines[0].family = "long";
  lines[0].labels = {&label, 1};
  lines[1].name = lines[1].family = "helped";
  lines[1].labels = {&shorter, 1};
  lines[1].help = help;
  lines[2].name = lines[2].family = "short";
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("mixed", "data");
  recording.SpliceLines(source, 0, 0, lines);
  const std::vector<double> values = {1, 2, 3};
  (void)recording.Append(source, {2'000'000, 2'000'000}, values, std::nullopt);
  agent_->Append(20);  // sealed, too
  ASSERT_TRUE(Until([&] { return CaughtUp(); })) << Describe();
  EXPECT_EQ(agent_->stats().connects, 1u);
  EXPECT_EQ(server_->stats().messages_refused, 0u);
  std::string names;
  for (const auto& [series, samples] : AllSamples(mirror()->recording())) {
    if (series.find("too_long") != std::string::npos ||
        series.find("helped") != std::string::npos ||
        series.find("short") != std::string::npos) {
      EXPECT_EQ(samples.size(), 1u);
      names += series.substr(0, series.find("xxx")) + ";";
    }
    EXPECT_EQ(series.find(std::string(15'000, 'x')), std::string::npos);
  }
  EXPECT_NE(names.find("fodc_series_too_long"), std::string::npos) << names;
  EXPECT_NE(names.find("helped"), std::string::npos) << names;
  EXPECT_NE(names.find("short"), std::string::npos) << names;
}

TEST_F(FlightLinkTest, ASessionThatIsRefusedAtOnceDoesNotShortenTheWait) {
  StartServer();
  relay_ = std::make_unique<test::TcpRelay>(server_->port());
  TestAgent::Options o = AgentOptions();
  o.link.max_backoff = std::chrono::hours(1);
  agent_ = std::make_unique<TestAgent>(loop_, o);
  recorder::Recording& recording = agent_->recording();
  const auto source = recording.OpenSource("s", "data");
  exposition::SeriesDesc line;
  line.name = line.family = "no name";  // welcomed each time, then refused
  recording.SpliceLines(source, 0, 0, {&line, 1});
  const double value = 1;
  (void)recording.Append(source, {1000, 1000}, {&value, 1}, std::nullopt);
  agent_->StartLink();
  ASSERT_TRUE(Until([&] { return agent_->stats().connects >= 3; }));
  RunFor(seconds(1));
  // 10, 20, 40 ms, ...; without doubling there would be a hundred.
  EXPECT_LE(agent_->stats().connects, 20u);
}

TEST_F(FlightLinkTest, AWindowThatMovedOnIsACountedGap) {
  StartServer();
  relay_ = std::make_unique<test::TcpRelay>(server_->port());
  TestAgent::Options o = AgentOptions();
  o.recording.budget_bytes = 24u << 10;
  agent_ = std::make_unique<TestAgent>(loop_, o);
  agent_->StartLink();
  agent_->Append(10);
  ExpectMirrored();
  relay_->Cut();
  ASSERT_TRUE(
      Until([&] { return agent_->stats().state != LinkState::kFlight; }));
  agent_->Append(3000);
  relay_->Heal();
  ExpectMirrored();
  EXPECT_EQ(agent_->stats().gaps, 1u);
  EXPECT_GT(agent_->stats().gap_frames, 1000u);
  EXPECT_EQ(mirror()->stats().gaps, 1u);
  EXPECT_EQ(mirror()->stats().missing_frames, agent_->stats().gap_frames);
}

TEST_F(FlightLinkTest, ANewRoleReachesTheProxy) {
  StartAll();
  ASSERT_TRUE(
      Until([&] { return agent_->stats().state == LinkState::kFlight; }));
  agent_->identity().role = "ROLE_LIAISON";
  agent_->identity().labels = {{"type", "hot"}};
  agent_->link().OnIdentityChanged();
  ASSERT_TRUE(Until(
      [&] { return fleet_->List()->at(0).identity.role == "ROLE_LIAISON"; }));
  EXPECT_EQ(fleet_->List()->at(0).identity.labels,
            (fleet::Labels{{"type", "hot"}}));
}

TEST_F(FlightLinkTest, StopSaysGoodbye) {
  StartAll();
  agent_->Append(3);
  ExpectMirrored();
  bool stopped = false;
  agent_->link().Stop("done", seconds(5), [&] { stopped = true; });
  ASSERT_TRUE(Until([&] { return stopped; }));
  ASSERT_TRUE(Until(
      [&] { return fleet_->List()->at(0).status == AgentStatus::kOffline; }));
}

TEST_F(FlightLinkTest, ADrainingProxySaysGoodbyeAndTheAgentComesBack) {
  StartAll();
  agent_->Append(3);
  ExpectMirrored();
  bool drained = false;
  server_->Drain("rolling update", seconds(5), [&] { drained = true; });
  ASSERT_TRUE(Until([&] { return drained; }));
  ASSERT_TRUE(
      Until([&] { return agent_->stats().state != LinkState::kFlight; }));
  RestartServer();
  agent_->Append(3);
  ExpectMirrored();
}

TEST_F(FlightLinkTest, AProxyThatNeverWelcomesIsLeft) {
  StartServer();
  relay_ = std::make_unique<test::TcpRelay>(server_->port());
  relay_->Freeze();
  TestAgent::Options o = AgentOptions();
  o.link.connect_timeout = milliseconds(200);
  agent_ = std::make_unique<TestAgent>(loop_, o);
  agent_->Append(3);
  agent_->StartLink();
  ASSERT_TRUE(Until([&] { return agent_->stats().failures >= 2; }));
  EXPECT_EQ(agent_->stats().connects, 0u);
  relay_->Heal();
  ExpectMirrored();
}

TEST_F(FlightLinkTest, StreamsToEveryProxy) {
  StartServer();
  fleet::Fleet other_fleet(SystemClock(), fleet_options_);
  auto other = LinkServer::Start(loop_, other_fleet, options_);
  ASSERT_TRUE(other.ok());
  relay_ = std::make_unique<test::TcpRelay>(server_->port());
  TestAgent::Options o = AgentOptions();
  // A name stands for its addresses.
  o.link.proxies.push_back(StrCat("localhost:", (*other)->port()));
  agent_ = std::make_unique<TestAgent>(loop_, o);
  agent_->StartLink();
  agent_->Append(10);
  ASSERT_TRUE(Until([&] {
    return fleet_->List()->size() == 1 && other_fleet.List()->size() == 1;
  }));
  const auto same = [&](const fleet::Fleet& f) {
    const fleet::Mirror* m = f.mirror(f.List()->at(0).id);
    return m->recording().newest() == agent_->recording().newest();
  };
  ASSERT_TRUE(Until([&] { return same(*fleet_) && same(other_fleet); }));
  agent_->StopLink();
}

}  // namespace
}  // namespace fodc::link
