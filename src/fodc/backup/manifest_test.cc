// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
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
      {StrCat(head, "\n", entry, "\n]\n"), "its end is none"},
      {StrCat(head, "\n", std::string(300'000, 'x'), "\n"), "no end"}};
  for (const auto& [text, why] : bad) {
    WritePlain(text);
    read.clear();
    EXPECT_THAT(ReadAll(&read), StatusIs(Code::kDataLoss, HasSubstr(why)))
        << text.substr(0, 300);
  }
}

class BundleManifestTest : public ManifestTest {
 protected:
  static SealKey KeyOf(unsigned char byte) {
    std::array<unsigned char, SealKey::kBytes> key{};
    key.fill(byte);
    return SealKey(key);
  }
  static ManifestHeader BundleHeader() {
    ManifestHeader header = Header();
    header.layout = Layout::kBundles;
    return header;
  }
  // As many as are sealed in several pieces.
  static std::vector<ManifestEntry> Many(std::size_t count) {
    std::vector<ManifestEntry> entries;
    for (std::size_t i = 0; i < count; ++i) {
      entries.push_back({.path = StrCat("f", 100'000 + i),
                         .bytes = i,
                         .mtime_ns = static_cast<std::int64_t>(i)});
      if (i == 0) continue;  // it has no bytes, and is nowhere
      entries.back().place = i % 7 == 0
                                 ? Place{.bundle = i, .bundles = 3, .stored = i}
                                 : Place{.bundle = i, .at = 17, .stored = i};
    }
    return entries;
  }
  void WriteBundles(const std::vector<ManifestEntry>& entries,
                    const SealKey* key) {
    auto writer = ManifestWriter::Create(file_, BundleHeader(), key);
    ASSERT_THAT(writer, IsOk());
    for (const ManifestEntry& e : entries) ASSERT_THAT(writer->Add(e), IsOk());
    ASSERT_THAT(writer->Finish(Header().started), IsOk());
  }
  Result<std::vector<ManifestEntry>> ReadBundles(const SealKey* key) {
    FODC_ASSIGN_OR_RETURN(ManifestReader reader,
                          ManifestReader::Open(file_, key));
    std::vector<ManifestEntry> entries;
    for (;;) {
      FODC_ASSIGN_OR_RETURN(std::optional<ManifestEntry> entry, reader.Next());
      if (!entry) return entries;
      entries.push_back(*std::move(entry));
    }
  }
  // Without gzip.
  std::vector<std::string> Lines() const {
    gzFile file = gzopen(file_.c_str(), "rb");
    std::string text(4u << 20, '\0');
    const int got =
        gzread(file, text.data(), static_cast<unsigned>(text.size()));
    EXPECT_GE(got, 0);
    (void)gzclose(file);
    text.resize(static_cast<std::size_t>(got));
    std::vector<std::string> lines;
    for (const std::string_view line : Split(text, '\n'))
      lines.emplace_back(line);
    return lines;
  }
};

TEST_F(BundleManifestTest, TellsWhereFilesAre) {
  WriteBundles(Many(30), nullptr);
  const auto read = ReadBundles(nullptr);
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ(*read, Many(30));
  auto writer = ManifestWriter::Create(file_, BundleHeader());
  ASSERT_THAT(writer, IsOk());
  EXPECT_THAT(writer->Add({.path = "a", .bytes = 1}),
              StatusIs(Code::kInvalidArgument, HasSubstr("in no bundle")));
}

TEST_F(BundleManifestTest, PlacesThatCannotBeAreNotBelieved) {
  WriteBundles({}, nullptr);
  const std::string head = Lines().front();
  for (const char* place :
       {R"()", R"("bundle":"00")", R"("bundle":"0000000000000001")",
        R"("bundle":"0000000000000001","at":0,"stored":0)",
        R"("bundle":"0000000000000001","at":-1,"stored":1)",
        R"("bundle":"0000000000000001","at":18446744073709551615,"stored":1)",
        R"("bundle":"0000000000000001","bundles":0,"at":0,"stored":1)",
        R"("bundle":"0000000000000001","bundles":"2","at":0,"stored":1)",
        R"("bundle":"0000000000000001","bundles":2,"at":5,"stored":1)",
        R"("bundle":"ffffffffffffffff","bundles":2,"at":0,"stored":1)"}) {
    WritePlain(StrCat(head, "\n{\"path\":\"a\",\"bytes\":1,\"sha256\":\"",
                      std::string(64, 'a'), "\",\"mtime_ns\":0",
                      *place == '\0' ? "" : ",", place,
                      "}\n],\"count\":1,\"bytes\":1,\"ended\":"
                      "\"2026-01-01T00:00:00Z\"}\n"));
    EXPECT_THAT(ReadBundles(nullptr),
                StatusIs(Code::kDataLoss, HasSubstr("bundle")))
        << place;
  }
}

TEST_F(BundleManifestTest, IsSealed) {
  const SealKey key = KeyOf(1);
  for (const std::size_t count : {0U, 1U, 3000U}) {
    WriteBundles(Many(count), &key);
    const auto read = ReadBundles(&key);
    ASSERT_THAT(read, IsOk());
    EXPECT_EQ(*read, Many(count));
    for (const std::string& line : Lines())
      EXPECT_THAT(line, testing::Not(HasSubstr("f100")));
    auto reader = ManifestReader::Open(file_);
    ASSERT_THAT(reader, IsOk());
    EXPECT_EQ(reader->header().sealed_by, key.id());
    EXPECT_THAT(reader->Next(),
                StatusIs(Code::kFailedPrecondition, HasSubstr(key.id())));
    ASSERT_THAT(reader->SkipSealed(), IsOk());
    EXPECT_EQ(reader->totals().files, count);
    const SealKey other = KeyOf(2);
    EXPECT_THAT(ReadBundles(&other),
                StatusIs(Code::kFailedPrecondition, HasSubstr(other.id())));
  }
}

TEST_F(BundleManifestTest, ASealedOneIsNotChangedUnseen) {
  const SealKey key = KeyOf(1);
  WriteBundles(Many(3000), &key);
  const std::vector<std::string> lines = Lines();
  ASSERT_GT(lines.size(), 6U);
  const auto expect_damage = [&](std::vector<std::string> changed,
                                 const char* what) {
    std::string text;
    for (const std::string& line : changed)
      text += line.empty() ? "" : line + "\n";
    WritePlain(text);
    EXPECT_THAT(ReadBundles(&key), StatusIs(Code::kDataLoss, _)) << what;
  };
  auto changed = lines;
  changed[0].replace(changed[0].find("complete"), 8, "in-progress");
  expect_damage(changed, "its header");
  changed = lines;
  std::swap(changed[1], changed[2]);
  expect_damage(changed, "its order");
  changed = lines;
  changed.erase(changed.begin() + 2);
  expect_damage(changed, "one is missing");
  changed = lines;
  changed.insert(changed.begin() + 2, changed[1]);
  expect_damage(changed, "one is there twice");
  changed = lines;
  const std::size_t last = lines.size() - 3;
  ASSERT_TRUE(changed[last].starts_with("{\"sealed\""));
  changed.erase(changed.begin() + static_cast<std::ptrdiff_t>(last));
  changed[last - 1].pop_back();
  expect_damage(changed, "the last is missing");
  changed = lines;
  char& digit = changed[1][40];
  digit = digit == 'A' ? 'B' : 'A';
  expect_damage(changed, "a bit");
  changed = lines;
  changed[1] = R"({"path":"a","bytes":0,"sha256":")" + std::string(64, 'a') +
               R"(","mtime_ns":0},)";
  expect_damage(changed, "one that is not sealed");
}

}  // namespace
}  // namespace fodc::backup
