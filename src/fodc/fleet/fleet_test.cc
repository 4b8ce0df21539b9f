// SPDX-License-Identifier: Apache-2.0
#include "fodc/fleet/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/recorder/log_reader.h"

namespace fodc::fleet {
namespace {

using recorder::LogEntry;
using ::testing::HasSubstr;

// An agent's recording, to be mirrored.
class Source {
 public:
  explicit Source(recorder::Incarnation incarnation, int series = 50)
      : recording_(incarnation,
                   {.budget_bytes = 64u << 20, .max_series = 1'000'000}),
        series_(series),
        random_(incarnation) {}

  void Append(int frames) {
    const recorder::SourceId source = recording_.OpenSource("s", "c");
    if (!spliced_) {
      std::vector<std::string> names;
      names.reserve(static_cast<std::size_t>(series_));
      for (int i = 0; i < series_; ++i)
        names.push_back("m" + std::to_string(i));
      std::vector<exposition::SeriesDesc> lines;
      for (const std::string& name : names) {
        exposition::SeriesDesc d;
        d.name = d.family = name;
        lines.push_back(d);
      }
      recording_.SpliceLines(source, 0, 0, lines);
      spliced_ = true;
    }
    for (int f = 0; f < frames; ++f) {
      std::vector<double> values;
      values.reserve(static_cast<std::size_t>(series_));
      for (int i = 0; i < series_; ++i) {
        values.push_back(std::ldexp(static_cast<double>(random_()), -20));
      }
      now_ms_ += 1000;
      (void)recording_.Append(source, {now_ms_, now_ms_}, values, std::nullopt);
    }
  }

  std::vector<LogEntry> Read(recorder::LogPosition from = {}) const {
    std::vector<LogEntry> out;
    recorder::Recording::Defined defined;
    recording_.ReadLog(from, &defined, [&](const LogEntry& e) {
      out.push_back(e);
      return true;
    });
    return out;
  }
  recorder::Recording& recording() { return recording_; }

