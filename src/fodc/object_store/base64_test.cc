// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/base64.h"

#include <gtest/gtest.h>

namespace fodc::object_store {
namespace {

TEST(Base64Test, IsWrittenAndRead) {
  for (const std::string_view text : {"", "f", "fo", "foo", "foob"})
    EXPECT_EQ(ParseBase64(Base64(text)), text);
  EXPECT_EQ(Base64("foob"), "Zm9vYg==");
  EXPECT_FALSE(ParseBase64("a"));
  EXPECT_FALSE(ParseBase64("a*=="));
}

}  // namespace
}  // namespace fodc::object_store
