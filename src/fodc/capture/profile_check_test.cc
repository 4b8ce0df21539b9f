// SPDX-License-Identifier: Apache-2.0
#include "fodc/capture/profile_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"
#include "tests/support/gzip.h"
#include "tests/support/paths.h"

namespace fodc::capture {
namespace {

using ::testing::HasSubstr;

Status Check(std::string_view body, std::size_t piece_bytes = 4096,
             bool is_text = false) {
  ProfileCheck check(is_text);
  while (!body.empty()) {
    const std::string_view piece = body.substr(0, piece_bytes);
    FODC_RETURN_IF_ERROR(check.Add(piece));
    body.remove_prefix(piece.size());
  }
  return check.End();
}

Status CheckCut(std::string_view body) {
  ProfileCheck check(/*is_text=*/false);
  FODC_RETURN_IF_ERROR(check.Add(body));
  return check.Cut();
}

std::string Recorded(std::string_view name) {
  return ReadFile(
             test::SourcePath(StrCat("tests/data/wire/files/pressure-profiles/"
                                     "20261121T073036.667474998Z/",
                                     name)))
      .value();
}

TEST(ProfileCheckTest, TakesWhatGoServes) {
  for (const char* name : {"heap.pprof", "goroutine.pprof"}) {
    const std::string body = Recorded(name);
    for (const std::size_t piece_bytes : {1, 2, 100, 1 << 20})
      EXPECT_THAT(Check(body, piece_bytes), IsOk()) << name;
  }
}

TEST(ProfileCheckTest, TakesTheTextsThatPprofReads) {
  for (const char* text :
       {"heap profile: 1: 2 [ 3: 4] @ heapprofile\n", "heap_v2/524288\n",
        "goroutine profile: total 5\n", "--- contention\n",
        "--- mutex:\ncycles/second=1\n"}) {
    EXPECT_THAT(Check(text), IsOk()) << text;
    EXPECT_THAT(Check(text, 1), IsOk()) << text;
    EXPECT_THAT(Check(test::Gzip(text)), IsOk()) << text;
  }
  const std::uint64_t words[] = {0, 3, 0, 10'000, 0};
  EXPECT_THAT(Check({reinterpret_cast<const char*>(words), sizeof words}),
              IsOk());
}

TEST(ProfileCheckTest, RefusesWhatIsNoProfile) {
  for (const std::string& text :
       {std::string("<html><body>log in</body></html>"), std::string("OK\n"),
        std::string("Hello"), std::string("{\"error\":1}"),
        std::string("Requests are refused now"), std::string(2000, 'x'),
        std::string(2000, '\0')}) {
    EXPECT_THAT(Check(text),
                StatusIs(Code::kDataLoss, HasSubstr("begins with")))
        << text;
    EXPECT_THAT(Check(test::Gzip(text)), StatusIs(Code::kDataLoss, testing::_))
        << text;
  }
  EXPECT_THAT(Check(""), StatusIs(Code::kDataLoss, HasSubstr("empty")));
  EXPECT_THAT(Check("\x1f"), StatusIs(Code::kDataLoss, testing::_));
}

TEST(ProfileCheckTest, RefusesDamagedGzip) {
  const std::string good = Recorded("heap.pprof");
  std::string garbage = good;
  std::fill(garbage.begin() + 10, garbage.end(), '\xff');
  EXPECT_THAT(Check(garbage), StatusIs(Code::kDataLoss, testing::_));
  std::string wrong_sum = good;
  wrong_sum[wrong_sum.size() - 6] ^= 1;
  EXPECT_THAT(Check(wrong_sum), StatusIs(Code::kDataLoss, testing::_));
  EXPECT_THAT(Check(good.substr(0, good.size() / 2)),
              StatusIs(Code::kDataLoss, testing::_));
}

TEST(ProfileCheckTest, ABeginningOfOneIsKeptAndOfAnotherThingIsNot) {
  const std::string good = Recorded("heap.pprof");
  EXPECT_THAT(CheckCut(good.substr(0, good.size() / 2)), IsOk());
  EXPECT_THAT(CheckCut(good.substr(0, 20)), IsOk());
  EXPECT_THAT(CheckCut("<html>"), StatusIs(Code::kDataLoss, testing::_));
  EXPECT_THAT(CheckCut(""), StatusIs(Code::kDataLoss, testing::_));
}

// Of a large one the beginning may be read, whatever became of the rest.
TEST(ProfileCheckTest, ALargeOneIsReadToItsEndAndToldToBeDamaged) {
  std::string noise(3 << 20, '\0');
  std::uint32_t state = 1;
  for (char& c : noise) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  const std::string good =
      test::Gzip(StrCat("heap profile: 1: 2 [ 3: 4] @ heapprofile\n", noise));
  ASSERT_GT(good.size(), 2 * ProfileCheck::kHeadBytes);
  const auto damage_of = [](std::string_view body) {
    ProfileCheck check(/*is_text=*/false);
    for (; !body.empty();
         body.remove_prefix(std::min<std::size_t>(body.size(), 70'000))) {
      EXPECT_THAT(check.Add(body.substr(0, 70'000)), IsOk());
    }
    EXPECT_THAT(check.End(), IsOk());
    return check.damage();
  };
  EXPECT_THAT(damage_of(good), IsOk());
  EXPECT_THAT(damage_of(good.substr(0, good.size() - 100)),
              StatusIs(Code::kDataLoss, HasSubstr("cut short")));
  std::string flipped = good;
  flipped[2 * ProfileCheck::kHeadBytes] ^= 1;  // only its sum tells
  EXPECT_THAT(damage_of(flipped),
              StatusIs(Code::kDataLoss, HasSubstr("damaged at byte")));
  std::string garbage = good;
  std::fill(garbage.begin() + 2 * ProfileCheck::kHeadBytes, garbage.end(),
            '\xff');
  EXPECT_THAT(damage_of(garbage), StatusIs(Code::kDataLoss, testing::_));
}

TEST(ProfileCheckTest, ATextIsAnyTextButAPage) {
  EXPECT_THAT(Check("___ Begin jemalloc statistics ___\n", 7, true), IsOk());
  EXPECT_THAT(Check("<html>", 7, true), StatusIs(Code::kDataLoss, testing::_));
  EXPECT_THAT(Check(std::string(10, '\0'), 7, true),
              StatusIs(Code::kDataLoss, testing::_));
}

}  // namespace
}  // namespace fodc::capture
