// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/spill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/recorder/entry_codec.h"
#include "fodc/recorder/recording_testing.h"

namespace fodc::recorder {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

namespace fs = std::filesystem;

FrameTime At(std::int64_t ms) { return {ms, ms + 1'700'000'000'000}; }

class SpillTest : public ::testing::Test {
 protected:
  Spill::Options Options() { return {.directory = directory_.File("spill")}; }

  std::unique_ptr<Spill> OpenSpill() {
    auto spill = Spill::Open(Options(), clock_);
    EXPECT_THAT(spill, IsOk());
    return *std::move(spill);
  }
  static Status Round(Spill* spill, const Recording& r) {
    const Spill::Batch batch = spill->Collect(r);
    Status status = spill->Write(batch);
    spill->Finish(batch, status);
    return status;
  }
  std::vector<std::string> Segments(std::string_view log) {
    std::vector<std::string> files;
    const std::string path = directory_.File("spill") + "/" + std::string(log);
    for (const auto& f : fs::directory_iterator(path)) {
      if (f.path().extension() == ".wal") files.push_back(f.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }

  // In the middle of a record in the middle.
  static void Damage(const std::string& segment) {
    std::fstream f(segment, std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(static_cast<long>(fs::file_size(segment) / 2));
    f.write("damage", 6);
  }

  TempDirectory directory_;
  FakeClock clock_;
};

TEST_F(SpillTest, ComesBackLessWhatWasNotSpilled) {
  std::vector<ModelFrame> model;
  Incarnation incarnation = 1000;
  for (int life = 0; life < 5; ++life) {
    auto spill = OpenSpill();
    Recording r(++incarnation, {.stretch_rows = 8});
    const Spill::LoadReport report = spill->Load(&r);
    EXPECT_THAT(report.damage, IsEmpty());
    EXPECT_EQ(report.refused, 0u);
    ASSERT_EQ(FramesOf(r), model) << "life " << life;
    RandomSource a(&r, "a", 20 + static_cast<std::uint64_t>(life));
    const int frames = 10 + life * 7;
    for (int i = 0; i < frames; ++i) {
      model.push_back(a.Step(At((life * 1000 + i) * 1000)));
      if (i % 5 == 4) {
        ASSERT_THAT(Round(spill.get(), r), IsOk());
      }
    }
    model.resize(model.size() - static_cast<std::size_t>(frames % 5));
  }
}

TEST_F(SpillTest, KeepsOnlyTheOpenStretchInTheTail) {
  auto spill = OpenSpill();
  Recording r(1000, {.stretch_rows = 10});
  spill->Load(&r);
  RandomSource a(&r, "a", 3);
  std::uint64_t most = 0;
  for (int i = 0; i < 60; ++i) {
    a.Step(At(i * 1000));
    ASSERT_THAT(Round(spill.get(), r), IsOk());
    EXPECT_THAT(Segments("tail"), SizeIs(1));
    most = std::max<std::uint64_t>(most, fs::file_size(Segments("tail")[0]));
  }
  EXPECT_LT(most, 64'000u);
}

TEST_F(SpillTest, CollectsChunksAndTheRowsAfterThem) {
  auto spill = OpenSpill();
  Recording r(1000, {.stretch_rows = 10});
  spill->Load(&r);
  RandomSource a(&r, "a", 3);
  for (int i = 0; i < 35; ++i) a.Step(At(i * 1000));
  const Spill::Batch batch = spill->Collect(r);
  std::uint64_t chunks = 0;
  std::uint64_t rows = 0;
  const auto count = [&](const LogEntry& e) {
    chunks += std::holds_alternative<ChunkEntry>(e) ? 1 : 0;
    rows += std::holds_alternative<RowEntry>(e) ? 1 : 0;
    return OkStatus();
  };
  EXPECT_THAT(ReadEntries(*UnpackEntries(batch.chunks), count), IsOk());
  EXPECT_EQ(chunks, 3u);
  EXPECT_EQ(rows, 0u);
  EXPECT_THAT(ReadEntries(*UnpackEntries(batch.tail), count), IsOk());
  EXPECT_EQ(chunks, 3u);
  EXPECT_EQ(rows, 5u);
  const Status written = spill->Write(batch);
  EXPECT_THAT(written, IsOk());
  spill->Finish(batch, written);
  const Spill::Counters& counters = spill->counters();
  EXPECT_EQ(counters.written_bytes, batch.chunks.size() + batch.tail.size());
  EXPECT_LE(counters.written_bytes, counters.disk_bytes);
}

TEST_F(SpillTest, BringsALargeRecordingToTheDiskInSeveralBatches) {
  std::vector<ModelFrame> model;
  {
    Spill::Options options = Options();
    options.max_batch_bytes = 50'000;
    auto spill = *Spill::Open(options, clock_);
    Recording r(1000, {.stretch_rows = 10});
    spill->Load(&r);
    RandomSource a(&r, "a", 8, 20'000);
    for (int i = 0; i < 35; ++i) model.push_back(a.Step(At(i * 1000)));
    std::size_t plain_bytes = 0;
    std::size_t chunks = 0;
    int batches = 0;
    for (bool is_last = false; !is_last; ++batches) {
      ASSERT_LT(batches, 10);
      const Spill::Batch batch = spill->Collect(r);
      is_last = batch.is_last;
      const auto count = [&](const std::string& packed, bool is_tail) {
        if (packed.empty()) return;
        const auto plain = UnpackEntries(packed);
        ASSERT_THAT(plain, IsOk());
        plain_bytes += plain->size();
        ASSERT_THAT(ReadEntries(*plain,
                                [&](const LogEntry& e) {
                                  const bool is_chunk =
                                      std::holds_alternative<ChunkEntry>(e);
                                  EXPECT_FALSE(is_chunk && is_tail);
                                  chunks += is_chunk ? 1 : 0;
                                  return OkStatus();
                                }),
                    IsOk());
      };
      count(batch.chunks, false);
      count(batch.tail, true);
      const Status written = spill->Write(batch);
      EXPECT_THAT(written, IsOk());
      spill->Finish(batch, written);
    }
    EXPECT_GT(batches, 2);
    EXPECT_EQ(chunks, 3u);
    EXPECT_LT(spill->counters().written_bytes, plain_bytes / 2);
    EXPECT_TRUE(spill->Collect(r).empty());
  }
  auto spill = OpenSpill();
  Recording r(2000, {});
  EXPECT_THAT(spill->Load(&r).damage, IsEmpty());
  EXPECT_TRUE(FramesOf(r) == model);
}

TEST_F(SpillTest, DropsWhatLeftTheWindow) {
  Spill::Options options = Options();
  options.segment_bytes = 4000;
  auto spill = *Spill::Open(options, clock_);
  Recording r(1000, {.budget_bytes = 150'000, .stretch_rows = 10});
  spill->Load(&r);
  RandomSource a(&r, "a", 3);
  for (int i = 0; i < 4000; ++i) {
    a.Step(At(i * 1000));
    if (i % 50 != 0) continue;
    ASSERT_THAT(Round(spill.get(), r), IsOk());
  }
  EXPECT_LT(spill->counters().disk_bytes, 400'000u);
  EXPECT_GT(r.stats().evicted_samples, 0u);
  const std::vector<ModelFrame> held = FramesOf(r);
  spill.reset();
  Recording back(1001, {.stretch_rows = 10});
  Spill::LoadReport report = OpenSpill()->Load(&back);
  EXPECT_THAT(report.damage, IsEmpty());
  const std::vector<ModelFrame> loaded = FramesOf(back);
  ASSERT_GE(loaded.size() + 50, held.size());
}

TEST_F(SpillTest, RepairsATornTail) {
  std::vector<ModelFrame> model;
  {
    auto spill = OpenSpill();
    Recording r(1000, {.stretch_rows = 50});
    spill->Load(&r);
    RandomSource a(&r, "a", 3);
    for (int i = 0; i < 20; ++i) {
      model.push_back(a.Step(At(i * 1000)));
      ASSERT_THAT(Round(spill.get(), r), IsOk());
    }
  }
  const std::string tail = Segments("tail").back();
  fs::resize_file(tail, fs::file_size(tail) - 3);
  Recording r(1001, {});
  const Spill::LoadReport report = OpenSpill()->Load(&r);
  EXPECT_TRUE(report.torn_tail);
  EXPECT_THAT(report.damage, IsEmpty());
  model.pop_back();
  EXPECT_EQ(FramesOf(r), model);
}

// Whatever byte of either log is wrong: what is read is true, and what is not
// read is told, at or before the place.
TEST_F(SpillTest, ReadsAroundAChangeOfAnyByte) {
  std::vector<ModelFrame> model;
  {
    auto spill = OpenSpill();
    Recording r(1000, {.stretch_rows = 10});
    spill->Load(&r);
    RandomSource a(&r, "a", 3);
    for (int i = 0; i < 65; ++i) {
      model.push_back(a.Step(At(i * 1000)));
      ASSERT_THAT(Round(spill.get(), r), IsOk());
    }
  }
  std::vector<std::string> files = Segments("chunks");
  for (std::string& f : Segments("tail")) files.push_back(std::move(f));
  for (const std::string& file : files) {
    const auto good = ReadFile(file);
    ASSERT_THAT(good, IsOk());
#ifdef FODC_SANITIZED
    constexpr std::size_t kPlaces = 20;  // minutes otherwise
#else
    constexpr std::size_t kPlaces = 100;
#endif
    const std::size_t step = good->size() / kPlaces + 1;
    for (std::size_t i = 0; i < good->size(); i += step) {
      SCOPED_TRACE(StrCat(file, " byte ", i));
      std::string bad = *good;
      bad[i] = static_cast<char>(bad[i] ^ 0x20);
      ASSERT_THAT(WriteFileAtomically(file, bad), IsOk());
      Recording r(1001, {});
      const Spill::LoadReport report = OpenSpill()->Load(&r);
      const std::vector<ModelFrame> frames = FramesOf(r);
      auto at = model.begin();
      for (const ModelFrame& f : frames) {
        at = std::find(at, model.end(), f);
        ASSERT_NE(at, model.end());
      }
      if (frames.size() < model.size()) {
        EXPECT_TRUE(report.torn_tail || !report.damage.empty());
      }
      for (const std::string& damage : report.damage) {
        EXPECT_THAT(damage, HasSubstr(file));
        const std::size_t offset = damage.find(" at byte ");
        ASSERT_NE(offset, std::string::npos) << damage;
        EXPECT_LE(std::stoul(damage.substr(offset + 9)), i) << damage;
      }
      // A repair keeps a copy of what it cuts.
      for (const auto& f : fs::directory_iterator(fs::path(file).parent_path()))
        if (f.path().extension() != ".wal" && !f.is_directory() &&
            f.path().filename().string().find(".wal.") != std::string::npos)
          fs::remove(f.path());
      ASSERT_THAT(WriteFileAtomically(file, *good), IsOk());
    }
  }
}

TEST_F(SpillTest, ReadsAroundDamageAndSetsItAside) {
  std::vector<ModelFrame> model;
  {
    auto spill = OpenSpill();
    Recording r(1000, {.stretch_rows = 10});
    spill->Load(&r);
    RandomSource a(&r, "a", 3);
    for (int i = 0; i < 65; ++i) {
      model.push_back(a.Step(At(i * 1000)));
      ASSERT_THAT(Round(spill.get(), r), IsOk());
    }
  }
  const std::string segment = Segments("chunks").front();
  Damage(segment);
  std::vector<ModelFrame> loaded;
  {
    auto spill = OpenSpill();
    Recording r(1001, {});
    const Spill::LoadReport report = spill->Load(&r);
    ASSERT_THAT(report.damage, Not(IsEmpty()));
    EXPECT_THAT(report.damage[0], HasSubstr("at byte"));
    loaded = FramesOf(r);
    EXPECT_GT(loaded.size(), 20u);
    EXPECT_LT(loaded.size(), model.size());
    for (const ModelFrame& f : loaded) {
      EXPECT_THAT(model, ::testing::Contains(f));
    }
    RandomSource a(&r, "a", 4);
    loaded.push_back(a.Step(At(100'000)));
    ASSERT_THAT(Round(spill.get(), r), IsOk());
    EXPECT_FALSE(fs::exists(segment));
  }
  // What was read is on disk again, and the damage is not met again.
  Recording r(1002, {});
  const Spill::LoadReport report = OpenSpill()->Load(&r);
  EXPECT_THAT(report.damage, IsEmpty());
  EXPECT_EQ(FramesOf(r), loaded);
}

TEST_F(SpillTest, GoesOnWhenTheDiskFailsAndCatchesUp) {
  std::vector<ModelFrame> model;
  {
    auto spill = OpenSpill();
    Recording r(1000, {.stretch_rows = 10});
    spill->Load(&r);
    RandomSource a(&r, "a", 3);
    int changes = 0;
    for (int i = 0; i < 60; ++i) {
      model.push_back(a.Step(At(i * 1000)));
      const Spill::Batch batch = spill->Collect(r);
      const bool broken = i >= 15 && i < 40;
      Status status;
      if (broken) {
        // As a full disk answers: nothing of the batch is written.
        status = ResourceExhausted("no space left on device");
      } else {
        status = spill->Write(batch);
        EXPECT_THAT(status, IsOk());
      }
      changes += spill->Finish(batch, status) ? 1 : 0;
      EXPECT_EQ(spill->status().ok(), !broken);
    }
    EXPECT_EQ(changes, 2);  // to be logged: once it fails, once it works
    EXPECT_EQ(spill->counters().failures, 25u);
    EXPECT_EQ(FramesOf(r), model);
  }
  Recording r(1001, {});
  const Spill::LoadReport report = OpenSpill()->Load(&r);
  EXPECT_THAT(report.damage, IsEmpty());
  EXPECT_EQ(FramesOf(r), model);
}

// Whoever loads twice, for the clock was set back, finds the same.
TEST_F(SpillTest, LoadsDamageASecondTime) {
  {
    auto spill = OpenSpill();
    Recording r(1000, {.stretch_rows = 10});
    spill->Load(&r);
    RandomSource a(&r, "a", 3);
    for (int i = 0; i < 65; ++i) {
      a.Step(At(i * 1000));
      ASSERT_THAT(Round(spill.get(), r), IsOk());
    }
  }
  Damage(Segments("chunks").front());
  auto spill = OpenSpill();
  Recording first(1001, {});
  EXPECT_THAT(spill->Load(&first).damage, Not(IsEmpty()));
  Recording second(1002, {});
  EXPECT_THAT(spill->Load(&second).damage, Not(IsEmpty()));
  EXPECT_FALSE(FramesOf(second).empty());
  EXPECT_EQ(FramesOf(second), FramesOf(first));
  ASSERT_THAT(Round(spill.get(), second), IsOk());
  spill.reset();
  Recording third(1003, {});
  EXPECT_THAT(OpenSpill()->Load(&third).damage, IsEmpty());
  EXPECT_EQ(FramesOf(third), FramesOf(second));
}

// A write fails, and what is found then is damaged: what went aside with the
// damage is still in memory and is written again.
TEST_F(SpillTest, WritesAgainWhatWentAside) {
  std::vector<ModelFrame> model;
  {
    auto spill = OpenSpill();
    Recording r(1000, {.stretch_rows = 10});
    spill->Load(&r);
    RandomSource a(&r, "a", 3);
    const auto step = [&](int n) {
      for (int i = 0; i < n; ++i) {
        model.push_back(a.Step(At(static_cast<std::int64_t>(model.size()))));
      }
    };
    for (int i = 0; i < 6; ++i) {
      step(10);
      ASSERT_THAT(Round(spill.get(), r), IsOk());
    }
    const std::string damaged = Segments("chunks").front();
    Damage(damaged);
    // Copies of older damage that cannot be removed change nothing.
    for (int i = 1; i < 9; ++i) {
      fs::create_directory(
          StrCat(damaged, ".damaged-2000010", i, "T000000.000000000Z"));
    }
    step(10);
    {
      // No segment of the tail can be begun: its name is taken.
      const fs::path taken =
          directory_.File("spill") + "/tail/0000000000000007.wal.new";
      fs::create_directory(taken);
      EXPECT_FALSE(Round(spill.get(), r).ok());
      fs::remove(taken);
    }
    for (int i = 0; i < 3; ++i) {
      step(1);
      ASSERT_THAT(Round(spill.get(), r), IsOk());
    }
    ASSERT_EQ(FramesOf(r), model);
  }
  Recording r(1001, {});
  const Spill::LoadReport report = OpenSpill()->Load(&r);
  EXPECT_THAT(report.damage, IsEmpty());
  EXPECT_EQ(FramesOf(r), model);
}

// The text of the series of one chunk is more than one batch takes.
TEST_F(SpillTest, WritesAChunkWithHoweverMuchTextItNeeds) {
  std::vector<ModelFrame> model;
  {
    auto spill = OpenSpill();
    Recording r(1000, {.budget_bytes = 200u << 20, .stretch_rows = 10});
    spill->Load(&r);
    const SourceId source = r.OpenSource("page", "");
    std::vector<std::string> text;
    text.reserve(18'000);
    for (int i = 0; i < 18'000; ++i) {
      text.push_back(std::string(1000, 'x') + std::to_string(i));
    }
    std::vector<exposition::Label> labels;
    labels.reserve(text.size());
    for (const std::string& t : text) labels.push_back({"a", t});
    std::vector<exposition::SeriesDesc> descs;
    descs.reserve(labels.size());
    for (const exposition::Label& label : labels) {
      descs.push_back({.name = "n",
                       .labels = {&label, 1},
                       .family = "n",
                       .type = exposition::MetricType::kGauge,
                       .help = "",
                       .unit = ""});
    }
    r.SpliceLines(source, 0, 0, descs);
    const std::vector<double> values(descs.size(), 1.0);
    for (int i = 0; i < 35; ++i) {
      r.Append(source, At(i * 1000), values, std::nullopt);
      if (i % 7 == 0) {
        ASSERT_THAT(Round(spill.get(), r), IsOk());
      }
    }
    ASSERT_THAT(Round(spill.get(), r), IsOk());
    EXPECT_LT(spill->counters().disk_bytes, 20u << 20);
  }
  Recording r(1001, {.budget_bytes = 200u << 20});
  const Spill::LoadReport report = OpenSpill()->Load(&r);
  EXPECT_THAT(report.damage, IsEmpty());
  EXPECT_EQ(report.refused, 0u);
  EXPECT_EQ(r.stats().frames, 35u);
  EXPECT_EQ(r.stats().active_series, 18'000u);
}

TEST_F(SpillTest, BelongsToOneProcess) {
  const auto first = OpenSpill();
  EXPECT_THAT(Spill::Open(Options(), clock_),
              StatusIs(Code::kUnavailable, HasSubstr("spill")));
}

}  // namespace
}  // namespace fodc::recorder
