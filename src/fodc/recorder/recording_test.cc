// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <utility>

#include "fodc/base/status_matchers.h"
#include "fodc/recorder/recording_testing.h"
#include "fodc/recorder/series_reader.h"

namespace fodc::recorder {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Incarnation kLife = 1'000'001;

FrameTime At(std::int64_t ms) { return {ms, ms + 1'700'000'000'000}; }

void Append(Recording* r, SourceId s, std::int64_t ms,
            std::vector<double> values) {
  r->Append(s, At(ms), values, std::nullopt);
}

class RandomRecordingTest : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomRecordingTest, GivesBackEveryBitOfEveryFrame) {
  Recording r(kLife, {.stretch_rows = 17});
  RandomSource a(&r, "a", GetParam());
  RandomSource b(&r, "b", GetParam() + 1000);
  std::vector<ModelFrame> model;
  std::int64_t ms = 5000;
  for (int i = 0; i < 150; ++i) {
    ms += 990 + a.Pick(20);
    model.push_back(a.Step(At(ms)));
    if (i % 3 == 0) model.push_back(b.Step(At(ms + 1)));
    if (i % 37 == 0) {
      ASSERT_EQ(FramesOf(r), model) << "after " << i;
    }
  }
  ASSERT_EQ(FramesOf(r), model);
  r.Seal();
  ASSERT_EQ(FramesOf(r), model);
  EXPECT_EQ(r.stats().frames, model.size());
}

