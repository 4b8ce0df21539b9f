// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/resident.h"

#include <gtest/gtest.h>

#include <string>

#include "fodc/base/strings.h"

namespace fodc::agent {
namespace {

const char* const kRelocated[] = {"a", "pointer", "into", "rodata"};

TEST(ReleaseIdlePagesTest, TheProgramGoesOnUnharmed) {
  const std::size_t code = ReleaseIdlePages(IdlePages::kCode);
  EXPECT_GT(code, 0u);
  EXPECT_GT(ReleaseIdlePages(IdlePages::kCodeAndTables), code);
  std::string text;
  for (const char* word : kRelocated) text += StrCat(word, " ");
  EXPECT_EQ(text, "a pointer into rodata ");
}

}  // namespace
}  // namespace fodc::agent
