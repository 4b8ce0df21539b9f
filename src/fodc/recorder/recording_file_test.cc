// SPDX-License-Identifier: Apache-2.0
#include "fodc/recorder/recording_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <map>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/recorder/entry_codec.h"
#include "fodc/recorder/recording_testing.h"
#include "tests/support/frames.h"
#include "tests/support/page_feeder.h"
#include "tests/support/paths.h"

namespace fodc::recorder {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

FrameTime At(std::int64_t ms) { return {ms, ms + 1'700'000'000'000}; }

Recording Small(std::vector<ModelFrame>* model) {
  Recording r(1000, {.stretch_rows = 4});
  RandomSource a(&r, "a", 8);
  for (int i = 0; i < 10; ++i) model->push_back(a.Step(At(i * 1000)));
  return r;
}

TEST(RecordingFileTest, GivesBackWhatWasWritten) {
  std::vector<ModelFrame> model;
  const Recording r = Small(&model);
  const TempDirectory directory;
  const std::string path = directory.File("x.fdr");
  const FileInfo info = {{"label.node_role", "ROLE_DATA"}, {"pod", "p-0"}};
  ASSERT_THAT(WriteRecordingFile(path, r.Take(), info), IsOk());
  FileReport report;
  const auto read = ReadRecordingFile(path, FileReadingOptions(), &report);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(FramesOf(*read), model);
  EXPECT_EQ(report.info, info);
  EXPECT_TRUE(report.complete);
  EXPECT_THAT(report.damage, IsEmpty());
}

TEST(RecordingFileTest, IsWrittenInPieces) {
  const Recording r(1, {});
  // Larger than a piece.
  const FileInfo info = {{"large", std::string(300'000, 'x')}, {"a", "b"}};
  std::string whole;
  std::size_t pieces = 0;
  EXPECT_TRUE(EncodeRecordingFile(r.Take(), info, {}, [&](std::string_view p) {
                whole += p;
                ++pieces;
                return OkStatus();
              }).ok());
  EXPECT_EQ(whole, EncodeRecordingFile(r.Take(), info));
  EXPECT_GT(pieces, 1u);
  // A failure ends it.
  pieces = 0;
  EXPECT_EQ(EncodeRecordingFile(r.Take(), info, {},
                                [&](std::string_view) {
                                  ++pieces;
                                  return ResourceExhausted("full");
                                })
                .code(),
            Code::kResourceExhausted);
  EXPECT_EQ(pieces, 1u);
}

TEST(RecordingFileTest, ReadsAroundAChangeOfAnyByte) {
  std::vector<ModelFrame> model;
  const Recording r = Small(&model);
  std::string bytes = EncodeRecordingFile(r.Take(), {});
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(bytes[i] ^ 0x20);
    FileReport report;
    const auto read = DecodeRecordingFile(bytes, FileReadingOptions(), &report);
    bytes[i] = static_cast<char>(bytes[i] ^ 0x20);
    if (i < 8) {
      EXPECT_THAT(read.status().message(), HasSubstr("byte"));
      continue;
    }
    ASSERT_THAT(read, IsOk());
    ASSERT_THAT(report.damage, Not(IsEmpty())) << i;
    EXPECT_LE(report.damage[0].offset, i);
    EXPECT_GT(report.damage[0].offset + report.damage[0].length_bytes, i);
    // What is left is true.
    for (const ModelFrame& f : FramesOf(*read)) {
      EXPECT_THAT(model, ::testing::Contains(f));
    }
  }
}

TEST(RecordingFileTest, ReadsWhatIsLeftOfACutFile) {
  std::vector<ModelFrame> model;
  const Recording r = Small(&model);
  const std::string bytes = EncodeRecordingFile(r.Take(), {});
  std::size_t most = 0;
  for (std::size_t n = 8; n < bytes.size(); ++n) {
    FileReport report;
    const auto read = DecodeRecordingFile(std::string_view(bytes).substr(0, n),
                                          FileReadingOptions(), &report);
    ASSERT_THAT(read, IsOk());
    EXPECT_FALSE(report.complete);
    const std::vector<ModelFrame> frames = FramesOf(*read);
    EXPECT_GE(frames.size(), most);  // never less with more bytes
    most = frames.size();
  }
  EXPECT_EQ(most, model.size());
}

// Millions of headers that each claim the rest of the file.
TEST(RecordingFileTest, GivesUpAmongHeadersOfNoBlocks) {
  std::vector<ModelFrame> model;
  const Recording r = Small(&model);
  std::string bytes = EncodeRecordingFile(r.Take(), {});
  const std::size_t good = bytes.size();
  constexpr std::size_t kHeaders = 1'000'000;
  constexpr std::size_t kHeaderBytes = 17;
  for (std::size_t i = kHeaders; i > 0; --i) {
    bytes += "FDRB\2";
    AppendFixed(&bytes, static_cast<std::uint32_t>((i - 1) * kHeaderBytes));
    AppendFixed(&bytes, std::uint64_t{1});
  }
  FileReport report;
  const auto read = DecodeRecordingFile(bytes, FileReadingOptions(), &report);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(FramesOf(*read), model);
  EXPECT_EQ(report.damaged_regions, 1u);
  EXPECT_EQ(report.damage[0].offset, good);
  EXPECT_EQ(report.damage[0].offset + report.damage[0].length_bytes,
            bytes.size());
}

std::string BlockOf(const std::string& packed) {
  std::string block = "FDRB\2";
  AppendFixed(&block, static_cast<std::uint32_t>(packed.size()));
  AppendFixed(&block,
              std::uint64_t{XXH3_64bits_withSeed(packed.data(), packed.size(),
                                                 2 + packed.size() * 256)});
  return block + packed;
}

// One bad entry takes none of its neighbours along.
TEST(RecordingFileTest, GoesOnAfterARefusedEntry) {
  std::vector<ModelFrame> model;
  const Recording r = Small(&model);
  std::string bytes = EncodeRecordingFile(Recording(1, {}).Take(), {});
  std::string entries;
  for (const LogEntry& e : EntriesOf(r)) {
    if (const auto* series = std::get_if<SeriesEntry>(&e)) {
      SeriesEntry bad = *series;
      bad.id += 1000;
      bad.name = "no name";
      AppendEntry(&entries, bad);
    }
    AppendEntry(&entries, e);
  }
  const std::size_t block = bytes.size();
  bytes += BlockOf(PackEntries(entries));
  FileReport report;
  const auto read = DecodeRecordingFile(bytes, FileReadingOptions(), &report);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(FramesOf(*read), model);
  ASSERT_EQ(report.damaged_regions, 1u);
  EXPECT_EQ(report.damage[0].offset, block);
  EXPECT_THAT(report.damage[0].reason, HasSubstr("entries refused"));
  EXPECT_THAT(report.damage[0].reason, HasSubstr("illegal name"));
}

// The frames of a batch count together, and each is needed.
TEST(RecordingFileTest, UnpacksABatchOfSeveralFramesOrNone) {
  std::string entries(200'000, 'a');
  for (std::size_t i = 0; i < entries.size(); i += 7) entries[i] = 'b';
  const std::string packed = PackEntries(entries);
  ASSERT_LT(packed.size(), entries.size() / 10);
  EXPECT_THAT(UnpackEntries(packed), IsOkAndHolds(entries));
  EXPECT_THAT(UnpackEntries(packed, entries.size()), IsOkAndHolds(entries));
  EXPECT_EQ(UnpackEntries(packed, entries.size() - 1).status().code(),
            Code::kResourceExhausted);
  const std::string_view cut(packed.data(), packed.size() - 1);
  EXPECT_EQ(UnpackEntries(cut).status().code(), Code::kDataLoss);
  EXPECT_EQ(UnpackEntries(packed + "x").status().code(), Code::kDataLoss);
}

// What a frame claims is believed only as far as it can be true.
TEST(RecordingFileTest, MakesNoRoomForWhatCannotBeThere) {
  // One empty block that is to hold 60 MiB.
  const std::string claim("\1\x28\xb5\x2f\xfd\xa0\0\0\xc0\3\1\0\0", 13);
  EXPECT_EQ(UnpackEntries(claim).status().code(), Code::kDataLoss);
  EXPECT_THAT(UnpackEntries(claim).status().message(), HasSubstr("belies"));
}

// A packer begins anew when its batch is taken.
TEST(RecordingFileTest, PacksEachEntryOnce) {
  EntryPacker packer;
  EXPECT_EQ(packer.Take(), "");
  const SourceEntry small{
      .incarnation = 1, .source = 2, .name = "n", .container_name = "c"};
  SourceEntry large = small;
  large.name.assign(100'000, 'x');
  for (const SourceEntry& e : {small, large}) {
    std::string plain;
    AppendEntry(&plain, e);
    packer.Add(e);
    EXPECT_EQ(packer.bytes(), plain.size());
    EXPECT_THAT(UnpackEntries(packer.Take()), IsOkAndHolds(plain));
    EXPECT_EQ(packer.bytes(), 0u);
    EXPECT_EQ(packer.Take(), "");
  }
}

// The bound is on all blocks, however they are packed.
TEST(RecordingFileTest, HoldsThePlainBlocksAgainstTheSum) {
  std::string plain(64 << 10, '\1');  // of no entries
  plain[0] = 0;
  const std::size_t large = 120u << 20;
  std::string bytes;
  std::size_t rest = large;
  for (int round = 0; round < 3; ++round) {
    bytes = EncodeRecordingFile(Recording(1, {}).Take(), {});
    bytes += BlockOf(PackEntries(std::string(large, '\0')));
    bytes += BlockOf(PackEntries(std::string(rest, '\0')));
    bytes += BlockOf(plain);
    bytes += BlockOf(PackEntries(std::string(large, '\0')));
    // All but half of the plain block.
    rest = (256u << 20) + 64 * bytes.size() - large - plain.size() / 2;
  }
  FileReport report;
  ASSERT_THAT(DecodeRecordingFile(bytes, FileReadingOptions(), &report),
              IsOk());
  ASSERT_EQ(report.damage.size(), 4u);
  EXPECT_THAT(report.damage[1].reason, HasSubstr("entry damaged"));
  EXPECT_THAT(report.damage[2].reason, HasSubstr("larger than"));
  EXPECT_THAT(report.damage[3].reason, HasSubstr("larger than"));
}

// What is small on the disk may be large in memory, but not without bound.
TEST(RecordingFileTest, HoldsNoMoreThanItsSizeAllows) {
  std::vector<ModelFrame> model;
  const Recording r = Small(&model);
  std::string bytes = EncodeRecordingFile(r.Take(), {});
  SeriesEntry e = std::get<SeriesEntry>(EntriesOf(r)[1]);
  std::string entries;
  for (int block = 0; block < 40; ++block) {
    entries.clear();
    for (int i = 0; i < 160; ++i) {
      e.id = static_cast<SeriesId>(1000 + block * 160 + i);
      e.labels = StrCat("a=\"", std::string(100'000, 'x'), e.id, "\"");
      AppendEntry(&entries, e);
    }
    const std::string packed = PackEntries(entries);
    bytes += BlockOf(packed);
  }
  ASSERT_LT(bytes.size(), 2u << 20);
  FileReport report;
  const auto read = DecodeRecordingFile(bytes, FileReadingOptions(), &report);
  ASSERT_THAT(read, IsOk());
  EXPECT_LT(read->memory_bytes(), 400u << 20);
  EXPECT_GT(report.damaged_regions, 0u);
}

// The worked example of docs/formats/recording.md.
TEST(RecordingFileTest, IsWhatTheFormatDocumentSays) {
  const auto document = ReadFile(test::SourcePath("docs/formats/recording.md"));
  ASSERT_THAT(document, IsOk());
  const std::size_t from = document->find("```hex\n");
  ASSERT_NE(from, std::string::npos);
  const std::size_t to = document->find("```", from + 7);
  std::string example;
  for (const std::string_view line : Split(
           std::string_view(*document).substr(from + 7, to - from - 7), '\n')) {
    for (const std::string_view byte :
         Split(Trim(line.substr(0, line.find('#'))), ' ')) {
      if (byte.empty()) continue;
      example.push_back(
          static_cast<char>(std::stoi(std::string(byte), nullptr, 16)));
    }
  }

  Recording r(1, {});
  const SourceId page = r.OpenSource("page", "");
  const exposition::Label label = {"b", "c"};
  const exposition::SeriesDesc a = {.name = "a",
                                    .labels = {&label, 1},
                                    .family = "a",
                                    .type = exposition::MetricType::kGauge,
                                    .help = "",
                                    .unit = ""};
  r.SpliceLines(page, 0, 0, {&a, 1});
  for (const auto& [ms, value] : {std::pair{1000, 2.5}, {2000, 3.0}}) {
    r.Append(page, At(ms), {&value, 1}, std::nullopt);
  }
  const std::string bytes = EncodeRecordingFile(r.Take(), {{"pod", "p-0"}});
  std::string hex;
  for (const char c : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    hex += kDigits[static_cast<std::uint8_t>(c) >> 4];
    hex += kDigits[static_cast<std::uint8_t>(c) & 15];
    hex += ' ';
  }
  EXPECT_EQ(example, bytes) << hex;
  FileReport report;
  const auto read = DecodeRecordingFile(example, FileReadingOptions(), &report);
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(FramesOf(*read), FramesOf(r));
}

// Every sample of real pages, bit for bit, and back out of a file.
class RecordedPagesTest : public ::testing::TestWithParam<std::string_view> {};

TEST_P(RecordedPagesTest, ComeBackBitForBit) {
  const auto pages = test::Recording::Load(test::RecordingPath(GetParam()));
  ASSERT_THAT(pages, IsOk());
  Recording recording(77, {});
  test::PageFeeder feeder(&recording, GetParam());
  // A checksum of each frame: sum over samples of a hash of series and bits.
  std::vector<std::uint64_t> expected;
  std::vector<FrameTime> times;
  for (const test::Frame& f : pages->frames()) {
    feeder.Read(f.body);
    feeder.Append({f.unix_ms - 5, f.unix_ms});
    times.push_back({f.unix_ms - 5, f.unix_ms});
    std::uint64_t sum = 0;
    const auto values = feeder.reader().values();
    for (std::uint32_t i = 0; i < values.size(); ++i) {
      const exposition::SeriesDesc d = feeder.reader().Describe(i);
      std::string key(d.name);
      key += '{';
      exposition::AppendCanonicalLabels(&key, d.labels);
      key += '}';
      sum += std::hash<std::string>()(key) * (BitsOf(values[i]) | 1) +
             BitsOf(values[i]);
    }
    expected.push_back(sum);
  }
  FileReport report;
  recording.Seal();
  const std::string file = EncodeRecordingFile(recording.Take(), {});
  const auto read = DecodeRecordingFile(file, FileReadingOptions(), &report);
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(report.complete);
  // How small: a tenth more than it is, the text of the series included (of
  // which node has the most by the sample).
  const std::map<std::string_view, double> most_bytes_per_sample = {
      {"prometheus", 0.303},    {"node", 0.584},
      {"etcd", 0.116},          {"vm", 0.210},
      {"banyandb-data", 0.166}, {"banyandb-liaison", 0.201}};
  const RecordingStats stats = recording.stats();
  const double most_bytes =
      most_bytes_per_sample.at(GetParam()) * static_cast<double>(stats.samples);
  EXPECT_LE(static_cast<double>(file.size()), most_bytes);
  EXPECT_LE(static_cast<double>(stats.sealed_bytes), most_bytes);
  std::size_t at = 0;
  std::vector<std::uint64_t> hashes;
  std::shared_ptr<const std::vector<SeriesRef>> layout;
  int damaged = 0;
  read->Take().ReadFrames(
      {},
      [&](const SourceFrame& f) {
        if (f.series != layout) {
          layout = f.series;
          hashes.clear();
          for (const SeriesRef& s : *layout) {
            hashes.push_back(std::hash<std::string>()(KeyOf(*s)));
          }
        }
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i < f.values.size(); ++i) {
          sum += hashes[i] * (BitsOf(f.values[i]) | 1) + BitsOf(f.values[i]);
        }
        EXPECT_EQ(sum, expected[at]) << at;
        EXPECT_EQ(f.time, times[at]);
        ++at;
        return true;
      },
      &damaged);
  EXPECT_EQ(at, expected.size());
  EXPECT_EQ(damaged, 0);
}

INSTANTIATE_TEST_SUITE_P(AllSix, RecordedPagesTest,
                         ::testing::ValuesIn(test::kRecordingNames));

}  // namespace
}  // namespace fodc::recorder
