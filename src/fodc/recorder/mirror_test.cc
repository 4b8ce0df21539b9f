// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/recorder/entry_codec.h"
#include "fodc/recorder/recording_testing.h"

namespace fodc::recorder {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

FrameTime At(std::int64_t ms) { return {ms, ms + 1'700'000'000'000}; }

// Entries cross as bytes, as they do in reality.
LogEntry Crossed(const LogEntry& entry) {
  std::string bytes;
  AppendEntry(&bytes, entry);
  LogEntry out;
  EXPECT_THAT(ReadEntries(bytes,
                          [&](const LogEntry& e) {
                            out = e;
                            return OkStatus();
                          }),
              IsOk());
  return out;
}

LogPosition Held(const Recording& r) {
  const std::vector<HeldRange> held = r.held();
  if (held.empty()) return {};
  return {held.back().incarnation, held.back().last};
}

class RandomMirrorTest : public ::testing::TestWithParam<std::uint64_t> {};

// An agent that is cut off, resumed and restarted at random; a mirror that
// takes what comes. Where both hold frames, they hold the same.
TEST_P(RandomMirrorTest, HoldsWhatTheSenderHolds) {
  std::mt19937_64 random(GetParam());
  const auto pick = [&](std::uint32_t n) {
    return static_cast<std::uint32_t>(random() % n);
  };
  const RecordingOptions sender_options{.stretch_rows = 5 + pick(30)};
  RecordingOptions mirror_options{.stretch_rows = 120};
  if (GetParam() % 3 == 0) mirror_options.budget_bytes = 150'000;
  Incarnation incarnation = 1000;
  auto sender = std::make_unique<Recording>(incarnation, sender_options);
  auto mirror = std::make_unique<Recording>(1, mirror_options);
  RandomSource a(sender.get(), "a", GetParam());
  RandomSource b(sender.get(), "b", GetParam() + 99);
  std::vector<ModelFrame> model;
  Recording::Defined defined;
  LogPosition position;
  std::int64_t ms = 1000;
  int fresh_mirrors = 0;
  for (int step = 0; step < 600; ++step) {
    ms += 1000;
    model.push_back(a.Step(At(ms)));
    if (pick(3) == 0) model.push_back(b.Step(At(ms)));
    if (pick(100) == 0) sender->Seal();
    if (pick(60) == 0) {  // the agent restarts, with what it had spilled
      const std::vector<LogEntry> spilled = EntriesOf(*sender);
      incarnation += 7;
      auto next = std::make_unique<Recording>(incarnation, sender_options);
      for (const LogEntry& e : spilled) {
        ASSERT_THAT(next->Apply(Crossed(e)), IsOk());
      }
      a.MoveTo(next.get());
      b.MoveTo(next.get());
      sender = std::move(next);
      defined.Clear();
      position = Held(*mirror);
    }
    if (pick(80) == 0 && fresh_mirrors < 3) {  // the proxy restarts
      mirror = std::make_unique<Recording>(1, mirror_options);
      defined.Clear();
      position = {};
      ++fresh_mirrors;
    }
    if (pick(40) == 0) {  // the link is cut: what was under way is lost
      defined.Clear();
      position = Held(*mirror);
    }
    if (step % 200 > 150) continue;  // a long cut
    int limit = pick(5) == 0 ? static_cast<int>(pick(6)) + 1 : 1'000'000;
    position = sender->ReadLog(position, &defined, [&](const LogEntry& e) {
      const Status applied = mirror->Apply(Crossed(e));
      EXPECT_THAT(applied, IsOk()) << "step " << step;
      EXPECT_LE(mirror->memory_bytes(), mirror_options.budget_bytes);
      return --limit > 0;
    });
    if (::testing::Test::HasFailure()) return;
  }
  defined.Clear();
  position = Held(*mirror);
  sender->ReadLog(position, &defined, [&](const LogEntry& e) {
    EXPECT_THAT(mirror->Apply(Crossed(e)), IsOk());
    return true;
  });
  EXPECT_EQ(FramesOf(*sender), model);
  const std::vector<ModelFrame> held = FramesOf(*mirror);
  if (mirror_options.budget_bytes > 1'000'000) {
    EXPECT_EQ(held.size(), model.size());
  } else {
    EXPECT_GT(held.size(), 10u);
  }
  EXPECT_TRUE(held ==
              std::vector<ModelFrame>(
                  model.end() - static_cast<long>(held.size()), model.end()));
  const auto latest = mirror->Take().Latest();
  for (const SourceFrame& f : latest) {
    ModelFrame newest;
    for (const ModelFrame& m : model) {
      if (m.source == f.source_name) newest = m;
    }
    EXPECT_EQ(ToModel(f), newest);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomMirrorTest,
                         ::testing::Range<std::uint64_t>(1, 25));

TEST(MirrorTest, MakesTheChunksThatTheSenderMade) {
  Recording sender(1000, {.stretch_rows = 10});
  RandomSource a(&sender, "a", 5);
  Recording mirror(1, {});
  Recording::Defined defined;
  LogPosition position;
  std::size_t rows = 0;
  for (int i = 0; i < 55; ++i) {
    a.Step(At(i * 1000));
    position = sender.ReadLog(position, &defined, [&](const LogEntry& e) {
      rows += std::holds_alternative<RowEntry>(e) ? 1 : 0;
      EXPECT_FALSE(std::holds_alternative<ChunkEntry>(e));
      EXPECT_THAT(mirror.Apply(e), IsOk());
      return true;
    });
  }
  EXPECT_EQ(rows, 55u);
  std::vector<std::string> ours;
  std::vector<std::string> theirs;
  for (const LogEntry& e : EntriesOf(sender)) {
    if (const auto* c = std::get_if<ChunkEntry>(&e)) ours.push_back(c->bytes);
  }
  for (const LogEntry& e : EntriesOf(mirror)) {
    if (const auto* c = std::get_if<ChunkEntry>(&e)) theirs.push_back(c->bytes);
  }
  EXPECT_THAT(ours, SizeIs(5));
  EXPECT_EQ(ours, theirs);
}

class BadEntryTest : public ::testing::Test {
 protected:
  BadEntryTest() : sender_(1000, {.stretch_rows = 10}), a_(&sender_, "a", 5) {
    for (int i = 0; i < 25; ++i) a_.Step(At(i * 1000));
    entries_ = EntriesOf(sender_);
  }
  Recording sender_;
  RandomSource a_;
  std::vector<LogEntry> entries_;
};

TEST_F(BadEntryTest, RefusesWhatRefersToUnknownSeriesOrSources) {
  for (const bool drop_series : {true, false}) {
    Recording mirror(1, {});
    for (const LogEntry& e : entries_) {
      if (drop_series ? std::holds_alternative<SeriesEntry>(e)
                      : std::holds_alternative<SourceEntry>(e)) {
        continue;
      }
      const Status s = mirror.Apply(e);
      if (std::holds_alternative<SourceEntry>(e) ||
          std::holds_alternative<SeriesEntry>(e)) {
        EXPECT_THAT(s, IsOk());
      } else {
        EXPECT_FALSE(s.ok());
      }
    }
    EXPECT_THAT(FramesOf(mirror), IsEmpty());
  }
}

TEST_F(BadEntryTest, RefusesAFrameThatSkipsUntilTheGapIsAccepted) {
  Recording mirror(1, {});
  bool skipped = false;
  for (const LogEntry& e : entries_) {
    if (std::holds_alternative<ChunkEntry>(e) && !skipped) {
      skipped = true;
      // Frames 1 to 10 never come; the first of all may be any.
      continue;
    }
    EXPECT_THAT(mirror.Apply(e), IsOk());
  }
  EXPECT_THAT(FramesOf(mirror), SizeIs(15));

  Recording other(1, {});
  int chunks = 0;
  for (const LogEntry& e : entries_) {
    if (std::holds_alternative<ChunkEntry>(e) && ++chunks == 2) continue;
    const Status s = other.Apply(e);
    if (const auto* row = std::get_if<RowEntry>(&e);
        row != nullptr && row->name.sequence == 21) {
      EXPECT_THAT(s, StatusIs(Code::kOutOfRange, HasSubstr("21")));
      EXPECT_THAT(FramesOf(other), SizeIs(10));
      EXPECT_THAT(other.ApplyOverGap(e), IsOk());
    } else {
      EXPECT_THAT(s, IsOk());
    }
  }
  EXPECT_THAT(FramesOf(other), SizeIs(15));
  EXPECT_EQ(other.held().back().missing, 10u);
}

TEST_F(BadEntryTest, RefusesDamagedChunksAndRowsAndStaysAsItWas) {
  Recording mirror(1, {});
  for (const LogEntry& e : entries_) {
    LogEntry bad = e;
    if (auto* chunk = std::get_if<ChunkEntry>(&bad)) {
      for (std::size_t i = 0; i < chunk->bytes.size(); ++i) {
        chunk->bytes[i] = static_cast<char>(chunk->bytes[i] ^ 0x10);
        EXPECT_FALSE(mirror.Apply(bad).ok()) << i;
        chunk->bytes[i] = static_cast<char>(chunk->bytes[i] ^ 0x10);
        ChunkEntry cut = *chunk;
        cut.bytes.resize(i);
        EXPECT_FALSE(mirror.Apply(cut).ok()) << i;
      }
    } else if (auto* row = std::get_if<RowEntry>(&bad)) {
      row->payload.pop_back();
      EXPECT_THAT(mirror.Apply(bad), StatusIs(Code::kDataLoss, HasSubstr("")));
    }
    EXPECT_THAT(mirror.Apply(e), IsOk());
  }
  EXPECT_EQ(FramesOf(mirror), FramesOf(sender_));
}

TEST_F(BadEntryTest, BoundsTheSeriesOfAHostileSender) {
  constexpr std::size_t kBudget = 200'000;
  Recording mirror(1, {.budget_bytes = kBudget});
  Status last;
  for (SeriesId id = 1; id < 100'000 && last.ok(); ++id) {
    last = mirror.Apply(SeriesEntry{.incarnation = 5,
                                    .id = id,
                                    .name = "n" + std::to_string(id),
                                    .labels = "",
                                    .family = "n",
                                    .type = {},
                                    .help = "",
                                    .unit = ""});
    EXPECT_LE(mirror.memory_bytes(), kBudget);
  }
  EXPECT_THAT(last, StatusIs(Code::kResourceExhausted, HasSubstr("series")));
}

}  // namespace
}  // namespace fodc::recorder
