// SPDX-License-Identifier: Apache-2.0
// Checks promises of PageReader: what it gives does not depend on the pages
// before, and is what ParseLine finds in the lines. For tests and fuzzers.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/strings.h"
#include "fodc/exposition/line_parser.h"
#include "fodc/exposition/page_reader.h"

namespace fodc::exposition {

inline void ReadPage(PageReader* reader, std::string_view page,
                     Format format = Format::kText) {
  PageBuffer buffer;
  FODC_CHECK(buffer.Append(page).ok());
  reader->Read(format, &buffer);
}

// "name{labels} family type help unit" of one line.
inline std::string DescribeText(PageReader* reader, std::uint32_t line) {
  const SeriesDesc d = reader->Describe(line);
  std::string out(d.name);
  out += '{';
  AppendCanonicalLabels(&out, d.labels);
  out += StrCat("} ", d.family, " ", MetricTypeName(d.type), " ", d.help, " ",
                d.unit);
  return out;
}

// Whether the page loops find in a page what ParseLine finds in its lines, but
// for duplicates. Returns what differs; empty if nothing does.
inline std::string CompareWithParseLine(std::string_view page, Format format,
                                        bool portable) {
  PageReader reader(PageReader::Options{.portable = portable});
  ReadPage(&reader, page, format);
  const PageStats& stats = reader.stats();
  std::array<std::uint32_t, kLineProblems> problems{};
  std::vector<double> values;
  for (std::string_view rest = page; !rest.empty();) {
    const std::size_t feed = rest.find('\n');
    const bool unterminated = feed == std::string_view::npos;
    // The hash of a line reads beyond it.
    std::string line(rest.substr(0, feed));
    rest.remove_prefix(unterminated ? rest.size() : feed + 1);
    const std::size_t size = line.size();
    line.append(PageBuffer::kSlackBytes, '\0');
    const ParsedLine parsed =
        ParseLine(std::string_view(line).substr(0, size), format, unterminated);
    if (parsed.kind == LineKind::kEof) return "";  // and others behind it
    if (parsed.kind == LineKind::kSample) values.push_back(parsed.value);
    if (parsed.kind == LineKind::kBad)
      ++problems[static_cast<std::size_t>(parsed.problem)];
  }
  if (stats.problem(LineProblem::kTooManyLines) != 0) return "";
  const std::uint32_t duplicates = stats.problem(LineProblem::kDuplicateSeries);
  problems[static_cast<std::size_t>(LineProblem::kDuplicateSeries)] =
      duplicates;
  for (std::size_t i = 0; i < kLineProblems; ++i) {
    if (problems[i] != stats.problems[i]) {
      return StrCat("lines with ", LineProblemName(static_cast<LineProblem>(i)),
                    ": ", stats.problems[i], ", not ", problems[i]);
    }
  }
  if (reader.values().size() + duplicates != values.size()) {
    return StrCat("samples: ", reader.values().size(), ", not ", values.size());
  }
  // In order, with some left out.
  auto at = values.begin();
  for (const double value : reader.values()) {
    at = std::find_if(at, values.end(), [value](double v) {
      return std::bit_cast<std::uint64_t>(v) ==
             std::bit_cast<std::uint64_t>(value);
    });
    if (at == values.end())
      return StrCat("a value that no line has: ", std::to_string(value));
    ++at;
  }
  return "";
}

// Feeds pages to one reader and keeps what a user of it would keep: the lines,
// changed by the edits, and their values.
class FollowChecker {
 public:
  explicit FollowChecker(bool portable)
      : portable_(portable),
        reader_(PageReader::Options{.portable = portable}) {}

  PageReader& reader() { return reader_; }

  // Reads the next page and compares with a fresh reader, of the other kind of
  // instructions. Returns what differs; empty if nothing does.
  std::string Check(Format format, std::string_view page) {
    const std::vector<std::string> lines_before = lines_;
    const std::vector<double> values_before = values_;
    if (!buffer_.Append(page).ok()) return "page refused";
    reader_.Read(format, &buffer_);
    if (buffer_.size() != 0) return "buffer not taken";

    PageReader fresh(PageReader::Options{.portable = !portable_});
    PageBuffer copy;
    if (!copy.Append(page).ok()) return "page refused";
    fresh.Read(format, &copy);
    const auto values = reader_.values();
    if (values.size() != fresh.values().size()) return "number of values";
    if (!values.empty() && std::memcmp(values.data(), fresh.values().data(),
                                       values.size_bytes()) != 0) {
      return "values";
    }
    if (!(reader_.stats() == fresh.stats())) return "stats";
    if (reader_.problems().size() != fresh.problems().size()) {
      return "number of problems";
    }
    for (std::size_t i = 0; i < reader_.problems().size(); ++i) {
      const ProblemLine& a = reader_.problems()[i];
      const ProblemLine& b = fresh.problems()[i];
      if (a.line != b.line || a.problem != b.problem ||
          a.excerpt() != b.excerpt()) {
        return StrCat("problem ", i);
      }
    }
    if (std::string e = ApplyEdits(lines_before, values_before); !e.empty()) {
      return e;
    }
    for (std::uint32_t i = 0; i < values.size(); ++i) {
      const std::string expected = DescribeText(&fresh, i);
      if (lines_[i] != expected) {
        return StrCat("line ", i, ": ", lines_[i], " is ", expected);
      }
    }
    return "";
  }

 private:
  // lines_ after the edits; checks changed() on the way.
  std::string ApplyEdits(const std::vector<std::string>& lines_before,
                         const std::vector<double>& values_before) {
    std::vector<LineEdit> edits(reader_.edits().begin(), reader_.edits().end());
    const auto values = reader_.values();
    if (edits.empty()) {
      edits.push_back({LineEdit::Kind::kKeep,
                       static_cast<std::uint32_t>(lines_before.size())});
    }
    lines_.clear();
    std::vector<std::uint32_t> changed;
    std::size_t at = 0;
    for (const LineEdit& edit : edits) {
      for (std::uint32_t i = 0; i < edit.count; ++i) {
        if (edit.kind != LineEdit::Kind::kInsert && at >= lines_before.size()) {
          return "edits go beyond the lines before";
        }
        if (edit.kind != LineEdit::Kind::kRemove &&
            lines_.size() >= values.size()) {
          return "edits make too many lines";
        }
        const auto line = static_cast<std::uint32_t>(lines_.size());
        switch (edit.kind) {
          case LineEdit::Kind::kKeep:
            if (std::bit_cast<std::uint64_t>(values_before[at]) !=
                std::bit_cast<std::uint64_t>(values[line])) {
              changed.push_back(line);
            }
            lines_.push_back(lines_before[at++]);
            break;
          case LineEdit::Kind::kRemove:
            ++at;
            break;
          case LineEdit::Kind::kInsert:
            lines_.push_back(DescribeText(&reader_, line));
            break;
        }
      }
    }
    if (at != lines_before.size()) return "edits leave old lines over";
    if (lines_.size() != values.size()) return "edits make too few lines";
    values_.assign(values.begin(), values.end());
    if (!std::equal(changed.begin(), changed.end(), reader_.changed().begin(),
                    reader_.changed().end())) {
      return "changed lines";
    }
    return "";
  }

  bool portable_;
  PageReader reader_;
  PageBuffer buffer_;
  std::vector<std::string> lines_;
  std::vector<double> values_;
};

}  // namespace fodc::exposition
