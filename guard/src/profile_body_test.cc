// SPDX-License-Identifier: Apache-2.0
#include "profile_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "fodc/base/status_matchers.h"

namespace fodc::guard {
namespace {

TEST(ProfileBodyTest, GathersSmallPiecesAndCutsLargeOnes) {
  std::vector<std::size_t> sent;
  std::string all;
  ProfileBody body("heap", false, true, [&](std::string_view bytes) {
    sent.push_back(bytes.size());
    all += bytes;
    return OkStatus();
  });
  for (int i = 0; i < 100; ++i) ASSERT_THAT(body.Write("abc"), IsOk());
  EXPECT_TRUE(sent.empty());
  EXPECT_FALSE(body.has_begun());
  ASSERT_THAT(body.Write(std::string(100000, 'x')), IsOk());
  EXPECT_TRUE(body.has_begun());
  for (const std::size_t n : sent) EXPECT_LT(n, 17000u);
  ASSERT_THAT(body.Finish(), IsOk());
  EXPECT_THAT(all, testing::HasSubstr("filename=\"heap\""));
  EXPECT_THAT(all, testing::HasSubstr("\r\n\r\n4000\r\nabcabc"));
  EXPECT_THAT(all, testing::EndsWith("\r\n0\r\n\r\n"));
}

TEST(ProfileBodyTest, StopsWithTheErrorOfTheSocket) {
  ProfileBody body("heap", false, true,
                   [](std::string_view) { return Unavailable("gone"); });
  EXPECT_EQ(body.Write(std::string(100000, 'x')).code(), Code::kUnavailable);
}

}  // namespace
}  // namespace fodc::guard
