// SPDX-License-Identifier: Apache-2.0
#include "fodc/wal/format.h"

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "tests/support/paths.h"

namespace fodc::wal {
namespace {

using ::testing::ElementsAre;

// The bytes of the worked example in docs/formats/wal.md: pairs of hexadecimal
// digits up to the first wide blank of each line.
std::string WorkedExample() {
  const auto text = ReadFile(test::SourcePath("docs/formats/wal.md"));
  EXPECT_THAT(text, IsOk());
  const std::string_view page = *text;
  const std::size_t from = page.find("```hex\n") + 7;
  const std::size_t to = page.find("```", from);
  std::string bytes;
  for (const std::string_view line :
       Split(page.substr(from, to - from), '\n')) {
    for (const std::string_view pair : Split(line, ' ')) {
      if (pair.size() != 2) break;
      bytes += static_cast<char>(std::stoi(std::string(pair), nullptr, 16));
    }
  }
  return bytes;
}

TEST(WalFormatTest, TheWorkedExampleReadsAsItsTextSays) {
  TempDirectory dir;
  ASSERT_THAT(
      WriteFileAtomically(dir.File("0000000000000005.wal"), WorkedExample()),
      IsOk());
  std::vector<std::string> records;
  const auto summary = ReadOnly(dir.path(), [&](const Record& r) {
    records.push_back(StrCat(r.sequence, ":", r.kind, ":", r.payload));
    return OkStatus();
  });
  ASSERT_THAT(summary, IsOk());
  EXPECT_EQ(summary->tail, Tail::kEnd);
  EXPECT_THAT(records, ElementsAre("5:1:hello", "6:258:"));
}

TEST(WalFormatTest, TheWorkedExampleIsWhatIsWritten) {
  SegmentHeader segment;
  segment.salt = 0x1badcafe;
  segment.first_sequence = 5;
  std::string bytes;
  const auto add = [&bytes](const auto& array) {
    bytes.append(array.data(), array.size());
  };
  add(EncodeSegmentHeader(segment));
  const NewRecord records[] = {{1, "hello"}, {258, ""}};
  std::uint64_t sequence = 5;
  for (const NewRecord& r : records) {
    RecordHeader header;
    header.length_bytes = static_cast<std::uint32_t>(r.payload.size());
    header.kind = r.kind;
    header.sequence = sequence++;
    header.salt = segment.salt;
    add(EncodeRecordHeader(&header));
    bytes += r.payload;
    add(EncodeRecordTrailer(header.checksum, r.payload));
  }
  EXPECT_EQ(bytes, WorkedExample());
}

TEST(WalFormatTest, NamesSortAsNumbersAndReadBack) {
  EXPECT_EQ(SegmentName(0xabc), "0000000000000abc.wal");
  EXPECT_EQ(ParseSegmentName("0000000000000abc.wal"), 0xabcu);
  for (const char* bad : {"abc.wal", "0000000000000ABC.wal", "LOCK",
                          "0000000000000abc.wal.new", "0000000000000abg.wal"}) {
    EXPECT_EQ(ParseSegmentName(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace fodc::wal