// More values change in the stretch than are made into columns at a time.
TEST(RecordingTest, SealsALargeStretchInParts) {
  Recording r(kLife, {.stretch_rows = 60});
  RandomSource a(&r, "a", 8, 20'000);
  std::vector<ModelFrame> model;
  for (int i = 0; i < 60; ++i) model.push_back(a.Step(At(1000 * i)));
  ASSERT_GT(model.front().samples.size(), 2500u);
  ASSERT_NE(model.front().samples.size(), model.back().samples.size());
  r.Seal();
  EXPECT_TRUE(FramesOf(r) == model);
}

TEST_P(RandomRecordingTest, GivesBackEverySeries) {
  Recording r(kLife, {.stretch_rows = 11});
  RandomSource a(&r, "a", GetParam());
  std::map<std::string, std::vector<std::pair<std::int64_t, std::uint64_t>>>
      model;
  const TimeRange range{At(20'000).unix_ms, At(70'000).unix_ms};
  for (std::int64_t ms = 1000; ms <= 100'000; ms += 1000) {
    const ModelFrame f = a.Step(At(ms));
    if (ms < 20'000 || ms > 70'000) continue;
    for (const auto& [key, bits] : f.samples) {
      model[key].emplace_back(f.time.unix_ms, bits);
    }
  }
  decltype(model) read;
  r.Take().ReadSeries(
      range, nullptr,
      [&](const SeriesView& s, std::span<const std::int64_t> times,
          std::span<const double> values) {
        EXPECT_EQ(s.source_name, "a");
        EXPECT_EQ(s.container_name, "box");
        auto& samples = read[KeyOf(*s.series)];
        EXPECT_THAT(samples, IsEmpty());  // one call for each
        for (std::size_t i = 0; i < times.size(); ++i) {
          samples.emplace_back(times[i], BitsOf(values[i]));
        }
        return true;
      });
  EXPECT_EQ(read, model);
}

TEST_P(RandomRecordingTest, KnowsTheLatestFrameAndTheFrameAtAnyInstant) {
  Recording r(kLife, {.stretch_rows = 13});
  RandomSource a(&r, "a", GetParam());
  std::vector<ModelFrame> model;
  for (std::int64_t ms = 1000; ms <= 60'000; ms += 1000) {
    model.push_back(a.Step(At(ms)));
    const auto latest = r.Take().Latest();
    ASSERT_THAT(latest, SizeIs(1));
    ASSERT_EQ(ToModel(latest[0]), model.back());
  }
  for (std::size_t i = 0; i < model.size(); i += 7) {
    const auto at = r.Take().At(model[i].time.unix_ms + 500, 600);
    ASSERT_THAT(at, IsOk());
    ASSERT_THAT(*at, SizeIs(1));
    EXPECT_EQ(ToModel((*at)[0]), model[i]);
  }
  EXPECT_THAT(r.Take().At(At(999).unix_ms, 100'000), IsOkAndHolds(IsEmpty()));
  EXPECT_THAT(r.Take().At(At(70'000).unix_ms, 9'999), IsOkAndHolds(IsEmpty()));
}

TEST_P(RandomRecordingTest, NeverExceedsItsBudget) {
  Recording r(kLife, {.budget_bytes = 100'000, .stretch_rows = 20});
  RandomSource a(&r, "a", GetParam());
  RandomSource b(&r, "b", GetParam() + 1);
  std::vector<ModelFrame> model;
  for (std::int64_t ms = 1000; ms <= 1'800'000; ms += 1000) {
    model.push_back(a.Step(At(ms)));
    ASSERT_LE(r.memory_bytes(), 100'000u) << ms;
    model.push_back(b.Step(At(ms)));
    ASSERT_LE(r.memory_bytes(), 100'000u) << ms;
  }
  EXPECT_GT(r.stats().evicted_samples, 0u);
  EXPECT_GT(r.stats().expected_window_ms, 0);
  const std::vector<ModelFrame> held = FramesOf(r);
  ASSERT_GT(held.size(), 20u);
  EXPECT_EQ(held,
            std::vector<ModelFrame>(
                model.end() - static_cast<long>(held.size()), model.end()));
  for (const std::size_t budget : {80'000u, 60'000u, 50'000u}) {
    r.set_budget_bytes(budget);
    EXPECT_LE(r.memory_bytes(), budget);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomRecordingTest,
                         ::testing::Range<std::uint64_t>(1, 13));

TEST(RecordingTest, KeepsGaps) {
  Recording r(kLife, {});
  const SourceId s = r.OpenSource("page", "");
  const exposition::SeriesDesc d = Desc("x");
  r.SpliceLines(s, 0, 0, {&d, 1});
  Append(&r, s, 1000, {1});
  Append(&r, s, 2000, {2});
  Append(&r, s, 9000, {3});  // the reads between failed
  r.SpliceLines(s, 0, 1, {});
  Append(&r, s, 10'000, {});
  r.SpliceLines(s, 0, 0, {&d, 1});
  Append(&r, s, 11'000, {4});
  std::vector<std::int64_t> at;
  r.Take().ReadSeries({}, nullptr,
                      [&](const SeriesView&, auto times, auto values) {
                        at.assign(times.begin(), times.end());
                        EXPECT_THAT(values, ElementsAre(1, 2, 3, 4));
                        return true;
                      });
  EXPECT_THAT(at, ElementsAre(At(1000).unix_ms, At(2000).unix_ms,
                              At(9000).unix_ms, At(11'000).unix_ms));
  EXPECT_EQ(r.stats().series, 1u);
  EXPECT_EQ(r.stats().frames, 5u);
}

TEST(RecordingTest, StaysOrderedWhenTheWallClockSteps) {
  Recording r(kLife, {.stretch_rows = 2});
  const SourceId s = r.OpenSource("page", "");
  const exposition::SeriesDesc d = Desc("x");
  r.SpliceLines(s, 0, 0, {&d, 1});
  const FrameTime times[] = {{1000, 50'000}, {2000, 51'000}, {3000, 20'000},
                             {4000, 21'000}, {5000, 90'000}, {6000, 91'000},
                             {5500, 91'500}};
  for (const FrameTime t : times) {
    const double v = static_cast<double>(t.unix_ms);
    r.Append(s, t, {&v, 1}, std::nullopt);
  }
  const std::vector<ModelFrame> frames = FramesOf(r);
  ASSERT_THAT(frames, SizeIs(7));
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(frames[i].time, times[i]);
  EXPECT_EQ(frames[6].time, (FrameTime{6000, 91'500}));  // raised, not dropped
  EXPECT_THAT(FramesOf(r, {20'000, 30'000}), SizeIs(2));
  const auto before = r.Take().At(30'000, 10'000);
  ASSERT_THAT(before, IsOk());
  ASSERT_THAT(*before, SizeIs(1));
  EXPECT_THAT((*before)[0].values, ElementsAre(21'000));
}

// A database was upgraded: its help text is another one, its series are not.
TEST(RecordingTest, OneSeriesWhateverItsHelpText) {
  Recording r(kLife, {.stretch_rows = 4});
  const SourceId s = r.OpenSource("page", "");
  exposition::SeriesDesc d = Desc("x");
  std::vector<double> expected;
  // Old, new, old, new: within chunks, and from one to the next.
  const std::string_view helps[] = {"old", "old", "new", "old", "old",
                                    "new", "new", "new", "old", "newest"};
  std::string_view last;
  for (int i = 0; i < 10; ++i) {
    d.help = helps[i];
    if (d.help != last) {
      r.SpliceLines(s, 0, i == 0 ? 0 : 1, {&d, 1});
    }
    last = d.help;
    Append(&r, s, i * 1000, {i + 0.5});
    expected.push_back(i + 0.5);
  }
  for (const bool sealed : {false, true}) {
    if (sealed) r.Seal();
    int series = 0;
    r.Take().ReadSeries(
        {}, nullptr, [&](const SeriesView& view, auto times, auto values) {
          ++series;
          EXPECT_EQ(view.series->help(), "newest");
          EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
          EXPECT_THAT(values, ::testing::ElementsAreArray(expected));
          return true;
        });
    EXPECT_EQ(series, 1);
  }
}

// One series of many, in one chunk of many.
TEST(RecordingTest, DecodesOnlyWhatIsAskedFor) {
  Recording r(kLife, {.stretch_rows = 10});
  const SourceId s = r.OpenSource("page", "");
  std::vector<std::string> names;
  names.reserve(100);
  for (int i = 0; i < 100; ++i) names.push_back("x" + std::to_string(i));
  std::vector<exposition::SeriesDesc> descs;
  descs.reserve(names.size());
  for (const std::string& name : names) descs.push_back(Desc(name));
  r.SpliceLines(s, 0, 0, descs);
  for (int i = 0; i < 200; ++i) {
    Append(&r, s, i * 1000, std::vector<double>(100, i));
  }
  r.Seal();
  ASSERT_EQ(r.stats().chunks, 20u);
  const auto reader = r.Take().OpenSeriesReader(
      {At(53'000).unix_ms, At(55'000).unix_ms},
      [](const SeriesView& view) { return view.series->name() == "x42"; });
  SeriesView view;
  std::span<const std::int64_t> times;
  std::span<const double> values;
  ASSERT_TRUE(reader->Next(&view, &times, &values));
  EXPECT_THAT(values, ElementsAre(53, 54, 55));
  EXPECT_FALSE(reader->Next(&view, &times, &values));
  EXPECT_EQ(reader->work().sections_opened, 1u);
  EXPECT_EQ(reader->work().columns_decoded, 1u);
}

// The wall clock goes back by an hour in the middle, and then on.
class WallClockTest : public ::testing::Test {
 protected:
  static constexpr std::int64_t kHour = 3'600'000;

  WallClockTest() {
    const exposition::SeriesDesc d = Desc("x");
    recording_.SpliceLines(source_, 0, 0, {&d, 1});
    for (int i = 0; i < 5; ++i) Add(1000 * i, 2 * kHour + 1000 * i);
    for (int i = 5; i < 10; ++i) Add(1000 * i, kHour + 1000 * i);
  }
  void Add(std::int64_t monotonic_ms, std::int64_t unix_ms) {
    const auto v = static_cast<double>(unix_ms);
    recording_.Append(source_, {monotonic_ms, unix_ms}, {&v, 1}, std::nullopt);
  }

  Recording recording_{kLife, {.stretch_rows = 4}};
  const SourceId source_ = recording_.OpenSource("page", "");
};

TEST_F(WallClockTest, WindowIsFromTheLeastToTheGreatestInstant) {
  for (const bool sealed : {false, true}) {
    if (sealed) recording_.Seal();
    const RecordingStats s = recording_.stats();
    EXPECT_EQ(s.from_unix_ms, kHour + 5000);
    EXPECT_EQ(s.to_unix_ms, 2 * kHour + 4000);
    EXPECT_EQ(s.window_ms, 9000);
  }
  // Only open rows.
  Recording open(kLife, {});
  const SourceId s = open.OpenSource("page", "");
  for (const FrameTime t : {FrameTime{1, 50}, {2, 90}, {3, 10}, {4, 20}}) {
    open.Append(s, t, {}, std::nullopt);
  }
  EXPECT_EQ(open.stats().from_unix_ms, 10);
  EXPECT_EQ(open.stats().to_unix_ms, 90);
  EXPECT_EQ(open.stats().window_ms, 3);
}

TEST_F(WallClockTest, WindowsOfLivesAddUp) {
  Recording mirror(1, {});
  for (const LogEntry& e : EntriesOf(recording_)) {
    ASSERT_THAT(mirror.Apply(e), IsOk());
  }
  Recording next(kLife + 1, {});
  const SourceId s = next.OpenSource("page", "");
  // Another boot: its monotonic clock is not comparable.
  next.Append(s, {3, 9 * kHour}, {}, std::nullopt);
  next.Append(s, {503, 9 * kHour + 500}, {}, std::nullopt);
  for (const LogEntry& e : EntriesOf(next)) {
    ASSERT_THAT(mirror.Apply(e), IsOk());
  }
  EXPECT_EQ(mirror.stats().window_ms, 9500);
}

TEST_F(WallClockTest, SeriesComeInTheOrderOfTime) {
  const auto reader = recording_.Take().OpenSeriesReader({}, nullptr);
  SeriesView view;
  std::span<const std::int64_t> times;
  std::span<const double> values;
  ASSERT_TRUE(reader->Next(&view, &times, &values));
  ASSERT_THAT(times, SizeIs(10));
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
  for (std::size_t i = 0; i < times.size(); ++i) {
    EXPECT_EQ(values[i], static_cast<double>(times[i]));
  }
  EXPECT_EQ(times[0], kHour + 5000);
}

// What was written at one and the same instant stays in the order of the log.
TEST_F(WallClockTest, EqualInstantsStayInTheOrderOfTheLog) {
  Recording r(kLife, {.stretch_rows = 3});
  const SourceId s = r.OpenSource("page", "");
  const exposition::SeriesDesc d = Desc("x");
  r.SpliceLines(s, 0, 0, {&d, 1});
  int i = 0;
  for (const std::int64_t unix_ms : {5, 5, 1, 5, 1, 1, 5}) {
    const double v = ++i;
    r.Append(s, {i, unix_ms}, {&v, 1}, std::nullopt);
  }
  r.Take().ReadSeries({}, nullptr,
                      [&](const SeriesView&, auto times, auto values) {
                        EXPECT_THAT(times, ElementsAre(1, 1, 1, 5, 5, 5, 5));
                        EXPECT_THAT(values, ElementsAre(3, 5, 6, 1, 2, 4, 7));
                        return true;
                      });
}

TEST(RecordingTest, ForgetsSeriesWithTheirLastSample) {
  Recording r(kLife, {.budget_bytes = 60'000, .stretch_rows = 10});
  const SourceId s = r.OpenSource("page", "");
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "series_" + std::to_string(i);
    const exposition::SeriesDesc d = Desc(name);
    r.SpliceLines(s, 0, i == 0 ? 0 : 1, {&d, 1});
    Append(&r, s, i * 1000, {static_cast<double>(i)});
    ASSERT_LE(r.memory_bytes(), 60'000u);
  }
  const RecordingStats stats = r.stats();
  EXPECT_LE(stats.series, stats.samples + 1);  // each had one
  EXPECT_LT(stats.series, 1000u);
  EXPECT_GT(stats.evicted_samples, 2000u);
}

TEST(RecordingTest, FollowsManyEditsAtOnce) {
  using exposition::LineEdit;
  Recording r(kLife, {.stretch_rows = 7});
  const SourceId s = r.OpenSource("page", "");
  std::mt19937 random(5);
  const auto pick = [&random](std::size_t n) { return random() % n; };
  std::vector<std::string> names;
  names.reserve(300);
  for (int i = 0; i < 300; ++i) names.push_back("m" + std::to_string(i));
  std::vector<std::size_t> lines;  // what each is, no two the same
  for (int round = 0; round < 60; ++round) {
    std::vector<LineEdit> edits;
    std::vector<std::size_t> after;
    std::vector<char> stays(names.size());
    std::vector<char> kept(lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      kept[i] = pick(3) != 0;
      if (kept[i] != 0) stays[lines[i]] = 1;
    }
    const auto insert = [&] {
      // Also what is removed further up or down: it moves.
      for (std::size_t n = pick(4); n > 0; --n) {
        const std::size_t what = pick(names.size());
        if (std::exchange(stays[what], 1) != 0) continue;
        edits.push_back({LineEdit::Kind::kInsert, 1});
        after.push_back(what);
      }
    };
    insert();
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (kept[i] != 0) after.push_back(lines[i]);
      edits.push_back(
          {kept[i] != 0 ? LineEdit::Kind::kKeep : LineEdit::Kind::kRemove, 1});
      insert();
    }
    while (!edits.empty() && edits.back().kind == LineEdit::Kind::kKeep) {
      edits.pop_back();  // what is behind the last edit stays
    }
    r.EditLines(s, edits,
                [&](std::size_t line) { return Desc(names[after[line]]); });
    lines = after;
    std::vector<double> values;
    std::map<std::string, std::uint64_t> expected;
    for (const std::size_t what : lines) {
      values.push_back(static_cast<double>(what + pick(2)));
      expected[names[what] + "{}"] = BitsOf(values.back());
    }
    Append(&r, s, 1000 * (round + 1), values);
    ASSERT_EQ(FramesOf(r).back().samples, expected) << round;
  }
  EXPECT_LE(r.stats().series, names.size());
}

TEST(RecordingTest, RefusesSeriesBeyondTheBoundAndCountsThem) {
  Recording r(kLife, {.max_series = 2});
  const SourceId s = r.OpenSource("page", "");
  const exposition::SeriesDesc d[] = {Desc("a"), Desc("b"), Desc("c")};
  r.SpliceLines(s, 0, 0, d);
  Append(&r, s, 1000, {1, 2, 3});
  EXPECT_EQ(r.stats().refused_series, 1u);
  EXPECT_EQ(r.stats().active_series, 2u);
  EXPECT_THAT(FramesOf(r)[0].samples, SizeIs(2));
}

TEST(RecordingTest, SurvivesAnExplosionOfSeries) {
  constexpr std::size_t kBudget = 2u << 20;
  Recording r(kLife, {.budget_bytes = kBudget, .max_series = 50'000});
  const SourceId s = r.OpenSource("page", "");
  std::vector<std::string> names;
  names.reserve(100'000);
  for (int i = 0; i < 100'000; ++i) {
    names.push_back("exploding_series_number_" + std::to_string(i));
  }
  std::vector<exposition::SeriesDesc> descs;
  descs.reserve(names.size());
  for (const std::string& n : names) descs.push_back(Desc(n));
  const exposition::SeriesDesc first = Desc("first");
  r.SpliceLines(s, 0, 0, {&first, 1});
  Append(&r, s, 1000, {1});
  r.SpliceLines(s, 1, 0, descs);
  EXPECT_LE(r.memory_bytes(), kBudget);
  std::vector<double> values(100'001, 7);
  for (int i = 0; i < 5; ++i) {
    Append(&r, s, 2000 + i * 1000, values);
    EXPECT_LE(r.memory_bytes(), kBudget);
  }
  EXPECT_GT(r.stats().refused_series, 50'000u);
  EXPECT_GT(r.stats().active_series, 1000u);
  r.SpliceLines(s, 1, 100'000, {});
  Append(&r, s, 9000, {2});
  EXPECT_THAT(FramesOf(r).back().samples, SizeIs(1));
}

TEST(RecordingTest, KeepsTheLayoutWhileTheSeriesAreTheSame) {
  Recording r(kLife, {.stretch_rows = 3});
  const SourceId s = r.OpenSource("page", "");
  const exposition::SeriesDesc d[] = {Desc("a"), Desc("b")};
  r.SpliceLines(s, 0, 0, d);
  Append(&r, s, 1000, {1, 2});
  const auto layout = r.Take().Latest()[0].series;
  for (int i = 2; i < 9; ++i) {
    Append(&r, s, i * 1000, {1.0 * i, 2});
    EXPECT_EQ(r.Take().Latest()[0].series, layout);
  }
  r.SpliceLines(s, 0, 1, {});
  Append(&r, s, 10'000, {1});
  EXPECT_NE(r.Take().Latest()[0].series, layout);
}

TEST(RecordingTest, SnapshotsStayAsTheyWere) {
  Recording r(kLife, {.stretch_rows = 5});
  RandomSource a(&r, "a", 3);
  std::vector<ModelFrame> model;
  model.reserve(12);
  for (int i = 0; i < 12; ++i) model.push_back(a.Step(At(i * 1000)));
  const Snapshot snapshot = r.Take();
  const ModelFrame newest = model.back();
  for (int i = 12; i < 40; ++i) a.Step(At(i * 1000));
  std::vector<ModelFrame> read;
  snapshot.ReadFrames({}, [&](const SourceFrame& f) {
    read.push_back(ToModel(f));
    return true;
  });
  EXPECT_EQ(read, model);
  EXPECT_EQ(ToModel(snapshot.Latest()[0]), newest);
}

}  // namespace
}  // namespace fodc::recorder
