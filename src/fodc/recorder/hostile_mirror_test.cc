// SPDX-License-Identifier: Apache-2.0
// A mirror and entries that no recording of ours would send.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/recorder/chunk.h"
#include "fodc/recorder/recording_testing.h"
#include "fodc/recorder/series_reader.h"

namespace fodc::recorder {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr Incarnation kLife = 1000;

FrameTime At(std::int64_t ms) { return {ms, ms + 1'700'000'000'000}; }

SourceEntry SourceOf(Incarnation life, SourceId id = 0) {
  return {.incarnation = life,
          .source = id,
          .name = StrCat("page", id),
          .container_name = ""};
}

SeriesEntry SeriesOf(Incarnation life, SeriesId id) {
  return {.incarnation = life,
          .id = id,
          .name = StrCat("n", id),
          .labels = "",
          .family = StrCat("n", id),
          .type = {},
          .help = "",
          .unit = ""};
}

std::vector<SeriesId> Ids(SeriesId first, std::size_t count) {
  std::vector<SeriesId> ids(count);
  std::iota(ids.begin(), ids.end(), first);
  return ids;
}

// The rows of one source, as a sender of any kind makes them.
class Rows {
 public:
  std::string Complete(std::vector<SeriesId> ids, double value = 0) {
    Row row;
    row.complete = true;
    row.added = std::move(ids);
    if (value != 0) {
      for (Slot s = 0; s < row.added.size(); ++s) {
        row.changes.push_back({s, 0, value});
      }
    }
    return Encoded(row);
  }
  std::string Adding(std::vector<SeriesId> ids) {
    Row row;
    row.added = std::move(ids);
    return Encoded(row);
  }
  std::string Changing(double value) {
    Row row;
    if (state_.size() > 0) row.changes.push_back({0, 0, value});
    return Encoded(row);
  }
  std::string AllChanging(std::mt19937_64* random) {
    Row row;
    for (Slot s = 0; s < state_.size(); ++s) {
      row.changes.push_back({s, 0, FromBits((*random)())});
    }
    return Encoded(row);
  }

 private:
  std::string Encoded(const Row& row) {
    std::string out;
    EncodeRow(row, &state_, &out);
    return out;
  }
  SlotState state_;
};

RowEntry RowOf(Sequence sequence, Sequence stretch, std::string payload,
               Incarnation life = kLife) {
  return {.name = {life, sequence},
          .source = 0,
          .stretch = stretch,
          .time = At(static_cast<std::int64_t>(sequence) * 1000),
          .payload = std::move(payload)};
}

// A chunk of frames from `first` on, all of source 0.
ChunkEntry ChunkOfRows(Sequence first, const std::vector<std::string>& payloads,
                       Incarnation life = kLife) {
  std::vector<SealRow> rows;
  for (std::size_t i = 0; i < payloads.size(); ++i) {
    rows.push_back({.source = 0,
                    .sequence = first + i,
                    .time = At(static_cast<std::int64_t>((first + i) * 1000)),
                    .payload = payloads[i]});
  }
  auto bytes = SealChunk(life, rows);
  EXPECT_THAT(bytes, IsOk());
  return {.incarnation = life,
          .first = first,
          .last = first + payloads.size() - 1,
          .bytes = *std::move(bytes)};
}

class HostileMirrorTest : public ::testing::Test {
 protected:
  explicit HostileMirrorTest(RecordingOptions options = {})
      : mirror_(1, std::move(options)) {
    EXPECT_THAT(mirror_.Apply(SourceOf(kLife)), IsOk());
    for (const SeriesId id : {1u, 2u, 3u}) {
      EXPECT_THAT(mirror_.Apply(SeriesOf(kLife, id)), IsOk());
    }
  }
  // Frames 1 to 3 of stretch 1.
  void Begin() {
    EXPECT_THAT(mirror_.Apply(RowOf(1, 1, rows_.Complete({1, 2, 3}, 5))),
                IsOk());
    EXPECT_THAT(mirror_.Apply(RowOf(2, 1, rows_.Changing(6))), IsOk());
    EXPECT_THAT(mirror_.Apply(RowOf(3, 1, rows_.Changing(7))), IsOk());
  }

