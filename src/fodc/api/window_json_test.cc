// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/window_json.h"

#include <gtest/gtest.h>

namespace fodc::api {
namespace {

// Yields no row, and counts who has been asked.
class NoRows final : public WindowRows {
 public:
  explicit NoRows(int* asked) : asked_(asked) {}
  bool Next(WindowRow*) override {
    ++*asked_;
    return false;
  }

 private:
  int* const asked_;
};

TEST(WindowJsonTest, LooksThroughAFewNodesAtATime) {
  int asked = 0;
  std::vector<std::unique_ptr<WindowRows>> rows;
  rows.reserve(1000);
  for (int i = 0; i < 1000; ++i)
    rows.push_back(std::make_unique<NoRows>(&asked));
  WindowJson text(std::move(rows));
  std::string out;
  int before = 0;
  while (text.Append(&out, 1 << 18)) {
    EXPECT_LE(asked - before, 8);
    before = asked;
  }
  EXPECT_EQ(asked, 1000);
  EXPECT_EQ(out, "[]\n");
}

}  // namespace
}  // namespace fodc::api