 private:
  recorder::Recording recording_;
  const int series_;
  std::mt19937_64 random_;
  bool spliced_ = false;
  std::int64_t now_ms_ = 1'000'000;
};

Registry::Claim Claim(const std::string& pod, recorder::Incarnation life) {
  Registry::Claim c;
  c.kind = AgentKind::kFlight;
  c.identity.pod_name = pod;
  c.identity.instance_id = pod;
  c.identity.incarnation = life;
  c.identity.role = "ROLE_DATA";
  return c;
}

class FleetTest : public ::testing::Test {
 protected:
  FakeClock clock_;
  Fleet::Options options_;
};

TEST_F(FleetTest, MirrorsFlightAgentsOnly) {
  Fleet fleet(clock_, options_);
  const AgentId flight = fleet.Admit(Claim("a", 5)).id;
  Registry::Claim v1 = Claim("b", 0);
  v1.kind = AgentKind::kV1;
  v1.identity.instance_id.clear();
  const AgentId other = fleet.Admit(v1).id;
  EXPECT_NE(fleet.mirror(flight), nullptr);
  EXPECT_EQ(fleet.mirror(other), nullptr);
  EXPECT_THAT(fleet.Apply(other, {}), StatusIs(Code::kNotFound, ::testing::_));
  EXPECT_EQ(fleet.stats().v1, 1u);
  EXPECT_EQ(fleet.stats().flight, 1u);
}

TEST_F(FleetTest, AReturningAgentGoesOnWithItsRecording) {
  Fleet fleet(clock_, options_);
  Source source(5);
  source.Append(10);
  const AgentId first = fleet.Admit(Claim("a", 5)).id;
  ASSERT_THAT(fleet.Apply(first, source.Read()), IsOk());
  fleet.registry().Disconnect(first);
  const auto again = fleet.Admit(Claim("a", 5));
  ASSERT_NE(fleet.mirror(again.id), nullptr);
  EXPECT_EQ(fleet.mirror(first), nullptr);
  const auto positions = fleet.mirror(again.id)->Positions();
  ASSERT_EQ(positions.size(), 1u);
  EXPECT_EQ(positions[0].incarnation, 5u);
  EXPECT_EQ(positions[0].sequence, 10u);
}

TEST_F(FleetTest, TheLifeThatCameLastIsTheNewestWhateverItsNumber) {
  Fleet fleet(clock_, options_);
  Source before(5000);
  before.Append(10);
  const AgentId first = fleet.Admit(Claim("a", 5000)).id;
  ASSERT_THAT(fleet.Apply(first, before.Read()), IsOk());
  fleet.Disconnect(first);
  // The agent is back, and its wall clock was set back.
  Source after(300);
  after.Append(10);
  const AgentId again = fleet.Admit(Claim("a", 300)).id;
  ASSERT_THAT(fleet.Apply(again, after.Read()), IsOk());
  const Mirror& mirror = *fleet.mirror(again);
  EXPECT_EQ(mirror.recording().newest(), (recorder::FrameName{300, 10}));
  EXPECT_EQ(mirror.stats().unusable, 0u);
  EXPECT_EQ(mirror.stats().frames, 20u);
  for (const recorder::SourceFrame& f : mirror.recording().Latest()) {
    EXPECT_LT(mirror.pace().AgeOf(f.name, f.time, clock_.Monotonic()),
              std::chrono::seconds(1));
  }
}

TEST_F(FleetTest, AnOlderLifeThatIsNotHeldIsLeftOutAndCounted) {
  Fleet fleet(clock_, options_);
  Source current(7);
  current.Append(3);
  const AgentId id = fleet.Admit(Claim("a", 7)).id;
  ASSERT_THAT(fleet.Apply(id, current.Read()), IsOk());
  Source older(9);
  older.Append(4);
  older.recording().Seal();
  older.Append(1);
  ASSERT_THAT(fleet.Apply(id, older.Read()), IsOk());
  EXPECT_EQ(fleet.stats().mirrors.unusable, 5u);
  current.Append(2);
  ASSERT_THAT(fleet.Apply(id, current.Read({7, 3})), IsOk());
  EXPECT_EQ(fleet.mirror(id)->recording().newest(),
            (recorder::FrameName{7, 5}));
  EXPECT_EQ(fleet.stats().mirrors.frames, 5u);
}

TEST_F(FleetTest, ALifeThatGoesOnAfterAnotherComesAnew) {
  Fleet fleet(clock_, options_);
  Source first(5);
  first.Append(5);
  AgentId id = fleet.Admit(Claim("a", 5)).id;
  ASSERT_THAT(fleet.Apply(id, first.Read()), IsOk());
  fleet.Disconnect(id);
  Source second(6);
  second.Append(3);
  id = fleet.Admit(Claim("a", 6)).id;
  ASSERT_THAT(fleet.Apply(id, second.Read()), IsOk());
  fleet.Disconnect(id);
  id = fleet.Admit(Claim("a", 5)).id;
  const auto positions = fleet.mirror(id)->Positions();
  ASSERT_EQ(positions.size(), 1u);
  EXPECT_EQ(positions[0].incarnation, 6u);
  first.Append(2);
  ASSERT_THAT(fleet.Apply(id, first.Read()), IsOk());
  EXPECT_EQ(fleet.mirror(id)->recording().newest(),
            (recorder::FrameName{5, 7}));
  EXPECT_EQ(fleet.mirror(id)->stats().unusable, 0u);
  EXPECT_EQ(fleet.mirror(id)->recording().stats().frames, 10u);
}

TEST_F(FleetTest, CountsWhatIsHeldAlreadyOnce) {
  Fleet fleet(clock_, options_);
  Source source(5);
  const AgentId id = fleet.Admit(Claim("a", 5)).id;
  source.Append(6);
  ASSERT_THAT(fleet.Apply(id, source.Read()), IsOk());
  source.Append(4);
  source.recording().Seal();
  // After a break the chunk comes whole, the frames that are held included.
  ASSERT_THAT(fleet.Apply(id, source.Read()), IsOk());
  ASSERT_THAT(fleet.Apply(id, source.Read()), IsOk());
  EXPECT_EQ(fleet.stats().mirrors.frames, 10u);
  EXPECT_EQ(fleet.stats().mirrors.gaps, 0u);
}

TEST_F(FleetTest, AV1AgentInItsPodGetsNoRecording) {
  Fleet fleet(clock_, options_);
  Source source(5);
  source.Append(10);
  const AgentId first = fleet.Admit(Claim("a", 5)).id;
  ASSERT_THAT(fleet.Apply(first, source.Read()), IsOk());
  fleet.Disconnect(first);
  Registry::Claim v1 = Claim("a", 0);
  v1.kind = AgentKind::kV1;
  v1.identity.instance_id.clear();
  const AgentId second = fleet.Admit(v1).id;
  EXPECT_EQ(fleet.mirror(first), nullptr);
  EXPECT_EQ(fleet.mirror(second), nullptr);
}

TEST_F(FleetTest, HoldsAsManySeriesAsItsMemoryDoes) {
  Fleet fleet(clock_, options_);
  Source source(5, 60'000);
  source.Append(3);
  const AgentId id = fleet.Admit(Claim("a", 5)).id;
  ASSERT_THAT(fleet.Apply(id, source.Read()), IsOk());
  EXPECT_EQ(fleet.mirror(id)->recording().stats().active_series, 60'000u);
  EXPECT_EQ(fleet.mirror(id)->stats().unusable, 0u);
}

TEST_F(FleetTest, LeavesOutAndCountsSeriesThatDoNotFit) {
  options_.memory.per_agent_bytes = 200u << 10;
  options_.memory.total_bytes = 1u << 20;
  Fleet fleet(clock_, options_);
  Source source(5, 20'000);
  source.Append(3);
  source.recording().Seal();
  source.Append(2);
  const AgentId id = fleet.Admit(Claim("a", 5)).id;
  for (const LogEntry& e : source.Read()) {
    ASSERT_THAT(fleet.Apply(id, {&e, 1}), IsOk());
    ASSERT_LE(fleet.mirror(id)->recording().memory_bytes(), 200u << 10);
  }
  EXPECT_EQ(fleet.stats().mirrors.unusable, 5u);
  EXPECT_GT(fleet.stats().mirrors.refused_series, 1000u);
}

TEST_F(FleetTest, CountsAGapAndGoesOn) {
  Fleet fleet(clock_, options_);
  Source source(5);
  const AgentId id = fleet.Admit(Claim("a", 5)).id;
  source.Append(3);
  source.recording().Seal();
  ASSERT_THAT(fleet.Apply(id, source.Read()), IsOk());
  source.Append(4);
  source.recording().Seal();
  source.Append(2);
  // Frames 4 to 7 never come.
  std::vector<LogEntry> entries = source.Read({5, 7});
  ASSERT_THAT(fleet.Apply(id, entries), IsOk());
  const Mirror::Stats& stats = fleet.mirror(id)->stats();
  EXPECT_EQ(stats.gaps, 1u);
  EXPECT_EQ(stats.missing_frames, 4u);
  EXPECT_EQ(fleet.mirror(id)->recording().newest().sequence, 9u);
  EXPECT_EQ(fleet.stats().mirrors.missing_frames, 4u);
}

TEST_F(FleetTest, ADamagedChunkIsLeftOut) {
  Fleet fleet(clock_, options_);
  Source source(5);
  const AgentId id = fleet.Admit(Claim("a", 5)).id;
  source.Append(3);
  source.recording().Seal();
  std::vector<LogEntry> entries = source.Read();
  for (LogEntry& e : entries) {
    if (auto* chunk = std::get_if<recorder::ChunkEntry>(&e)) {
      chunk->bytes[chunk->bytes.size() / 2] ^= 1;
    }
  }
  EXPECT_THAT(fleet.Apply(id, entries), IsOk());
  EXPECT_EQ(fleet.mirror(id)->stats().damaged, 1u);
  EXPECT_EQ(fleet.mirror(id)->stats().frames, 0u);
}

TEST_F(FleetTest, TheMirrorsKeepToTheirPoolAndTheSmallOnesKeepTheirs) {
  options_.memory.per_agent_bytes = 200u << 10;
  options_.memory.total_bytes = 500u << 10;
  Fleet fleet(clock_, options_);
  Source small(5);
  small.Append(30);
  const AgentId little = fleet.Admit(Claim("small", 5)).id;
  ASSERT_THAT(fleet.Apply(little, small.Read()), IsOk());
  const std::size_t small_bytes =
      fleet.mirror(little)->recording().memory_bytes();
  std::vector<AgentId> large;
  for (recorder::Incarnation life : {6U, 7U}) {
    Source source(life);
    source.Append(3000);
    source.recording().Seal();
    large.push_back(fleet.Admit(Claim("l" + std::to_string(life), life)).id);
    for (const LogEntry& e : source.Read()) {
      ASSERT_THAT(fleet.Apply(large.back(), {&e, 1}), IsOk());
      ASSERT_LE(fleet.stats().memory_bytes, options_.memory.total_bytes);
    }
  }
  const Fleet::Stats stats = fleet.stats();
  EXPECT_GT(stats.evicted_samples, 0u);
  EXPECT_EQ(fleet.mirror(little)->recording().memory_bytes(), small_bytes);
  EXPECT_EQ(fleet.mirror(little)->recording().stats().evicted_samples, 0u);
  // What the small one leaves, the large ones use.
  const std::size_t a = fleet.mirror(large[0])->recording().memory_bytes();
  const std::size_t b = fleet.mirror(large[1])->recording().memory_bytes();
  EXPECT_GT(a + b + small_bytes,
            (options_.memory.total_bytes - stats.shared_bytes) * 8 / 10);
}

// One series that nobody else has, of 10 KB of text.
recorder::SeriesEntry OwnSeries(recorder::Incarnation life,
                                recorder::SeriesId id) {
  recorder::SeriesEntry e;
  e.incarnation = life;
  e.id = id;
  e.name = e.family = "x";
  e.labels = "a=\"" + std::string(10'000, 'x') + std::to_string(life) + "_" +
             std::to_string(id) + "\"";
  return e;
}

TEST_F(FleetTest, WhoFillsThePoolWithTextPaysForItAndNobodyElse) {
  options_.memory.per_agent_bytes = 10u << 20;
  options_.memory.total_bytes = 16u << 20;
  Fleet fleet(clock_, options_);
  Source honest(5);
  honest.Append(2000);
  const AgentId bystander = fleet.Admit(Claim("honest", 5)).id;
  ASSERT_THAT(fleet.Apply(bystander, honest.Read()), IsOk());
  const std::uint64_t samples =
      fleet.mirror(bystander)->recording().stats().samples;
  std::vector<AgentId> bad;
  for (recorder::Incarnation life = 100; life < 140; ++life) {
    bad.push_back(fleet.Admit(Claim("b" + std::to_string(life), life)).id);
  }
  bool refused = false;
  for (std::size_t i = 0; i < bad.size(); ++i) {
    for (recorder::SeriesId id = 1; id <= 100; ++id) {
      const LogEntry e = OwnSeries(100 + i, id);
      refused |= !fleet.Apply(bad[i], {&e, 1}).ok();
      ASSERT_LE(fleet.stats().memory_bytes, options_.memory.total_bytes);
    }
  }
  (void)fleet.Sweep();
  EXPECT_LE(fleet.stats().memory_bytes, options_.memory.total_bytes);
  const auto kept = fleet.mirror(bystander)->recording().stats();
  EXPECT_EQ(kept.samples, samples);
  EXPECT_EQ(kept.evicted_samples, 0u);
  // What was emptied is told so, and begins anew with its next registration.
  EXPECT_EQ(refused || fleet.stats().mirrors.refused_series > 0, true);
}

TEST_F(FleetTest, AMirrorThatCannotShrinkBeginsAnew) {
  options_.memory.per_agent_bytes = 4u << 20;
  options_.memory.total_bytes = 4u << 20;
  Fleet fleet(clock_, options_);
  const AgentId large = fleet.Admit(Claim("large", 9)).id;
  for (recorder::SeriesId id = 1; id <= 370; ++id) {
    const LogEntry e = OwnSeries(9, id);
    ASSERT_THAT(fleet.Apply(large, {&e, 1}), IsOk());
  }
  Source honest(5);
  honest.Append(3000);
  const AgentId bystander = fleet.Admit(Claim("honest", 5)).id;
  ASSERT_THAT(fleet.Apply(bystander, honest.Read()), IsOk());
  EXPECT_LE(fleet.stats().memory_bytes, options_.memory.total_bytes);
  EXPECT_GT(fleet.mirror(bystander)->recording().memory_bytes(), 1u << 20);
  const LogEntry e = OwnSeries(9, 400);
  EXPECT_THAT(fleet.Apply(large, {&e, 1}),
              StatusIs(Code::kResourceExhausted, HasSubstr("begins anew")));
  fleet.Disconnect(large);
  const AgentId again = fleet.Admit(Claim("large", 9)).id;
  EXPECT_THAT(fleet.Apply(again, {&e, 1}), IsOk());
}

TEST_F(FleetTest, TextWhoseMakerHasGoneIsPaidForByWhoHoldsIt) {
  options_.memory.per_agent_bytes = 4u << 20;
  options_.memory.total_bytes = 4u << 20;
  Fleet fleet(clock_, options_);
  Source honest(5);
  honest.Append(2000);
  const AgentId bystander = fleet.Admit(Claim("honest", 5)).id;
  ASSERT_THAT(fleet.Apply(bystander, honest.Read()), IsOk());
  ASSERT_LT(fleet.mirror(bystander)->recording().memory_bytes(), 1u << 20);
  const AgentId holder = fleet.Admit(Claim("holder", 9)).id;
  recorder::SeriesId next = 0;
  for (int round = 0; round < 6; ++round) {
    const AgentId maker = fleet.Admit(Claim("maker", 8)).id;
    for (int i = 0; i < 70; ++i) {
      recorder::SeriesEntry e = OwnSeries(8, ++next);
      LogEntry entry = e;
      (void)fleet.Apply(maker, {&entry, 1});
      e.incarnation = 9;
      entry = e;
      (void)fleet.Apply(holder, {&entry, 1});
      ASSERT_LE(fleet.stats().memory_bytes, options_.memory.total_bytes);
    }
    fleet.Remove(maker);
  }
  EXPECT_EQ(fleet.mirror(bystander)->recording().stats().evicted_samples, 0u);
}

TEST_F(FleetTest, ForgetsAnAgentWithItsRecording) {
  Fleet fleet(clock_, options_);
  Source source(5);
  source.Append(10);
  const AgentId id = fleet.Admit(Claim("a", 5)).id;
  ASSERT_THAT(fleet.Apply(id, source.Read()), IsOk());
  clock_.Advance(std::chrono::minutes(6));
  EXPECT_EQ(fleet.Sweep(), std::vector<AgentId>{id});
  EXPECT_EQ(fleet.mirror(id), nullptr);
  EXPECT_EQ(fleet.stats().mirrors.frames, 10u) << "counters stay";
}

}  // namespace
}  // namespace fodc::fleet
