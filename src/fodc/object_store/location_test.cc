// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/location.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::HasSubstr;

TEST(LocationTest, ReadsEachForm) {
  const auto is = [](std::string_view url, const Location& expected) {
    SCOPED_TRACE(url);
    const auto location = ParseLocation(url);
    ASSERT_THAT(location, IsOk());
    EXPECT_EQ(*location, expected);
  };
  is("file:///backups", {.base = "/backups"});
  is("FILE:///a%20b//./c/", {.base = "/a b/c"});
  const Location s3 = {
      .kind = StoreKind::kS3, .bucket = "bucket", .base = "base/x"};
  is("s3://bucket/base/x/", s3);
  is("s3:///bucket/base/x", s3);  // as the Go original is told it
  is("s3://bucket", {.kind = StoreKind::kS3, .bucket = "bucket"});
  is("s3:///bucket", {.kind = StoreKind::kS3, .bucket = "bucket"});
  is("s3://bucket/b?region=eu-west-1&path-style=true&endpoint="
     "http%3A%2F%2F127.0.0.1%3A9000",
     {.kind = StoreKind::kS3,
      .bucket = "bucket",
      .base = "b",
      .region = "eu-west-1",
      .endpoint = "http://127.0.0.1:9000",
      .path_style = true});
  const Location gcs = {
      .kind = StoreKind::kGcs, .bucket = "bucket", .base = "base"};
  is("gs://bucket/base", gcs);
  is("gs:///bucket/base", gcs);
  is("gcs://bucket/base", gcs);
  const Location azure = {
      .kind = StoreKind::kAzure, .bucket = "container", .base = "base"};
  is("azure://container/base", azure);
  is("azure:///container/base", azure);
  is("azblob://container/base", azure);
}

TEST(LocationTest, SaysWhatIsWrong) {
  const auto refuses = [](std::string_view url, std::string_view why) {
    EXPECT_THAT(ParseLocation(url),
                StatusIs(Code::kInvalidArgument, HasSubstr(std::string(why))))
        << url;
  };
  refuses("", "it is no URL");
  refuses("/backups", "it is no URL");
  refuses("ftp://host/x", "unsupported scheme \"ftp\"");
  refuses("file://backups", "files have no host: file:///path");
  refuses("file:///", "it names no directory");
  refuses("file:///a/../b", "\"..\"");
  refuses("file:///a%2f..%2fb", "\"..\"");
  refuses("file:///a?region=x", "files have no options");
  refuses("s3://", "it names no bucket");
  refuses("s3:///", "it names no bucket");
  refuses("azure://", "it names no container");
  refuses("s3://a/b", "no name of a bucket");
  refuses("s3://user:secret@bucket/b", "it has a user or a port");
  refuses("s3://bucket:9000/b", "it has a user or a port");
  refuses("s3://bucket/b#c", "fragment");
  refuses("s3://bucket/b?regoin=x", "regoin=x");
  refuses("s3://bucket/b?path-style=yes", "path-style=yes");
  refuses("s3://bucket/b?endpoint=minio:9000", "no http or https URL");
  refuses("s3://bucket/b?endpoint=http://u:p@h", "not a host");
  refuses("gs://bucket/b?region=x", "known is endpoint");
  refuses("s3://bucket/%zz", "%");
  refuses("s3://bucket/%00", "no text");
  refuses("s3://bucket/%ff", "no text");
  refuses("s3://bucket/" + std::string(5000, 'x'), "4096 are allowed");
}

TEST(LocationTest, IsTold) {
  for (const std::string_view url :
       {"file:///backups/x", "s3://bucket/base", "gs://bucket/base",
        "azure://container/base"}) {
    EXPECT_EQ(LocationText(*ParseLocation(url)), url);
  }
}

TEST(CheckKeyTest, TakesWhatStoresTake) {
  for (const std::string_view key :
       {"a", "a/b.c/d", "with blank + %41 \\ \"", "\xc3\xa4", "..a/b..", "x:y",
        ".meta/lease"}) {
    EXPECT_THAT(CheckKey(key, {}), IsOk()) << key;
  }
  EXPECT_THAT(CheckKey(std::string(1024, 'x'), {}), IsOk());
  EXPECT_THAT(CheckKey("a/\xff", {.is_text = false}), IsOk());
}

TEST(CheckKeyTest, RefusesWhatLeadsElsewhereOrFits) {
  const std::string_view with_nul("a\0b", 3);
  for (const std::string_view key :
       {std::string_view(), with_nul, std::string_view("/a"),
        std::string_view("a/"), std::string_view("a//b"),
        std::string_view("../a"), std::string_view("a/.."),
        std::string_view("a/./b"), std::string_view("C:/a"),
        std::string_view("a/\xff")}) {
    EXPECT_THAT(CheckKey(key, {}), StatusIs(Code::kInvalidArgument, _)) << key;
  }
  EXPECT_THAT(CheckKey(std::string(1025, 'x'), {}),
              StatusIs(Code::kInvalidArgument,
                       HasSubstr("has 1025 bytes; the store takes 1024")));
}

}  // namespace
}  // namespace fodc::object_store
