// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/gcs_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(GcsJsonTest, ReadsAPage) {
  const auto page = ReadGcsList(R"({"kind":"storage#objects",
    "nextPageToken":"more","prefixes":["base/dir/"],
    "items":[{"name":"base/a","size":"7","etag":"CJ","crc32c":"yZRlqg==",
      "md5Hash":"XUFAKrxLKna5cZ2REBfFkg==","storageClass":"NEARLINE",
      "updated":"2026-01-01T00:00:01.000Z","metadata":{"checksum_sha256":
      "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}},
      {"name":"b","size":"0"}]})");
  ASSERT_THAT(page, IsOk());
  ASSERT_EQ(page->objects.size(), 2U);
  const ObjectInfo& first = page->objects[0];
  EXPECT_EQ(first.key, "base/a");
  EXPECT_EQ(first.bytes, 7U);
  EXPECT_EQ(first.crc32c, 0xc99465aaU);
  EXPECT_EQ(Crc32cText(*first.crc32c), "yZRlqg==");
  EXPECT_EQ((*first.md5)[0], 0x5d);
  EXPECT_EQ((*first.sha256)[0], 0x2c);
  EXPECT_EQ(first.storage_class, "NEARLINE");
  EXPECT_EQ(first.modified, UnixTime(std::chrono::seconds(1'767'225'601)));
  EXPECT_FALSE(page->objects[1].sha256.has_value());
  EXPECT_THAT(page->prefixes, ElementsAre("base/dir/"));
  EXPECT_EQ(page->next_token, "more");
  EXPECT_THAT(ReadGcsList("{}")->objects, IsEmpty());
}

TEST(GcsJsonTest, WhatIsNoPageIsAnError) {
  for (const char* text :
       {"", "[]", "7", R"({"items":{}})", R"({"items":[7]})",
        R"({"items":[{"name":"a"}]})", R"({"items":[{"size":"1"}]})",
        R"({"items":[{"name":"a","size":1}]})", R"({"prefixes":[1]})",
        R"({"prefixes":"a"})"}) {
    EXPECT_THAT(ReadGcsList(text), StatusIs(Code::kDataLoss, _)) << text;
  }
  EXPECT_THAT(ReadGcsObject("x"), StatusIs(Code::kDataLoss, _));
}

TEST(GcsJsonTest, ReadsErrorsOfBothKinds) {
  GcsError error = ReadGcsError(
      R"({"error":{"code":429,"message":"Slow","errors":[{"reason":
      "rateLimitExceeded","domain":"usageLimits"}]}})");
  EXPECT_EQ(error.code, "rateLimitExceeded");
  EXPECT_EQ(error.message, "Slow");
  error = ReadGcsError("<Error><Code>NoSuchKey</Code></Error>");
  EXPECT_EQ(error.code, "NoSuchKey");
  for (const char* none :
       {"", "{}", "[]", R"({"error":7})", R"({"error":{"errors":[]}})"})
    EXPECT_EQ(ReadGcsError(none).code, "") << none;
}

TEST(GcsJsonTest, ReadsRewritesAndHashes) {
  EXPECT_THAT(ReadGcsRewrite(R"({"done":true})"), IsOkAndHolds(""));
  EXPECT_THAT(ReadGcsRewrite(R"({"done":false,"rewriteToken":"t"})"),
              IsOkAndHolds("t"));
  for (const char* bad : {"", "{}", R"({"done":false})", R"({"done":1})"})
    EXPECT_THAT(ReadGcsRewrite(bad), StatusIs(Code::kDataLoss, _)) << bad;
  EXPECT_EQ(Crc32cInHash("crc32c=yZRlqg==,md5=x"), 0xc99465aaU);
  EXPECT_EQ(Crc32cInHash("md5=x, crc32c=yZRlqg=="), 0xc99465aaU);
  EXPECT_FALSE(Crc32cInHash("md5=x").has_value());
  EXPECT_FALSE(Crc32cInHash("crc32c=x").has_value());
}

}  // namespace
}  // namespace fodc::object_store
