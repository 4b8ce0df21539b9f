// SPDX-License-Identifier: Apache-2.0
// Real pages in, every sample out again, bit for bit.
#include "fodc/ctl/page_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <unordered_map>

#include "fodc/base/clock.h"
#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "fodc/ctl/recording_text.h"
#include "tests/support/frames.h"
#include "tests/support/http.h"

namespace fodc::ctl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

recorder::RecordingOptions Unbounded() {
  recorder::RecordingOptions options;
  options.budget_bytes = std::size_t{1} << 40;
  options.max_series = 10'000'000;
  return options;
}

// Series and their samples, from a plain reading of the pages or of CSV.
class Samples {
 public:
  // `text`: a series in any spelling; `recording` is added if not empty.
  void Add(std::string_view text, std::string_view recording,
           std::int64_t unix_ms, double value) {
    scratch_.assign(text);
    scratch_.push_back('\x1f');
    scratch_.append(recording);
    const auto [it, is_new] = ids_.try_emplace(scratch_, 0);
    if (is_new) it->second = Find(text, recording);
    series_[it->second].emplace_back(unix_ms,
                                     std::bit_cast<std::uint64_t>(value));
    ++count_;
  }
  std::size_t count() const { return count_; }
  // How many series differ, and the first of them.
  static std::string Difference(const Samples& a, const Samples& b) {
    std::string text;
    for (const auto& [key, id] : a.keys_) {
      const auto it = b.keys_.find(key);
      if (it == b.keys_.end()) {
        text += "missing: " + key + "\n";
      } else if (a.series_[id] != b.series_[it->second]) {
        text += "differs: " + key + "\n";
      }
      if (text.size() > 2000) break;
    }
    return text;
  }

 private:
  // One spelling: name and sorted labels.
  std::size_t Find(std::string_view text, std::string_view recording) {
    const auto samples = test::ReadPage(StrCat(text, " 0\n"));
    EXPECT_EQ(samples.size(), 1U) << text;
    auto labels = samples.at(0).labels;
    if (!recording.empty()) labels["recording"] = recording;
    std::string key = samples[0].name;
    for (const auto& [name, value] : labels) {
      key += StrCat("\x1f", name, "=", value);
    }
    const auto [it, is_new] = keys_.try_emplace(key, series_.size());
    if (is_new) series_.emplace_back();
    return it->second;
  }
  std::unordered_map<std::string, std::size_t> ids_;
  std::map<std::string, std::size_t> keys_;
  std::vector<std::vector<std::pair<std::int64_t, std::uint64_t>>> series_;
  std::string scratch_;
  std::size_t count_ = 0;
};

