// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/page_reader.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/exposition/line_parser.h"
#include "fodc/exposition/number.h"
#include "fodc/exposition/page_reader_testing.h"

namespace fodc::exposition {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "name{labels} value" of each line of the page, read with wide instructions
// and without.
std::vector<std::string> Samples(std::string_view page,
                                 Format format = Format::kText) {
  std::vector<std::string> out[2];
  for (const bool portable : {false, true}) {
    PageReader reader(PageReader::Options{.portable = portable});
    ReadPage(&reader, page, format);
    for (std::uint32_t i = 0; i < reader.values().size(); ++i) {
      const SeriesDesc d = reader.Describe(i);
      std::string text(d.name);
      if (!d.labels.empty()) {
        text += '{';
        AppendCanonicalLabels(&text, d.labels);
        text += '}';
      }
      char number[40];
      (void)std::snprintf(number, sizeof number, " %.17g", reader.values()[i]);
      out[portable ? 1 : 0].push_back(text + number);
    }
  }
  EXPECT_EQ(out[0], out[1]) << page;
  return out[0];
}

// The only problem of a page whose other lines are `good 1`.
std::string Problem(std::string_view line, Format format = Format::kText) {
  std::string out;
  for (const bool portable : {false, true}) {
    PageReader reader(PageReader::Options{.portable = portable});
    std::string page = "good 1\n" + std::string(line) + "\nalso_good 2\n";
    if (format == Format::kOpenMetrics) page += "# EOF\n";
    ReadPage(&reader, page, format);
    // A bad line costs itself only.
    EXPECT_THAT(reader.values(), ElementsAre(1, 2)) << line;
    if (reader.problems().size() != 1) return "not one problem";
    EXPECT_EQ(reader.stats().lost_lines(), 1u);
    EXPECT_EQ(reader.stats().problem(reader.problems()[0].problem), 1u);
    EXPECT_EQ(reader.problems()[0].line, 2u);
    const std::string name(LineProblemName(reader.problems()[0].problem));
    if (!out.empty()) {
      EXPECT_EQ(out, name) << line;
    }
    out = name;
  }
  return out;
}

TEST(PageReaderTest, ReadsGoodLines) {
  struct Case {
    const char* line;
    const char* sample;
  };
  const Case kCases[] = {
      {"a 1", "a 1"},
      {"a{} 1", "a 1"},
      {"a{x=\"1\"}  2", "a{x=\"1\"} 2"},
      {"a{x=\"1\"} \t2", "a{x=\"1\"} 2"},
      {"a{x=\"1\"} 2", "a{x=\"1\"} 2"},
      {"a{x=\"1\",y=\"2\"} 2", "a{x=\"1\",y=\"2\"} 2"},
      {"a{x=\"1\", y=\"2\"} 2", "a{x=\"1\",y=\"2\"} 2"},
      {"a{x=\"1\",y=\"2\",} 2", "a{x=\"1\",y=\"2\"} 2"},
      {"a{x=\"1\", } 2", "a{x=\"1\"} 2"},
      {"a { x = \"1\" , y\t=\t\"2\" } 2", "a{x=\"1\",y=\"2\"} 2"},
      {"a{x=\"\"} 2", "a{x=\"\"} 2"},
      {"a{x=\"{}\"} 2", "a{x=\"{}\"} 2"},
      {"a{x=\"b} 9\"} 2", "a{x=\"b} 9\"} 2"},
      {"a{x=\"b,c=d\"} 2", "a{x=\"b,c=d\"} 2"},
      {"a{x=\"say \\\"hi\\\"\"} 2", "a{x=\"say \\\"hi\\\"\"} 2"},
      {"a{x=\"\\\\\"} 2", "a{x=\"\\\\\"} 2"},
      {"a{x=\"one\\ntwo\"} 2", "a{x=\"one\\ntwo\"} 2"},
      {"a{x=\"\\d\"} 2", "a{x=\"\\\\d\"} 2"},
      {"a{x=\"\xc3\xa9\xe2\x82\xac\"} 2", "a{x=\"\xc3\xa9\xe2\x82\xac\"} 2"},
      {"a{x=\"a b\tc # d\"} 2", "a{x=\"a b\tc # d\"} 2"},
      {"a{le=\"+Inf\"} 2", "a{le=\"+Inf\"} 2"},
      {"job:rate:sum 2", "job:rate:sum 2"},
      {":a 2", ":a 2"},
      {"_a1{_b2=\"c\"} 2", "_a1{_b2=\"c\"} 2"},
      {"  a   2  ", "a 2"},
      {"\ta\t2\t", "a 2"},
      {"a{x=\"1\"}2", "a{x=\"1\"} 2"},
      {"a 2\r", "a 2"},
      {"a 2 1700000000000", "a 2"},
      {"a 2 -5", "a 2"},
      {"a -1", "a -1"},
      {"a +1", "a 1"},
      {"a 1.", "a 1"},
      {"a .5", "a 0.5"},
      {"a -.5", "a -0.5"},
      {"a 1e3", "a 1000"},
      {"a 1E+3", "a 1000"},
      {"a 1.8593032e+07", "a 18593032"},
      {"a 2.5e-3", "a 0.0025000000000000001"},
      {"a 0.30000000000000004", "a 0.30000000000000004"},
      {"a 9007199254740993", "a 9007199254740992"},
      {"a 18446744073709551615", "a 1.8446744073709552e+19"},
      {"a 123456789012345678901234567890", "a 1.2345678901234568e+29"},
      {"a 1.7976931348623157e308", "a 1.7976931348623157e+308"},
      {"a 5e-324", "a 4.9406564584124654e-324"},
      {"a 1e-999", "a 0"},
      {"a -0", "a -0"},
      {"a NaN", "a nan"},
      {"a nan", "a nan"},
      {"a +Inf", "a inf"},
      {"a Inf", "a inf"},
      {"a -inf", "a -inf"},
      {"a INFINITY", "a inf"},
  };
  for (const Case& c : kCases) {
    EXPECT_THAT(Samples(std::string(c.line) + "\n"), ElementsAre(c.sample))
        << c.line;
    EXPECT_THAT(Samples(c.line), ElementsAre(c.sample)) << c.line;
  }
}

TEST(PageReaderTest, NamesBadLines) {
  struct Case {
    const char* line;
    const char* problem;
  };
  const Case kCases[] = {
      {"1a 1", "bad_name"},
      {"a-b 1", "bad_name"},
      {"{x=\"1\"} 1", "bad_name"},
      {"\xc3\xa9 1", "bad_name"},
      {"a\xff 1", "bad_utf8"},
      {"a{x=\"\xff\"} 1", "bad_utf8"},
      {"a{x=\"\xed\xa0\x80\"} 1", "bad_utf8"},
      {"# HELP a \xff", "bad_utf8"},
      {"a{x=\"1\" 1", "bad_labels"},
      {"a{x=\"1} 1", "bad_labels"},
      {"a{x=1} 1", "bad_labels"},
      {"a{x} 1", "bad_labels"},
      {"a{x=\"1\"y=\"2\"} 1", "bad_labels"},
      {"a{x=\"1\",,y=\"2\"} 1", "bad_labels"},
      {"a{,} 1", "bad_labels"},
      {"a{1x=\"1\"} 1", "bad_labels"},
      {"a{x:y=\"1\"} 1", "bad_labels"},
      {"a{x=\"1\\\"} 1", "bad_labels"},
      {"a{__name__=\"b\"} 1", "bad_labels"},
      {"a{x=\"1\",__name__=\"a\",} 1", "bad_labels"},
      {"a{x=\"1\",x=\"2\"} 1", "duplicate_label"},
      {"a{x=\"1\",y=\"2\",x=\"1\"} 1", "duplicate_label"},
      {"a", "bad_value"},
      {"a ", "bad_value"},
      {"a{x=\"1\"}", "bad_value"},
      {"a one", "bad_value"},
      {"a 1,5", "bad_value"},
      {"a 1_000", "bad_value"},
      {"a 0x10", "bad_value"},
      {"a 1e", "bad_value"},
      {"a .", "bad_value"},
      {"a +-1", "bad_value"},
      {"a -nan", "bad_value"},
      {"a nan(1)", "bad_value"},
      {"a 1e999", "bad_value"},
      {"a 1 x", "bad_timestamp"},
      {"a 1 1.5", "bad_timestamp"},
      {"a 1 2 3", "bad_timestamp"},
      {"a 1 99999999999999999999", "bad_timestamp"},
      {"a 1 # {x=\"1\"} 2", "bad_timestamp"},
      {"# TYPE a thing", "bad_metadata"},
      {"# TYPE a", "bad_metadata"},
      {"# TYPE a gauge counter", "bad_metadata"},
      {"# HELP", "bad_metadata"},
      {"# HELP 1a text", "bad_metadata"},
  };
  for (const Case& c : kCases) EXPECT_EQ(Problem(c.line), c.problem) << c.line;
}

TEST(PageReaderTest, BoundsLinesAndLabels) {
  EXPECT_EQ(Problem("a{x=\"" + std::string(kMaxLineBytes, 'x') + "\"} 1"),
            "line_too_long");
  std::string many = "a{";
  for (std::size_t i = 0; i <= kMaxLabelsPerLine; ++i) {
    many += "l" + std::to_string(i) + "=\"1\",";
  }
  EXPECT_EQ(Problem(many + "} 1"), "too_many_labels");
  EXPECT_THAT(Samples("a{x=\"" + std::string(1000, 'x') + "\"} 1\n"),
              ElementsAre(HasSubstr("xxx")));
  EXPECT_THAT(Samples(std::string(1000, 'n') + " 1\n"),
              ElementsAre(std::string(1000, 'n') + " 1"));
}

TEST(PageReaderTest, StopsAtTheLimitOfLines) {
  PageReader reader(PageReader::Options{.max_lines = 3});
  ReadPage(&reader, "a 1\nb 2\nc 3\nd 4\ne 5\n");
  EXPECT_THAT(reader.values(), ElementsAre(1, 2, 3));
  EXPECT_EQ(reader.stats().problem(LineProblem::kTooManyLines), 2u);
}

// Whatever room the table had: the row of the rest and the sentinel behind it
// are beyond the limit.
TEST(PageReaderTest, HasRoomForTheRestAtAnyLimit) {
  for (std::size_t limit = 1; limit < 200; ++limit) {
    PageReader reader(PageReader::Options{.max_lines = limit});
    for (const std::size_t lines : {limit - 1, limit, limit + 1, limit + 2,
                                    limit + 40, limit + 1, limit}) {
      std::string page;
      for (std::size_t i = 0; i < lines; ++i)
        page += "a" + std::to_string(i) + " 1\n";
      ReadPage(&reader, page);
      EXPECT_EQ(reader.values().size(), std::min(lines, limit));
      EXPECT_EQ(reader.stats().problem(LineProblem::kTooManyLines),
                lines - std::min(lines, limit));
    }
  }
}

// Made of the pieces that lines are made of, in any order.
TEST(PageReaderTest, FindsWhatParseLineFinds) {
  constexpr std::string_view kPieces[] = {"a",
                                          "a_b",
                                          "{",
                                          "}",
                                          ",",
                                          "=",
                                          "\"",
                                          "b",
                                          "c=",
                                          "\"1\"",
                                          " ",
                                          "  ",
                                          "\t",
                                          "1",
                                          "-1.5e+06",
                                          "NaN",
                                          "\n",
                                          "\n",
                                          "\n",
                                          "\r\n",
                                          "#",
                                          " HELP ",
                                          " TYPE ",
                                          "gauge",
                                          "\\",
                                          "\\n",
                                          "é",
                                          "__name__",
                                          "a{b=\"1\",c=\"2\"}",
                                          "a{b=\"1\"} 2\n",
                                          "a{b=\"\",",
                                          "# EOF",
                                          " # {} 1",
                                          "\x80",
                                          "0x",
                                          "1 2",
                                          ":"};
  std::mt19937 random(11);
  for (int round = 0; round < 60'000; ++round) {
    std::string page;
    for (std::size_t n = random() % 24; n > 0; --n)
      page += kPieces[random() % std::size(kPieces)];
    for (const Format format : {Format::kText, Format::kOpenMetrics}) {
      for (const bool portable : {false, true}) {
        ASSERT_EQ(CompareWithParseLine(page, format, portable), "")
            << page << (portable ? " (portable)" : "");
      }
    }
  }
}

TEST(PageReaderTest, EmptyPagesAreWholePages) {
  for (const char* page : {"", "\n", "# comment", "\r\n \n#\n# x y\n"}) {
    EXPECT_THAT(Samples(page), IsEmpty());
    PageReader reader;
    ReadPage(&reader, page);
    EXPECT_EQ(reader.stats().lost_lines(), 0u) << page;
  }
}

TEST(PageReaderTest, CountsATruncatedLastLine) {
  PageReader reader;
  ReadPage(&reader, "a 1\nb{x=\"1\",y=\"2");
  EXPECT_THAT(reader.values(), ElementsAre(1));
  ASSERT_EQ(reader.problems().size(), 1u);
  EXPECT_EQ(reader.problems()[0].problem, LineProblem::kTruncated);
  EXPECT_EQ(reader.problems()[0].line, 2u);
  EXPECT_EQ(reader.problems()[0].excerpt(), "b{x=\"1\",y=\"2");
}

// Names of labels are known from lines before; they may still come twice in
// one.
TEST(PageReaderTest, FindsDuplicateLabelsAmongKnownNames) {
  EXPECT_THAT(Samples("a{b=\"1\",c=\"1\"} 1\n"
                      "a{b=\"2\",b=\"1\"} 2\n"
                      "a{c=\"2\",c=\"1\"} 3\n"
                      "a{c=\"2\",b=\"1\"} 4\n"
                      "a{b=\"2\",c=\"1\",b=\"1\"} 5\n"
                      "a{c=\"3\"} 6\n"
                      "a{c=\"4\",b=\"1\",c=\"1\"} 7\n"
                      "a{b=\"2\",c=\"1\",d=\"1\"} 8\n"
                      "a{bb=\"2\",b=\"1\",__name__=\"1\"} 9\n"),
              ElementsAre("a{b=\"1\",c=\"1\"} 1", "a{b=\"1\",c=\"2\"} 4",
                          "a{c=\"3\"} 6", "a{b=\"2\",c=\"1\",d=\"1\"} 8"));
}

// The page loops read numbers in their own ways.
TEST(PageReaderTest, ReadsNumbersAsParseNumberDoes) {
  std::mt19937 random(7);
  const auto digits = [&random](std::size_t most) {
    std::string out;
    for (std::size_t n = random() % (most + 1); n > 0; --n) {
      out += static_cast<char>('0' + random() % 10);
    }
    return out;
  };
  constexpr std::string_view kSigns[] = {"", "", "", "-", "+"};
  constexpr std::string_view kExponents[] = {"e+", "e-", "e", "E+", "e+-", "x"};
  for (int round = 0; round < 50; ++round) {
    std::string page;
    std::vector<double> expected;
    std::uint64_t bad = 0;
    for (int i = 0; i < 1000; ++i) {
      std::string text(kSigns[random() % std::size(kSigns)]);
      text += digits(1u << (random() % 5));
      if (random() % 2 == 0) text += "." + digits(1u << (random() % 5));
      if (random() % 3 == 0) {
        text += kExponents[random() % std::size(kExponents)];
        text += digits(3);
      }
      if (text.empty()) continue;
      double value = 0;
      if (ParseNumber(text, &value)) {
        expected.push_back(value);
      } else {
        ++bad;
      }
      page += "n{i=\"" + std::to_string(i) + "\"} " + text + "\n";
    }
    for (const bool portable : {false, true}) {
      PageReader reader(PageReader::Options{.portable = portable});
      ReadPage(&reader, page);
      EXPECT_EQ(reader.stats().lost_lines(), bad);
      ASSERT_EQ(reader.values().size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_EQ(std::bit_cast<std::uint64_t>(reader.values()[i]),
                  std::bit_cast<std::uint64_t>(expected[i]))
            << i << " of " << page;
      }
    }
  }
}

TEST(PageReaderTest, NamesAtMostSixteenProblems) {
  PageReader reader;
  std::string page;
  for (int i = 0; i < 100; ++i) page += "bad line\n";
  ReadPage(&reader, page);
  EXPECT_EQ(reader.stats().problem(LineProblem::kBadValue), 100u);
  EXPECT_EQ(reader.problems().size(), PageReader::kMaxProblems);
}

TEST(PageReaderTest, EveryNanHasTheSameBits) {
  PageReader reader;
  ReadPage(&reader, "a NaN\nb nan\n");
  for (const double v : reader.values()) {
    EXPECT_EQ(std::bit_cast<std::uint64_t>(v), kNanBits);
  }
  ReadPage(&reader, "a NaN\nb NAN\n");
  EXPECT_THAT(reader.changed(), IsEmpty());
}

// Lines are looked at 64 bytes at a time: what stands there must not matter.
TEST(PageReaderTest, EndsLinesWhereverTheyStand) {
  for (std::size_t size = 1; size < 150; ++size) {
    const std::string text(size, 'x');
    for (const std::string& key :
         {text, text + "{}", text + "{a=\"b\"}", "n{" + text + "=\"b\"}",
          "n{a=\"" + text + "\"}", "n{a=\"" + text + "\",b=\"c\"}",
          "n{a=\"b\",c=\"" + text + "\",d=\"" + text + "\"}",
          "n{a=\"b\",c=\"" + text + "\",}"}) {
      for (const std::string_view end : {"", " 7", " ", "\r"}) {
        const std::string page = StrCat(key, " 12", end, "\nm{k=\"v\"} 3\n",
                                        key, " 4", end, "\nm 5\n");
        for (const bool portable : {false, true}) {
          PageReader reader(PageReader::Options{.portable = portable});
          ReadPage(&reader, page);
          EXPECT_THAT(reader.values(), ElementsAre(12, 3, 5)) << page;
          EXPECT_EQ(reader.stats().timestamps, end == " 7" ? 1u : 0u) << page;
          EXPECT_EQ(reader.stats().problem(LineProblem::kDuplicateSeries), 1u)
              << page;
        }
      }
    }
  }
}

TEST(PageReaderTest, CountsTimestamps) {
  PageReader reader;
  ReadPage(&reader, "a 1 1700000000000\nb 2\nc 3 0\n");
  EXPECT_EQ(reader.stats().timestamps, 2u);
  ReadPage(&reader, "a 1 1700000001000\nb 2 4\nc 3\n");
  EXPECT_EQ(reader.stats().timestamps, 2u);
  EXPECT_THAT(reader.changed(), IsEmpty());
  EXPECT_THAT(reader.edits(), IsEmpty());
}

TEST(PageReaderTest, HelpAndTypeHoldForTheWholePage) {
  PageReader reader;
  ReadPage(&reader,
           "early 1\n"
           "# HELP early   Some\\nhelp \\\\ \\\"x\\\".\n"
           "# TYPE early gauge\n"
           "# TYPE early counter\n"
           "# HELP nobody Has this.\n"
           "#HELP glued is a comment\n"
           "glued 2\n");
  SeriesDesc d = reader.Describe(0);
  EXPECT_EQ(d.family, "early");
  EXPECT_EQ(d.type, MetricType::kGauge);
  EXPECT_EQ(d.help, "Some\nhelp \\ \\\"x\\\".");
  d = reader.Describe(1);
  EXPECT_EQ(d.family, "glued");
  EXPECT_EQ(d.type, MetricType::kUnknown);
  EXPECT_EQ(d.help, "");
}

// "family type" of the only line.
std::string FamilyOf(std::string_view type, std::string_view name,
                     Format format) {
  PageReader reader;
  std::string page =
      "# TYPE f " + std::string(type) + "\n" + std::string(name) + " 1\n";
  if (format == Format::kOpenMetrics) page += "# EOF\n";
  ReadPage(&reader, page, format);
  const SeriesDesc d = reader.Describe(0);
  return std::string(d.family) + " " + std::string(MetricTypeName(d.type));
}

TEST(PageReaderTest, MapsComponentsToTheirFamily) {
  struct Case {
    const char* type;
    const char* name;
    const char* text;
    const char* open;
  };
  const Case kCases[] = {
      {"histogram", "f_bucket", "f histogram", "f histogram"},
      {"histogram", "f_sum", "f histogram", "f histogram"},
      {"histogram", "f_count", "f histogram", "f histogram"},
      {"histogram", "f_created", "f_created untyped", "f histogram"},
      {"histogram", "f_total", "f_total untyped", "f_total untyped"},
      {"summary", "f", "f summary", "f summary"},
      {"summary", "f_sum", "f summary", "f summary"},
      {"summary", "f_bucket", "f_bucket untyped", "f_bucket untyped"},
      {"counter", "f_total", "f_total untyped", "f counter"},
      {"counter", "f_created", "f_created untyped", "f counter"},
      {"counter", "f", "f counter", "f counter"},
      {"info", "f_info", "f_info untyped", "f info"},
      {"gaugehistogram", "f_gsum", "f gaugehistogram", "f gaugehistogram"},
      {"gaugehistogram", "f_gcount", "f gaugehistogram", "f gaugehistogram"},
      {"gauge", "f_sum", "f_sum untyped", "f_sum untyped"},
      {"stateset", "f", "f stateset", "f stateset"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(FamilyOf(c.type, c.name, Format::kText), c.text) << c.name;
    EXPECT_EQ(FamilyOf(c.type, c.name, Format::kOpenMetrics), c.open) << c.name;
  }
}

TEST(PageReaderTest, ReadsOpenMetrics) {
  PageReader reader;
  ReadPage(&reader,
           "# TYPE a_seconds counter\n"
           "# UNIT a_seconds seconds\n"
           "# HELP a_seconds Say \\\"hi\\\".\n"
           "a_seconds_total{x=\"1\"} 17.0 1520879607.789 # {trace_id=\"k\"} "
           "0.67 1520879607.7\n"
           "a_seconds_created{x=\"1\"} 1605281325.0\n"
           "# TYPE h histogram\n"
           "h_bucket{le=\"1\"} 2 # {} 0.5\n"
           "# EOF\n",
           Format::kOpenMetrics);
  EXPECT_THAT(reader.values(), ElementsAre(17, 1605281325, 2));
  EXPECT_EQ(reader.stats().lost_lines(), 0u);
  EXPECT_EQ(reader.stats().exemplars, 2u);
  EXPECT_EQ(reader.stats().timestamps, 1u);
  EXPECT_FALSE(reader.stats().is_truncated);
  const SeriesDesc d = reader.Describe(0);
  EXPECT_EQ(d.family, "a_seconds");
  EXPECT_EQ(d.unit, "seconds");
  EXPECT_EQ(d.help, "Say \"hi\".");
}

TEST(PageReaderTest, NamesBadOpenMetricsLines) {
  struct Case {
    const char* line;
    const char* problem;
  };
  const Case kCases[] = {
      {"a 1 # {x=\"1\"}", "bad_exemplar"},
      {"a 1 # {x=\"1\"} y", "bad_exemplar"},
      {"a 1 # {x=\"1\"} 1 y", "bad_exemplar"},
      {"a 1 # x", "bad_exemplar"},
      {"a 1 # {x=\"\xff\"} 1", "bad_utf8"},
      {"a 1 y", "bad_timestamp"},
      {"a 1 NaN", "bad_timestamp"},
      {"# UNIT", "bad_metadata"},
      {"# EOF x", "bad_metadata"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(Problem(c.line, Format::kOpenMetrics), c.problem) << c.line;
  }
}

TEST(PageReaderTest, AnOpenMetricsPageEndsWithEof) {
  PageReader reader;
  ReadPage(&reader, "a 1\n", Format::kOpenMetrics);
  EXPECT_TRUE(reader.stats().is_truncated);
  EXPECT_THAT(reader.values(), ElementsAre(1));
  ReadPage(&reader, "a 1\n# EOF\nb 2\n# TYPE b gauge\n", Format::kOpenMetrics);
  EXPECT_FALSE(reader.stats().is_truncated);
  EXPECT_THAT(reader.values(), ElementsAre(1));
  EXPECT_EQ(reader.stats().problem(LineProblem::kAfterEof), 2u);
  ReadPage(&reader, "a 1\n# EOF", Format::kOpenMetrics);
  EXPECT_FALSE(reader.stats().is_truncated);
  // Not so in text.
  ReadPage(&reader, "a 1\n# EOF\nb 2\n", Format::kText);
  EXPECT_THAT(reader.values(), ElementsAre(1, 2));
  EXPECT_FALSE(reader.stats().is_truncated);
}

}  // namespace
}  // namespace fodc::exposition