  Recording mirror_;
  Rows rows_;
};

TEST_F(HostileMirrorTest, AnOverlappingChunkLeavesTheStretchAsItWas) {
  Begin();
  Rows other;
  std::vector<std::string> payloads = {other.Complete({1, 2, 3}, 1)};
  for (int i = 0; i < 3; ++i) payloads.push_back(other.Changing(i + 2));
  EXPECT_THAT(mirror_.Apply(ChunkOfRows(2, payloads)),
              StatusIs(Code::kDataLoss, HasSubstr("overlaps")));
  EXPECT_EQ(mirror_.stats().chunks, 0u);
  EXPECT_THAT(mirror_.Apply(RowOf(4, 1, rows_.Changing(8))), IsOk());
  EXPECT_THAT(mirror_.Apply(RowOf(5, 5, rows_.Complete({1, 2, 3}, 9))), IsOk());
  const std::vector<ModelFrame> frames = FramesOf(mirror_);
  ASSERT_THAT(frames, SizeIs(5));
  EXPECT_EQ(frames[3].samples.at("n1{}"), BitsOf(8));
}

// A hole is accepted before the entry at hand, not before whatever comes next.
TEST_F(HostileMirrorTest, ARefusedFrameAcceptsNoGapForOthers) {
  Begin();
  Rows other = rows_;
  EXPECT_THAT(mirror_.ApplyOverGap(RowOf(5, 1, other.Changing(8))),
              StatusIs(Code::kOutOfRange, HasSubstr("not held")));
  const RowEntry skips = RowOf(6, 6, Rows().Complete({1, 2, 3}, 9));
  EXPECT_THAT(mirror_.Apply(skips),
              StatusIs(Code::kOutOfRange, HasSubstr("frame 6 follows 3")));
  EXPECT_THAT(mirror_.ApplyOverGap(skips), IsOk());
  EXPECT_EQ(mirror_.held().back().missing, 2u);
}

TEST_F(HostileMirrorTest, ALifeThatWasEvictedMayComeAgain) {
  Begin();
  mirror_.Seal();
  EXPECT_THAT(mirror_.Apply(SourceOf(kLife + 1)), IsOk());
  const std::size_t budget = mirror_.memory_bytes();
  mirror_.set_budget_bytes(1);
  EXPECT_THAT(mirror_.held(), IsEmpty());
  mirror_.set_budget_bytes(budget);
  mirror_.Apply(SeriesOf(kLife, 1)).IgnoreError();
  EXPECT_THAT(mirror_.Latest(), IsEmpty());
  EXPECT_THAT(mirror_.Take().Latest(), IsEmpty());
}

TEST_F(HostileMirrorTest, RefusedEntriesOfAnotherLifeEndNone) {
  Begin();
  const std::vector<ModelFrame> before = FramesOf(mirror_);
  constexpr Incarnation kOther = 99;
  SourceEntry source = SourceOf(kOther);
  source.name.assign(kMaxSourceTextBytes + 1, 'x');
  EXPECT_FALSE(mirror_.Apply(source).ok());
  SeriesEntry series = SeriesOf(kOther, 1);
  series.type = static_cast<exposition::MetricType>(200);
  EXPECT_FALSE(mirror_.Apply(series).ok());
  Rows other;
  const std::string payload = other.Complete({1}, 1);
  EXPECT_FALSE(mirror_.Apply(RowOf(1, 1, payload, kOther)).ok());
  EXPECT_FALSE(mirror_.Apply(ChunkOfRows(1, {payload}, kOther)).ok());
  EXPECT_EQ(FramesOf(mirror_), before);
  EXPECT_THAT(mirror_.Apply(RowOf(4, 1, rows_.Changing(8))), IsOk());
}

TEST_F(HostileMirrorTest, TakesOnlyTextThatMayStandOnAPage) {
  const auto apply = [&](auto change) {
    SeriesEntry e = SeriesOf(kLife, 77);
    change(&e);
    return mirror_.Apply(e);
  };
  const auto is_bad = StatusIs(Code::kInvalidArgument, HasSubstr("series 77"));
  using E = SeriesEntry;
  EXPECT_THAT(apply([](E* e) { e->name = "x 1\nup{} 0\n#"; }), is_bad);
  EXPECT_THAT(apply([](E* e) { e->name = ""; }), is_bad);
  EXPECT_THAT(apply([](E* e) { e->family = "x gauge\nup 0"; }), is_bad);
  EXPECT_THAT(apply([](E* e) { e->labels = "a=\"b\"} 1\nup{c=\"d\""; }),
              is_bad);
  EXPECT_THAT(apply([](E* e) { e->labels = "a=\"b"; }), is_bad);
  EXPECT_THAT(apply([](E* e) { e->labels = "b=\"\",a=\"\""; }), is_bad);
  EXPECT_THAT(apply([](E* e) { e->labels = "a=\"\xff\""; }), is_bad);
  EXPECT_THAT(apply([](E* e) { e->help = "\xff"; }), is_bad);
  EXPECT_THAT(apply([](E* e) { e->unit = "s\n"; }), is_bad);
  EXPECT_THAT(apply([](E* e) { e->help.assign(kMaxHelpBytes + 1, 'x'); }),
              is_bad);
  EXPECT_THAT(apply([](E* e) {
                e->labels = "a=\"\\\\ \\\" \\n \xc3\xa4\",b=\"\"";
                e->help = "a\nb";
                e->unit = "seconds";
              }),
              IsOk());
}

// What the appending side takes from a page, the mirror takes, too.
TEST(PageTextTest, CrossesWhateverThePageSays) {
  Recording sender(kLife, {});
  const SourceId source = sender.OpenSource("page", "");
  std::string help = "x";
  while (help.size() < 60'000) help += "\xc3\xa4";
  const std::string unit(60'000, 'u');
  std::string value(60'000, '\\');
  const exposition::Label label = {"a", value};
  const exposition::SeriesDesc desc = {.name = "n",
                                       .labels = {&label, 1},
                                       .family = "n",
                                       .type = exposition::MetricType::kGauge,
                                       .help = help,
                                       .unit = unit};
  exposition::SeriesDesc odd_unit = desc;
  odd_unit.name = odd_unit.family = "m";
  odd_unit.unit = "\"per\xc3\xa4";
  sender.SpliceLines(source, 0, 0, std::vector{desc, odd_unit});
  sender.Append(source, At(1), std::vector{1.0, 2.0}, std::nullopt);
  Recording mirror(1, {});
  for (const LogEntry& e : EntriesOf(sender)) {
    EXPECT_THAT(mirror.Apply(e), IsOk());
  }
  EXPECT_EQ(FramesOf(mirror), FramesOf(sender));
  EXPECT_THAT(FramesOf(mirror), SizeIs(1));
}

TEST_F(HostileMirrorTest, RefusesSequencesThatLeaveNoRoom) {
  EXPECT_THAT(mirror_.Apply(RowOf(UINT64_MAX, 1, rows_.Complete({1}, 5))),
              StatusIs(Code::kInvalidArgument, HasSubstr("frame")));
  EXPECT_FALSE(
      mirror_.Apply(ChunkOfRows(UINT64_MAX, {rows_.Complete({1})})).ok());
}

TEST_F(HostileMirrorTest, RefusesASeriesInTwoSlots) {
  EXPECT_THAT(mirror_.Apply(RowOf(1, 1, rows_.Complete({1, 2, 1}))),
              StatusIs(Code::kDataLoss, HasSubstr("twice")));
  Rows other;
  EXPECT_THAT(mirror_.Apply(ChunkOfRows(1, {other.Complete({1, 2, 1})})),
              StatusIs(Code::kDataLoss, HasSubstr("twice")));
  Rows third;
  EXPECT_THAT(mirror_.Apply(RowOf(1, 1, third.Complete({1, 3}))), IsOk());
  EXPECT_THAT(mirror_.Apply(RowOf(2, 1, third.Adding({2, 3}))),
              StatusIs(Code::kDataLoss, HasSubstr("twice")));
}

TEST(MirrorBoundsTest, ActiveSeriesHoweverTheyCome) {
  Recording mirror(1, {.max_series = 10});
  ASSERT_THAT(mirror.Apply(SourceOf(kLife)), IsOk());
  for (SeriesId id = 1; id <= 20; ++id) {
    ASSERT_THAT(mirror.Apply(SeriesOf(kLife, id)), IsOk());
  }
  const auto is_refused =
      StatusIs(Code::kResourceExhausted, HasSubstr("more than 10"));
  EXPECT_THAT(mirror.Apply(RowOf(1, 1, Rows().Complete(Ids(1, 11)))),
              is_refused);
  EXPECT_THAT(mirror.Apply(ChunkOfRows(1, {Rows().Complete(Ids(1, 11))})),
              is_refused);
  EXPECT_THAT(mirror.Apply(ChunkOfRows(1, {Rows().Complete(Ids(1, 10))})),
              IsOk());
  EXPECT_EQ(mirror.stats().active_series, 10u);
}

TEST(MirrorBoundsTest, AStretchThatNeverEnds) {
  Recording mirror(1, {.budget_bytes = std::size_t{1} << 30});
  ASSERT_THAT(mirror.Apply(SourceOf(kLife)), IsOk());
  for (SeriesId id = 1; id <= 5000; ++id) {
    ASSERT_THAT(mirror.Apply(SeriesOf(kLife, id)), IsOk());
  }
  Rows rows;
  std::mt19937_64 random(1);
  ASSERT_THAT(mirror.Apply(RowOf(1, 1, rows.Complete(Ids(1, 5000)))), IsOk());
  for (Sequence s = 2; s < 200; ++s) {
    ASSERT_THAT(mirror.Apply(RowOf(s, 1, rows.AllChanging(&random))), IsOk());
    EXPECT_LE(mirror.stats().open_bytes, std::size_t{5} << 20);
  }
  EXPECT_GE(mirror.stats().chunks, 2u);
  EXPECT_THAT(FramesOf(mirror), SizeIs(199));
}

TEST(MirrorBoundsTest, TheTextOfSeriesInASharedPool) {
  constexpr std::size_t kBudget = 1u << 20;
  const auto pool = std::make_shared<SeriesPool>();
  Recording mirror(1, {.budget_bytes = kBudget, .pool = pool});
  Status last;
  for (SeriesId id = 1; id < 10'000 && last.ok(); ++id) {
    SeriesEntry e = SeriesOf(kLife, id);
    e.labels = StrCat("a=\"", std::string(10'000, 'x'), id, "\"");
    last = mirror.Apply(e);
    EXPECT_LE(mirror.memory_bytes(), kBudget);
  }
  EXPECT_THAT(last, StatusIs(Code::kResourceExhausted, HasSubstr("series")));
  EXPECT_LE(pool->bytes(), 2 * kBudget);

  // Who has the same series as others does not pay again.
  Recording second(1, {.budget_bytes = kBudget / 8, .pool = pool});
  for (SeriesId id = 1; id < 60; ++id) {
    SeriesEntry e = SeriesOf(kLife, id);
    e.labels = StrCat("a=\"", std::string(10'000, 'x'), id, "\"");
    EXPECT_THAT(second.Apply(e), IsOk());
  }
}

// In any order, and each found again.
TEST(MirrorBoundsTest, TheTimeThatDescendingIdsTake) {
  Recording mirror(1, {.budget_bytes = 512u << 20});
  ASSERT_THAT(mirror.Apply(SourceOf(kLife)), IsOk());
  SeriesEntry e = SeriesOf(kLife, 0);
  constexpr SeriesId kCount = 300'000;
  for (SeriesId id = kCount; id > 0; --id) {
    e.id = id;
    ASSERT_THAT(mirror.Apply(e), IsOk());
  }
  EXPECT_EQ(mirror.stats().series, kCount);
  e.name = "other";
  for (SeriesId id = 1; id <= kCount; id += 997) {
    e.id = id;  // it is known, as another one
    EXPECT_THAT(mirror.Apply(e),
                StatusIs(Code::kInvalidArgument, HasSubstr("before")));
  }
}

TEST(MirrorBoundsTest, Sources) {
  constexpr std::size_t kBudget = 200'000;
  Recording mirror(1, {.budget_bytes = kBudget});
  Status last;
  int n = 0;
  for (; n < 4096 && last.ok(); ++n) {
    SourceEntry e = SourceOf(kLife, static_cast<SourceId>(n));
    e.name += std::string(4000, 'x');
    last = mirror.Apply(e);
    EXPECT_LE(mirror.memory_bytes(), kBudget);
  }
  EXPECT_THAT(last, StatusIs(Code::kResourceExhausted, HasSubstr("sources")));
  EXPECT_LT(n, 60);
}

// Chunks of which next to nothing is stored, and that are large when read:
// columns of a few values over and over.
class BombsTest : public ::testing::Test {
 protected:
  static constexpr SeriesId kSlots = 64;
  static constexpr Sequence kRows = 1024;
  static constexpr int kChunks = 200;  // of 400 KiB

  static double ValueAt(Sequence row, Slot slot) {
    // A few noisy values of its own for each slot, over and over.
    const std::uint64_t noise =
        (row % 16 + slot * 16 + 1) * 0x9e37'79b9'7f4a'7c15;
    return FromBits(0x3ff0'0000'0000'0000 | noise >> 12);
  }
  explicit BombsTest(std::size_t budget = std::size_t{1} << 20)
      : mirror_(1, {.budget_bytes = budget}) {
    EXPECT_THAT(mirror_.Apply(SourceOf(kLife)), IsOk());
    for (SeriesId id = 1; id <= kSlots; ++id) {
      EXPECT_THAT(mirror_.Apply(SeriesOf(kLife, id)), IsOk());
    }
    SlotState state;
    for (Sequence r = 0; r < kRows; ++r) {
      Row row;
      row.complete = r == 0;
      if (row.complete) row.added = Ids(1, kSlots);
      for (Slot s = 0; s < kSlots; ++s) {
        row.changes.push_back({s, 0, ValueAt(r, s)});
      }
      EncodeRow(row, &state, &payloads_.emplace_back());
    }
  }
  void Apply(int chunks) {
    for (int i = 0; i < chunks; ++i) {
      ASSERT_THAT(mirror_.Apply(ChunkOfRows(
                      static_cast<Sequence>(i) * kRows + 1, payloads_)),
                  IsOk());
    }
  }

  std::vector<std::string> payloads_;
  Recording mirror_;
};

TEST_F(BombsTest, AMirrorHoldsNoMoreThanItsReadersCanOpen) {
  Apply(kChunks);
  const RecordingStats s = mirror_.stats();
  EXPECT_LE(s.bytes, std::size_t{1} << 20);
  // More of them would have fitted.
  EXPECT_LT(s.sealed_bytes, std::size_t{700} << 10);
  EXPECT_GT(s.reading_bytes / s.chunks, std::size_t{400} << 10);
  EXPECT_LE(s.reading_bytes, std::size_t{32} << 20);
  EXPECT_GT(s.reading_bytes, std::size_t{31} << 20);
}

class LargeBombsTest : public BombsTest {
 protected:
#ifdef FODC_SANITIZED
  static constexpr int kChunks = 100;  // minutes otherwise
#else
  static constexpr int kChunks = BombsTest::kChunks;
#endif
  LargeBombsTest() : BombsTest(std::size_t{10} << 20) {}
};

TEST_F(LargeBombsTest, AReaderOpensThemOneAfterTheOther) {
  Apply(kChunks);
  // More than a reader holds open.
  ASSERT_GT(mirror_.stats().reading_bytes,
            (std::size_t{80} << 20) / BombsTest::kChunks * kChunks);
  const Snapshot snapshot = mirror_.Take();
  const auto check = [](const SeriesView& view, auto times, auto values) {
    const auto slot = static_cast<Slot>(
        std::stoul(std::string(view.series->name()).substr(1)));
    ASSERT_THAT(values, SizeIs(kRows * kChunks));
    for (std::size_t i = 0; i < values.size(); i += 61) {
      ASSERT_EQ(times[i], At(static_cast<std::int64_t>(i + 1) * 1000).unix_ms);
      ASSERT_EQ(values[i], ValueAt(i % kRows, slot - 1)) << i;
    }
  };
  SeriesView view;
  std::span<const std::int64_t> times;
  std::span<const double> values;
  const auto reader = snapshot.OpenSeriesReader({}, nullptr);
  SeriesId series = 0;
  for (; reader->Next(&view, &times, &values); ++series) {
    check(view, times, values);
  }
  EXPECT_EQ(series, kSlots);
  EXPECT_LE(reader->work().peak_bytes, std::size_t{50} << 20);
  // Some series at a time, not one by one.
  EXPECT_LT(reader->work().sections_opened, 20u * kChunks);

  // In the order of the families, as they are asked for.
  const auto any_order = snapshot.OpenSeriesReader({}, nullptr);
  std::map<std::string, std::size_t> by_name;
  for (std::size_t i = 0; i < any_order->size(); ++i) {
    by_name[std::string(any_order->series(i).series->name())] = i;
  }
  for (const auto& [name, i] : by_name) {
    any_order->Read(i, &times, &values);
    check(any_order->series(i), times, values);
  }
  EXPECT_LE(any_order->work().peak_bytes, std::size_t{50} << 20);
  EXPECT_LT(any_order->work().sections_opened, 20u * kChunks);
}

// Sections that are each within bounds, but not all together.
TEST(ChunkBoundsTest, HoldForAllSections) {
  const auto parsed = [](SourceId sources, std::size_t slots,
                         Sequence rows_each) {
    std::vector<SealRow> rows;
    const std::string first = Rows().Complete(Ids(1, slots));
    Rows state;
    state.Complete(Ids(1, slots));
    const std::string next = state.Adding({});
    Sequence sequence = 0;
    for (Sequence r = 0; r < rows_each; ++r) {
      for (SourceId s = 0; s < sources; ++s) {
        rows.push_back({.source = s,
                        .sequence = ++sequence,
                        .time = At(1),
                        .payload = r == 0 ? first : next});
      }
    }
    auto bytes = SealChunk(kLife, rows);
    EXPECT_THAT(bytes, IsOk());
    return Chunk::Parse(*std::move(bytes)).status();
  };
  EXPECT_THAT(parsed(2, kMaxSlots / 2, 1), IsOk());
  EXPECT_THAT(parsed(3, kMaxSlots / 2, 1),
              StatusIs(Code::kDataLoss, HasSubstr("section")));
  EXPECT_THAT(parsed(2, kMaxStretchCells / 2048, 1024), IsOk());
  EXPECT_THAT(parsed(3, kMaxStretchCells / 2048, 1024),
              StatusIs(Code::kDataLoss, HasSubstr("section")));
}

}  // namespace
}  // namespace fodc::recorder