// Takes CSV as it is written.
class CsvReader final : public Output {
 public:
  Status Append(std::string_view bytes) override {
    rest_.append(bytes);
    std::size_t begin = 0;
    for (std::size_t end = 0;
         (end = rest_.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      Line(std::string_view(rest_).substr(begin, end - begin));
    }
    rest_.erase(0, begin);
    return OkStatus();
  }
  Status Flush() override { return OkStatus(); }
  Samples samples;

 private:
  void Line(std::string_view line) {
    if (lines_++ == 0) {
      EXPECT_EQ(line, "timestamp,name,labels,value");
      return;
    }
    const std::size_t time_end = line.find(',');
    const std::size_t value_begin = line.rfind(',') + 1;
    const std::string_view time_text = line.substr(0, time_end);
    if (time_text != last_time_text_) {
      last_time_text_ = time_text;
      last_time_ = ToUnixMillis(*ParseRfc3339(time_text));
    }
    const std::string number(line.substr(value_begin));
    // name,"a=""x"",..." -> name{a="x",...}
    std::string_view middle =
        line.substr(time_end + 1, value_begin - time_end - 2);
    const std::size_t name_end = middle.find(',');
    std::string text(middle.substr(0, name_end));
    std::string_view labels = middle.substr(name_end + 1);
    text.push_back('{');
    if (labels.starts_with('"')) {
      labels = labels.substr(1, labels.size() - 2);
      for (std::size_t i = 0; i < labels.size(); ++i) {
        text.push_back(labels[i]);
        if (labels[i] == '"') ++i;
      }
    } else {
      text.append(labels);
    }
    text.push_back('}');
    samples.Add(text, "", last_time_, std::strtod(number.c_str(), nullptr));
  }
  std::string rest_;
  std::size_t lines_ = 0;
  std::string last_time_text_;
  std::int64_t last_time_ = 0;
};

TEST(ImportPagesTest, GivesBackEverySampleOfTheRecordedPagesBitForBit) {
#if defined(FODC_SANITIZED)
  constexpr std::size_t kRecordings = 1;  // they take tens of seconds there
#else
  constexpr std::size_t kRecordings = std::size(test::kRecordingNames);
#endif
  const TempDirectory dir;
  Samples expected;
  for (std::size_t r = 0; r < kRecordings; ++r) {
    const std::string_view name = test::kRecordingNames[r];
    const std::string path = test::RecordingPath(name);
    const auto bytes = ReadFile(path);
    ASSERT_THAT(bytes, IsOk());
    ASSERT_THAT(
        WriteFileAtomically(dir.File(StrCat(name, ".frames.zst")), *bytes),
        IsOk());
    const auto recording = test::Recording::Load(path);
    ASSERT_THAT(recording, IsOk());
    for (const auto& frame : recording->frames()) {
      if (frame.http_status != 200) continue;
      for (const std::string_view line : Split(frame.body, '\n')) {
        if (line.empty() || line.front() == '#') continue;
        const std::size_t blank = line.rfind(' ');
        const std::string number(line.substr(blank + 1));
        expected.Add(line.substr(0, blank), name, frame.unix_ms,
                     std::strtod(number.c_str(), nullptr));
      }
    }
  }
  recorder::Recording recording(1, Unbounded());
  const auto summary = ImportPages(dir.path(), &recording);
  ASSERT_THAT(summary, IsOk());
  CsvReader csv;
  int damaged = 0;
  ASSERT_THAT(
      WriteSamples(recording.Take(), {},
                   {.range = {}, .format = SampleFormat::kCsv}, &csv, &damaged),
      IsOk());
  EXPECT_EQ(damaged, 0);
  EXPECT_EQ(csv.samples.count(), expected.count());
  EXPECT_EQ(Samples::Difference(expected, csv.samples), "");
  EXPECT_EQ(Samples::Difference(csv.samples, expected), "");
  if (kRecordings == 6) {
    EXPECT_EQ(expected.count(), 2'052'802U);
  }
}

class SmallImportTest : public testing::Test {
 protected:
  void Write(const std::string& name, const std::string& bytes) {
    ASSERT_THAT(WriteFileAtomically(dir_.File(name), bytes), IsOk());
  }
  static std::string Frame(int n, int unix_s, int status,
                           const std::string& body) {
    return StrCat("#@@ ", n, " ", unix_s, "000 ", status, " ", body.size(),
                  "\n", body);
  }
  std::string Text(const ShowOptions& options) {
    StringOutput out;
    EXPECT_THAT(WriteSamples(recording_.Take(), {}, options, &out, &damaged_),
                IsOk());
    return out.text;
  }
  TempDirectory dir_;
  recorder::Recording recording_{1, Unbounded()};
  int damaged_ = 0;
};

TEST_F(SmallImportTest, MergesByTimeKeepsGapsAndNamesWhatIsLeftOut) {
  Write("x.frames", Frame(1, 10, 200, "a 1\n") + Frame(2, 12, 0, "") +
                        Frame(3, 14, 200, "a 3\nb{recording=\"r\"} 4\n"));
  Write("y.frames", Frame(1, 11, 200, "a 7\na 8\nbad\n"));
  Write("y.frames.zst", "whatever");
  Write("README.md", "no frames");
  const auto summary = ImportPages(dir_.path(), &recording_);
  ASSERT_THAT(summary, IsOk());
  ASSERT_EQ(summary->files.size(), 2U);
  EXPECT_EQ(summary->files[0].frames, 2U);
  EXPECT_EQ(summary->files[0].failed, 1U);
  EXPECT_EQ(summary->files[1].lost_lines, 2U);
  EXPECT_THAT(summary->left_out,
              ElementsAre(HasSubstr("README.md"), HasSubstr("y.frames.zst")));
  EXPECT_EQ(Text({.range = {}, .format = SampleFormat::kText}),
            "# TYPE a untyped\n"
            "a{recording=\"x\"} 1 10000\n"
            "a{recording=\"x\"} 3 14000\n"
            "a{recording=\"y\"} 7 11000\n"
            "# TYPE b untyped\n"
            "b{exported_recording=\"r\",recording=\"x\"} 4 14000\n");
}

TEST_F(SmallImportTest, SelectorsAndRangesChoose) {
  Write("x.frames",
        Frame(1, 10, 200, "a 1\nb 2\n") + Frame(2, 12, 200, "a 3\nb 4\n"));
  ASSERT_THAT(ImportPages(dir_.path(), &recording_), IsOk());
  const std::vector<std::string_view> texts{"{__name__=~\"b.*\"}"};
  const auto selectors = exposition::SelectorSet::Parse(texts);
  ASSERT_THAT(selectors, IsOk());
  EXPECT_EQ(Text({.range = {11'000, 12'000},
                  .format = SampleFormat::kText,
                  .selectors = &*selectors}),
            "# TYPE b untyped\nb{recording=\"x\"} 4 12000\n");
  StringOutput out;
  ASSERT_THAT(WritePageAt(recording_.Take(),
                          {.role = "ROLE_DATA", .pod_name = "p", .labels = {}},
                          {.range = {}, .format = SampleFormat::kText}, 11'500,
                          5'000, &out),
              IsOk());
  EXPECT_EQ(out.text,
            "# TYPE a untyped\n"
            "a{node_role=\"ROLE_DATA\",pod_name=\"p\",recording=\"x\"} 1\n"
            "# TYPE b untyped\n"
            "b{node_role=\"ROLE_DATA\",pod_name=\"p\",recording=\"x\"} 2\n");
  out.text.clear();
  ASSERT_THAT(WritePageAt(recording_.Take(), {},
                          {.range = {}, .format = SampleFormat::kText}, 20'000,
                          5'000, &out),
              IsOk());
  EXPECT_EQ(out.text, "");
}

TEST_F(SmallImportTest, TextFormatsKeepFamiliesTogether) {
  Write("x.frames",
        Frame(1, 10, 200,
              "# TYPE h histogram\nh_bucket{le=\"2\"} 1\n"
              "h_bucket{le=\"10\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\n"
              "h_count 1\n# HELP c_total C.\n# TYPE c_total counter\n"
              "c_total 5\n"));
  Write("y.frames", Frame(1, 11, 200, "# TYPE c_total counter\nc_total 6\n"));
  ASSERT_THAT(ImportPages(dir_.path(), &recording_), IsOk());
  EXPECT_EQ(Text({.range = {}, .format = SampleFormat::kOpenMetrics}),
            "# HELP c C.\n# TYPE c counter\n"
            "c_total{recording=\"x\"} 5 10.000\n"
            "c_total{recording=\"y\"} 6 11.000\n"
            "# TYPE h histogram\n"
            "h_bucket{le=\"2\",recording=\"x\"} 1 10.000\n"
            "h_bucket{le=\"10\",recording=\"x\"} 1 10.000\n"
            "h_bucket{le=\"+Inf\",recording=\"x\"} 1 10.000\n"
            "h_sum{recording=\"x\"} 2 10.000\n"
            "h_count{recording=\"x\"} 1 10.000\n"
            "# EOF\n");
}

TEST_F(SmallImportTest, TakesWhatIsBeforeDamage) {
  Write("x.frames", Frame(1, 10, 200, "a 1\n") + "#@@ 2 11");
  Write("y.frames", Frame(1, 10, 200, "b 1\n") + Frame(2, 11, 200, "b 2\n"));
  const auto summary = ImportPages(dir_.path(), &recording_);
  ASSERT_THAT(summary, IsOk());
  ASSERT_EQ(summary->files.size(), 2u);
  EXPECT_EQ(summary->files[0].frames, 1u);
  EXPECT_THAT(summary->files[0].damage, HasSubstr("x.frames: frame 2"));
  EXPECT_EQ(summary->files[1].frames, 2u);
  EXPECT_EQ(summary->files[1].damage, "");
}

TEST_F(SmallImportTest, RefusesFoldersThatHaveNothingAndDamagedFiles) {
  EXPECT_THAT(ImportPages(dir_.path(), &recording_),
              StatusIs(Code::kNotFound, HasSubstr(dir_.path())));
  EXPECT_THAT(ImportPages(dir_.File("none"), &recording_),
              StatusIs(Code::kNotFound, HasSubstr("none")));
  Write("x.frames", "#@@ 1 11");
  EXPECT_THAT(ImportPages(dir_.path(), &recording_),
              StatusIs(Code::kDataLoss, HasSubstr("x.frames: frame 1")));
}

}  // namespace
}  // namespace fodc::ctl
