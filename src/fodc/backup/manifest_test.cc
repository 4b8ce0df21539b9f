// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

using ::testing::_;
using ::testing::HasSubstr;

class ManifestTest : public ::testing::Test {
 protected:
  static ManifestHeader Header() {
    return {.state = ManifestState::kComplete,
            .node_id = "node \"1\"",
            .catalog = "measure",
            .snapshot = "20260821-1",
            .tool = "fodc-backup 1",
            .started =
                UnixTime(std::chrono::nanoseconds(1'767'225'600'000'000'001))};
  }
  static std::vector<ManifestEntry> Entries() {
    std::vector<ManifestEntry> entries;
    for (const std::string& path :
         {std::string("a\n\"b"), std::string("b/\xc3\xa9"),
          std::string("c/\xff\x01")}) {
      entries.push_back(
          {.path = path, .bytes = 5 + entries.size(), .mtime_ns = -7});
      entries.back().sha256[0] = 1;
    }
    return entries;
  }
  void Write(const std::vector<ManifestEntry>& entries) {
    auto writer = ManifestWriter::Create(file_, Header());
    ASSERT_THAT(writer, IsOk());
    for (const ManifestEntry& e : entries) ASSERT_THAT(writer->Add(e), IsOk());
    ASSERT_THAT(writer->Finish(Header().started), IsOk());
  }
  // Until the end or the first failure.
  Status ReadAll(std::vector<ManifestEntry>* entries) {
    FODC_ASSIGN_OR_RETURN(ManifestReader reader, ManifestReader::Open(file_));
    EXPECT_EQ(reader.header(), Header());
    for (;;) {
      FODC_ASSIGN_OR_RETURN(std::optional<ManifestEntry> entry, reader.Next());
      if (!entry) break;
      entries->push_back(*std::move(entry));
    }
    EXPECT_EQ(reader.totals().files, entries->size());
    EXPECT_EQ(reader.totals().ended, Header().started);
    return OkStatus();
  }
  void WritePlain(const std::string& text) {
    ASSERT_THAT(WriteFileAtomically(file_, text), IsOk());
  }

  const TempDirectory dir_;
  const std::string file_ = dir_.File("m");
};

TEST_F(ManifestTest, ReadsWhatWasWritten) {
  Write(Entries());
  std::vector<ManifestEntry> read;
  ASSERT_THAT(ReadAll(&read), IsOk());
  EXPECT_EQ(read, Entries());
  Write({});
  read.clear();
  ASSERT_THAT(ReadAll(&read), IsOk());
  EXPECT_TRUE(read.empty());
}

TEST_F(ManifestTest, PathsAscend) {
  auto writer = ManifestWriter::Create(file_, Header());
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT(writer->Add({.path = "b"}), IsOk());
  EXPECT_THAT(writer->Add({.path = "a"}), StatusIs(Code::kInvalidArgument, _));
  EXPECT_THAT(writer->Add({.path = "b"}), StatusIs(Code::kInvalidArgument, _));
}

// The longest with the longest spelling is a line that can be read.
TEST_F(ManifestTest, PathsHaveABound) {
  const ManifestEntry longest = {.path = std::string(kMaxPathBytes, '\x01')};
  Write({longest});
  std::vector<ManifestEntry> read;
  ASSERT_THAT(ReadAll(&read), IsOk());
  EXPECT_EQ(read, std::vector{longest});
  auto writer = ManifestWriter::Create(file_, Header());
  ASSERT_THAT(writer, IsOk());
  EXPECT_THAT(writer->Add({.path = longest.path + "x"}),
              StatusIs(Code::kInvalidArgument, _));
}

TEST_F(ManifestTest, OneThatIsCutIsDamaged) {
  Write(Entries());
  const std::string whole = ReadFile(file_).value();
  for (std::size_t n = 0; n < whole.size(); ++n) {
    WritePlain(whole.substr(0, n));
    std::vector<ManifestEntry> read;
    EXPECT_THAT(ReadAll(&read), StatusIs(Code::kDataLoss, _)) << n;
  }
}

TEST_F(ManifestTest, TrustsNothing) {
  const std::string head =
      R"({"version":1,"state":"complete","node_id":"node \"1\"","catalog":"measure","snapshot":"20260821-1","tool":"fodc-backup 1","started":"2026-01-01T00:00:00.000000001Z","files":[)";
  const std::string sha(64, 'a');
  const std::string entry =
      StrCat(R"({"path":"a","bytes":1,"sha256":")", sha, R"(","mtime_ns":0})");
  const std::string end =
      R"(],"count":1,"bytes":1,"ended":"2026-01-01T00:00:00.000000001Z"})";
  std::vector<ManifestEntry> read;
  WritePlain(StrCat(head, "\n", entry, "\n", end, "\n"));
  EXPECT_THAT(ReadAll(&read), IsOk()) << "also without gzip";
  const std::pair<std::string, const char*> bad[] = {
      {"{}\n", "no manifest"},
      {"{\"version\":2,\"files\":[\n", "no manifest"},
      {StrCat(head, "\n7\n", end, "\n"), "line 2"},
      {StrCat(head, "\n{\"path\":\"a\"}\n", end, "\n"), "line 2"},
      {StrCat(head, "\n", entry, ",\n", entry, "\n", end, "\n"), "ascend"},
      {StrCat(head, "\n", end, "\n"), "does not fit"},
      {StrCat(head, "\n", entry, "\n]\n"), "does not fit"},
      {StrCat(head, "\n", std::string(100'000, 'x'), "\n"), "no end"}};
  for (const auto& [text, why] : bad) {
    WritePlain(text);
    read.clear();
    EXPECT_THAT(ReadAll(&read), StatusIs(Code::kDataLoss, HasSubstr(why)))
        << text.substr(0, 300);
  }
}

}  // namespace
}  // namespace fodc::backup
