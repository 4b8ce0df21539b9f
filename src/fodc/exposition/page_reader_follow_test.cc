// SPDX-License-Identifier: Apache-2.0
// How a reader follows one page after the other, and what it costs.
#include <gmock/gmock.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/exposition/line_parser.h"
#include "fodc/exposition/page_reader.h"
#include "fodc/exposition/page_reader_testing.h"
#include "fodc/exposition/series_hash.h"
#include "tests/support/allocation_count.h"

namespace fodc::exposition {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = LineEdit::Kind;

TEST(PageReaderTest, TellsWhichValuesChanged) {
  PageReader reader;
  ReadPage(&reader, "a 1\nb 2\nc 3\n");
  EXPECT_THAT(reader.edits(), ElementsAre(LineEdit{Kind::kInsert, 3}));
  EXPECT_THAT(reader.changed(), IsEmpty());
  ReadPage(&reader, "a 1\nb 20000\nc 4\n");
  EXPECT_THAT(reader.edits(), IsEmpty());
  EXPECT_THAT(reader.changed(), ElementsAre(1, 2));
  EXPECT_THAT(reader.values(), ElementsAre(1, 20000, 4));
  // Another text of the same number is no change; another zero is one.
  ReadPage(&reader, "a 1.0\nb 2e4\nc 4\n");
  EXPECT_THAT(reader.changed(), IsEmpty());
  ReadPage(&reader, "a 0\nb 0\nc 0\n");
  ReadPage(&reader, "a -0\nb 0\nc 0\n");
  EXPECT_THAT(reader.changed(), ElementsAre(0));
}

TEST(PageReaderTest, FollowsLinesThatComeAndGo) {
  PageReader reader;
  ReadPage(&reader, "# TYPE a gauge\na 1\nc 3\nd 4\ne 5\n");
  ReadPage(&reader, "# TYPE a gauge\na 1\nb 2\nc 30\nd 4\ne 5\nf 6\n");
  EXPECT_THAT(
      reader.edits(),
      ElementsAre(LineEdit{Kind::kKeep, 1}, LineEdit{Kind::kInsert, 1},
                  LineEdit{Kind::kKeep, 3}, LineEdit{Kind::kInsert, 1}));
  EXPECT_THAT(reader.changed(), ElementsAre(2));
  EXPECT_EQ(reader.Describe(1).name, "b");
  EXPECT_EQ(reader.Describe(5).name, "f");
  ReadPage(&reader, "# TYPE a gauge\na 1\nd 4\ne 50\n");
  EXPECT_THAT(
      reader.edits(),
      ElementsAre(LineEdit{Kind::kKeep, 1}, LineEdit{Kind::kRemove, 2},
                  LineEdit{Kind::kKeep, 2}, LineEdit{Kind::kRemove, 1}));
  EXPECT_THAT(reader.changed(), ElementsAre(2));
  EXPECT_THAT(reader.values(), ElementsAre(1, 4, 50));
}

// Otherwise each page would be parsed from end to end.
TEST(PageReaderTest, ReadsPagesByTheirDifferences) {
  for (const bool portable : {false, true}) {
    PageReader::Options options;
    options.portable = portable;
    PageReader reader(options);
    std::string lines;
    for (int i = 0; i < 100; ++i) {
      lines += "a{i=\"" + std::to_string(i) + "\"} 1\n";
    }
    ReadPage(&reader, lines + "b 1\nc 1\n");
    EXPECT_FALSE(reader.followed());
    ReadPage(&reader, lines + "b 1\nc 1\n");
    EXPECT_TRUE(reader.followed());
    ReadPage(&reader, lines + "b 1.25\nc 1000000\n");
    EXPECT_TRUE(reader.followed());
    ReadPage(&reader, lines + "b 1.25\nbb 2\nc 1\n");  // inserted
    EXPECT_TRUE(reader.followed());
    ReadPage(&reader, lines + "bb 2\nc 1\n");  // removed
    EXPECT_TRUE(reader.followed());
    // Another format is another page.
    ReadPage(&reader, lines + "# EOF\n", Format::kOpenMetrics);
    EXPECT_FALSE(reader.followed());
  }
}

TEST(PageReaderTest, AChangedFamilyReplacesItsLinesOnly) {
  PageReader reader;
  ReadPage(&reader, "# HELP a Old.\n# TYPE a gauge\na{x=\"1\"} 1\nb 2\n");
  for (const char* head :
       {"# HELP a New.\n# TYPE a gauge\n", "# HELP a New.\n# TYPE a counter\n",
        "# TYPE a counter\n"}) {
    ReadPage(&reader, std::string(head) + "a{x=\"1\"} 1\nb 2\n");
    EXPECT_THAT(reader.edits(), ElementsAre(LineEdit{Kind::kRemove, 1},
                                            LineEdit{Kind::kInsert, 1},
                                            LineEdit{Kind::kKeep, 1}))
        << head;
  }
  // A head that concerns no line changes none.
  ReadPage(&reader, "# TYPE a counter\na{x=\"1\"} 1\n# TYPE z gauge\nb 2\n");
  EXPECT_THAT(reader.edits(), IsEmpty());
}

TEST(PageReaderTest, ForgetsThePageBefore) {
  PageReader reader;
  ReadPage(&reader, "a 1\n");
  reader.Forget();
  EXPECT_THAT(reader.values(), IsEmpty());
  ReadPage(&reader, "a 2\n");
  EXPECT_THAT(reader.edits(), ElementsAre(LineEdit{Kind::kInsert, 1}));
}

// Every difference between two small pages, with each kind of instructions.
TEST(PageReaderTest, FollowsAnyPageAfterAnyOther) {
  const std::vector<std::string> kPages = {"",
                                           "a 1\n",
                                           "a 2\n",
                                           "a 1",
                                           "a",
                                           "a 12\nb 1\n",
                                           "b 1\na 12\n",
                                           "a 1\na 1\n",
                                           "a 1\na 2\nb 3\n",
                                           "b 3\na 2\n",
                                           "a 1 5\n",
                                           "a 1 \n",
                                           "a 1\r\nb 1\r\n",
                                           "# x\na 1\n",
                                           "# y\n# z\n\na 1\n",
                                           "a 1\n# x\n",
                                           "# TYPE a gauge\na 1\n",
                                           "# TYPE a counter\na 1\n",
                                           "a 1\n# TYPE a gauge\n",
                                           "a 1\nbad\nb 1\n",
                                           "a 1\nworse x\nb 1\n",
                                           "a 1\n# EOF\n",
                                           "a 1\n# EOF\nb 1\n",
                                           "# EOF\na 1\nb 1\n",
                                           "a{x=\"1\",y=\"2\"} 1\n",
                                           "a{y=\"2\",x=\"1\"} 1\n",
                                           "a{x=\"1\"} NaN\n"};
  for (const bool portable : {false, true}) {
    for (const Format format : {Format::kText, Format::kOpenMetrics}) {
      for (const std::string& first : kPages) {
        for (const std::string& second : kPages) {
          FollowChecker checker(portable);
          ASSERT_EQ(checker.Check(format, first), "") << first;
          ASSERT_EQ(checker.Check(format, second), "") << first << "then\n"
                                                       << second;
          ASSERT_EQ(checker.Check(format, first), "") << second << "then\n"
                                                      << first;
        }
      }
    }
  }
}

TEST(PageReaderTest, FollowsAChangeOfFormat) {
  FollowChecker checker(false);
  const std::string page = "# TYPE a counter\na_total 1\n# EOF\n";
  EXPECT_EQ(checker.Check(Format::kText, page), "");
  EXPECT_EQ(checker.Check(Format::kOpenMetrics, page), "");
  EXPECT_EQ(checker.Check(Format::kText, page), "");
}

TEST(PageReaderTest, TellsOfManyDuplicatesInLinearTime) {
  std::string page;
  for (int i = 0; i < 50'000; ++i) page += "a" + std::to_string(i) + " 1\n";
  page += page;
  PageReader reader;
  ReadPage(&reader, page);
  EXPECT_EQ(reader.values().size(), 50'000u);
  EXPECT_EQ(reader.stats().problem(LineProblem::kDuplicateSeries), 50'000u);
}

// Whatever the page ends in, nothing beyond its buffer is read. Made for the
// address sanitizer: pages of this size have a buffer that fits exactly.
TEST(PageReaderTest, StaysWithinABufferThatThePageFills) {
  const std::string filler = "# " + std::string((16u << 10), '-') + "\n";
  const std::string line =
      "# HELP foo Text.\n# TYPE foo counter\n"
      "foo{bar=\"x\\n\",baz = \"y\"} 1.5e3 1700000000000\nfoo{bar=";
  for (const bool portable : {false, true}) {
    for (std::size_t n = 0; n <= line.size(); ++n) {
      for (const std::string_view end : {"", "\n", "\r\n"}) {
        PageReader reader(PageReader::Options{.portable = portable});
        ReadPage(&reader, StrCat(filler, line.substr(0, n), end));
        EXPECT_LE(reader.values().size(), 1u);
      }
    }
  }
}

// Lines between the samples do not count as searched, so they must not be.
TEST(PageReaderTest, SearchesMovedSeriesWithinItsBudget) {
  std::string page = "first 1\n";
  for (int i = 0; i < 300'000; ++i) page += "-\n";
  for (int i = 0; i < 3000; ++i) page += "x" + std::to_string(i) + " 1\n";
  std::string next;
  for (int i = 0; i < 90'000; ++i) next += "x0  1\n";
  PageReader reader;
  ReadPage(&reader, page);
  EXPECT_EQ(reader.values().size(), 3001u);
  ReadPage(&reader, next);
  EXPECT_EQ(reader.values().size(), 1u);
}

// The text that brings the second half of a value's first word to zero, for
// labels of this name: whatever the first half is, the word then counts
// nothing. Empty if it cannot stand in a page.
std::string ZeroingHalf(std::string_view name) {
  const std::string padded = std::string(name) + std::string(64, '\0');
  const std::uint64_t key = series_hash::kValueKeys.words[0] ^
                            series_hash::LabelName(padded.data(), name.size());
  const std::uint32_t half = 0u - static_cast<std::uint32_t>(key >> 32);
  std::string text(sizeof half, '\0');
  std::memcpy(text.data(), &half, sizeof half);
  for (const char c : text) {
    if (c < ' ' || c > '~' || c == '"' || c == '\\') return "";
  }
  return text;
}

// Two values of equal hash in each of 15 labels: 32,768 series of equal hash.
TEST(PageReaderTest, BoundsTheComparisonsOfSeriesWithEqualHashes) {
  constexpr unsigned kLabels = 15;
  std::vector<std::string> labels;
  std::vector<std::string> halves;
  for (int i = 0; labels.size() < kLabels; ++i) {
    const std::string name = StrCat("l", i);
    std::string half = ZeroingHalf(name);
    if (half.empty()) continue;
    labels.push_back(name);
    halves.push_back(std::move(half));
  }
  std::string page;
  for (unsigned n = 0; n < 1u << kLabels; ++n) {
    page += "a{";
    for (unsigned i = 0; i < kLabels; ++i) {
      page += StrCat(labels[i], "=\"", ((n >> i) & 1) != 0 ? "good" : "bad!",
                     halves[i], "\",");
    }
    page += "} 1\n";
  }
  page += "b 1\n";
  for (const bool portable : {false, true}) {
    PageReader reader(PageReader::Options{.portable = portable});
    ReadPage(&reader, page);
    EXPECT_LT(reader.values().size(), 100u);  // fails if these are not equal
    EXPECT_EQ(reader.values().size() +
                  reader.stats().problem(LineProblem::kDuplicateSeries),
              (1u << kLabels) + 1);
    // Nobody else pays.
    EXPECT_EQ(
        reader.Describe(static_cast<std::uint32_t>(reader.values().size() - 1))
            .name,
        "b");
  }
}

TEST(PageReaderTest, AllocatesNothingInSteadyScrapes) {
  PageReader reader;
  PageBuffer buffer;
  std::uint64_t allocated = 0;
  for (int scrape = 0; scrape < 20; ++scrape) {
    std::string page = "# HELP a Help.\n# TYPE a gauge\n";
    for (int i = 0; i < 500; ++i) {
      page += "a{i=\"" + std::to_string(i) + "\"} " +
              std::to_string(i % 7 == 0 ? scrape * scrape * i : i) + "\n";
    }
    page += "bad line\na{i=\"1\"} 9\n";
    const std::uint64_t before = test::AllocationCount();
    ASSERT_TRUE(buffer.Append(page).ok());
    reader.Read(Format::kText, &buffer);
    if (scrape >= 4) allocated += test::AllocationCount() - before;
  }
  EXPECT_EQ(allocated, 0u);
  EXPECT_EQ(reader.stats().lost_lines(), 2u);
}

TEST(PageBufferTest, RefusesMoreThanItsLimit) {
  PageBuffer buffer(10);
  EXPECT_THAT(buffer.Append("12345"), IsOk());
  EXPECT_THAT(
      buffer.Append("678901"),
      StatusIs(Code::kResourceExhausted, HasSubstr("max_page_bytes=10")));
  EXPECT_EQ(buffer.bytes(), "12345");
  EXPECT_THAT(buffer.Append("67890"), IsOk());
  EXPECT_EQ(buffer.bytes(), "1234567890");
  buffer.Clear();
  EXPECT_EQ(buffer.size(), 0u);
}

}  // namespace
}  // namespace fodc::exposition
