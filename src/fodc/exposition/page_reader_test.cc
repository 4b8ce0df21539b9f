// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/page_reader.h"

#include <gmock/gmock.h>

#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/exposition/line_parser.h"
#include "fodc/exposition/number.h"
#include "fodc/exposition/page_reader_testing.h"
#include "tests/support/allocation_count.h"

namespace fodc::exposition {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = LineEdit::Kind;

void ReadPage(PageReader* reader, std::string_view page,
              Format format = Format::kText) {
  PageBuffer buffer;
  ASSERT_THAT(buffer.Append(page), IsOk());
  reader->Read(format, &buffer);
}

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
      std::snprintf(number, sizeof number, " %.17g", reader.values()[i]);
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

TEST(PageReaderTest, TheFirstOfDuplicatedSeriesCounts) {
  PageReader reader;
  ReadPage(&reader,
           "a{x=\"1\",y=\"2\"} 1\n"
           "a{y=\"2\",x=\"1\"} 2\n"
           "a{x=\"1\" , y=\"2\"} 3\n"
           "a{x=\"1\"} 4\n"
           "b{x=\"\\d\"} 5\n"
           "b{x=\"\\\\d\"} 6\n");
  EXPECT_THAT(reader.values(), ElementsAre(1, 4, 5));
  EXPECT_EQ(reader.stats().problem(LineProblem::kDuplicateSeries), 3u);
  ASSERT_EQ(reader.problems().size(), 3u);
  EXPECT_EQ(reader.problems()[0].line, 2u);
  EXPECT_EQ(reader.problems()[2].line, 6u);
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

// Two values of equal hash in each of 15 labels: 32,768 series of equal hash.
TEST(PageReaderTest, BoundsTheComparisonsOfSeriesWithEqualHashes) {
  constexpr std::string_view kEqual[] = {":(t`G~#g", "M(4 0~3'"};
  constexpr unsigned kLabels = 15;
  std::string page;
  for (unsigned n = 0; n < 1u << kLabels; ++n) {
    page += "a{";
    for (unsigned i = 0; i < kLabels; ++i) {
      page +=
          StrCat(i < 10 ? "l0" : "l", i, "=\"abc", kEqual[(n >> i) & 1], "\",");
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
