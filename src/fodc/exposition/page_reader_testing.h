// SPDX-License-Identifier: Apache-2.0
// Checks one promise of PageReader: what it gives does not depend on the pages
// before. For tests and fuzzers.
#pragma once

#include <bit>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/strings.h"
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
