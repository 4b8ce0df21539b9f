// SPDX-License-Identifier: Apache-2.0
// Following a page gives what reading it afresh gives, on real pages and on
// pages mutated at random.
#include <gmock/gmock.h>

#include <bit>
#include <random>
#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"
#include "fodc/exposition/page_reader.h"
#include "fodc/exposition/page_reader_testing.h"
#include "tests/support/frames.h"

namespace fodc::exposition {
namespace {

using test::Recording;
using test::RecordingPath;

// Sanitizers take a hundred times as long: a part will do there.
#if defined(FODC_SANITIZED)
constexpr std::size_t kMaxFrames = 40;
constexpr int kMutations = 300;
#else
constexpr std::size_t kMaxFrames = 1000;
constexpr int kMutations = 6000;
#endif

class RecordingsTest
    : public ::testing::TestWithParam<std::tuple<std::string_view, bool>> {};

TEST_P(RecordingsTest, FollowingGivesWhatAFreshReadGives) {
  const auto& [name, portable] = GetParam();
  const auto recording = Recording::Load(RecordingPath(name));
  ASSERT_THAT(recording, IsOk());
  FollowChecker checker(portable);
  std::size_t frames = 0;
  for (const auto& frame : recording->frames()) {
    if (frames == kMaxFrames) break;
    ASSERT_EQ(frame.http_status, 200);
    const std::string difference = checker.Check(Format::kText, frame.body);
    ASSERT_EQ(difference, "") << "frame " << frame.sequence;
    ASSERT_EQ(checker.reader().stats().lost_lines(), 0u);
    ASSERT_GT(checker.reader().values().size(), 200u);
    ++frames;
  }
  EXPECT_GE(frames, 40u);
}

INSTANTIATE_TEST_SUITE_P(
    All, RecordingsTest,
    ::testing::Combine(::testing::ValuesIn(test::kRecordingNames),
                       ::testing::Bool()),
    [](const auto& param_info) {
      std::string name(std::get<0>(param_info.param));
      for (char& c : name) c = c == '-' ? '_' : c;
      return name + (std::get<1>(param_info.param) ? "_portable" : "_wide");
    });

// Lines of a small page, good and bad, and their order, changed at random.
std::string MutatePage(const std::string& page, std::mt19937* random) {
  const auto pick = [random](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(*random);
  };
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < page.size();) {
    const std::size_t end = std::min(page.find('\n', at), page.size() - 1);
    lines.push_back(page.substr(at, end + 1 - at));
    at = end + 1;
  }
  static const std::vector<std::string> kExtra = {
      "# HELP a_total What a is.\n",
      "# TYPE a_total counter\n",
      "# TYPE a_total gauge\n",
      "a_total 1\n",
      "a_total{x=\"1\"} 2\n",
      "b{x=\"1\",y=\"2\"} 3\n",
      "b{y=\"2\",x=\"1\"} 4\n",
      "# comment\n",
      "\n",
      "# EOF\n",
      "bad-name 1\n",
      "b{x=\"1\" 1\n",
      "c NaN\n",
      "c{le=\"+Inf\"} +Inf\n",
      "d 1 1700000000000\n",
      "d{x=\"a\\\"b\"} 1e3\n",
      "e\xff 1\n",
      "h_bucket{le=\"1\"} 1 # {t=\"x\"} 0.5\n",
      "# TYPE h histogram\n",
      "h_sum 5\r\n"};
  for (std::size_t n = pick(4) + 1; n > 0; --n) {
    if (lines.empty() || pick(4) == 0) {
      lines.insert(
          lines.begin() + static_cast<std::ptrdiff_t>(pick(lines.size() + 1)),
          kExtra[pick(kExtra.size())]);
      continue;
    }
    const std::size_t at = pick(lines.size());
    switch (pick(6)) {
      case 0:
        lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      case 1:
        std::swap(lines[at], lines[pick(lines.size())]);
        break;
      case 2:
        lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(at),
                     lines[pick(lines.size())]);
        break;
      case 3: {
        std::string& line = lines[at];
        line[pick(line.size())] = static_cast<char>(pick(256));
        break;
      }
      case 4:
        if (lines[at].find(' ') != std::string::npos) {
          lines[at] = lines[at].substr(0, lines[at].rfind(' ') + 1) +
                      std::to_string(pick(1000)) + "\n";
        }
        break;
      default:
        lines[at] =
            std::string(lines[at].substr(0, lines[at].size() / 2)) + lines[at];
        break;
    }
  }
  std::string out;
  for (const std::string& line : lines) out += line;
  if (pick(20) == 0 && !out.empty()) out.pop_back();
  return out;
}

TEST(MutatedPagesTest, FollowingGivesWhatAFreshReadGives) {
  for (const bool portable : {false, true}) {
    for (const Format format : {Format::kText, Format::kOpenMetrics}) {
      std::mt19937 random(portable ? 7 : 11);
      FollowChecker checker(portable);
      std::string page;
      for (int i = 0; i < kMutations; ++i) {
        page = MutatePage(page, &random);
        if (page.size() > 4000) page.resize(2000);
        const std::string difference = checker.Check(format, page);
        ASSERT_EQ(difference, "") << "round " << i << "\n" << page;
      }
    }
  }
}

}  // namespace
}  // namespace fodc::exposition
