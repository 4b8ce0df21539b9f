// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/s3_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST(S3XmlTest, ReadsAListing) {
  const auto page = ReadS3List(
      R"(<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Name>b</Name><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
<NextContinuationToken>1ue&amp;=</NextContinuationToken>
<Contents><Key>a+b/%2B%26</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>
<ETag>&quot;0123&quot;</ETag><Size>5368709120</Size><StorageClass>GLACIER</StorageClass></Contents>
<Contents><Key>c</Key><Size>0</Size></Contents>
<CommonPrefixes><Prefix>p+q/</Prefix></CommonPrefixes></ListBucketResult>)");
  ASSERT_THAT(page, IsOk());
  ASSERT_THAT(page->objects, SizeIs(2));
  const ObjectInfo& first = page->objects[0];
  EXPECT_EQ(first.key, "a b/+&");
  EXPECT_EQ(first.bytes, 5368709120u);
  EXPECT_EQ(first.etag, "0123");
  EXPECT_EQ(first.storage_class, "GLACIER");
  EXPECT_EQ(first.modified, ParseRfc3339("2026-01-02T03:04:05Z").value());
  EXPECT_EQ(page->objects[1].key, "c");
  EXPECT_THAT(page->prefixes, ElementsAre("p q/"));
  EXPECT_EQ(page->next_token, "1ue&=");
}

TEST(S3XmlTest, KeysThatAreNotEncodedStayAsTheyAre) {
  const auto page = ReadS3List(
      "<ListBucketResult><Contents><Key>a+b%20</Key><Size>1</Size></Contents>"
      "<NextContinuationToken>old</NextContinuationToken></ListBucketResult>");
  ASSERT_THAT(page, IsOk());
  EXPECT_EQ(page->objects[0].key, "a+b%20");
  EXPECT_EQ(page->next_token, "");  // it is not truncated
}

TEST(S3XmlTest, WhatIsNoListingIsRefused) {
  for (const char* xml :
       {"", "no xml", "<html/>", "<ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></"
        "ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<Error><Code>x</Code></Error>"}) {
    EXPECT_THAT(ReadS3List(xml),
                StatusIs(Code::kDataLoss, HasSubstr("no listing")))
        << xml;
  }
}

TEST(S3XmlTest, ReadsErrors) {
  const S3Error error = ReadS3Error(
      "<Error><Code>AuthorizationHeaderMalformed</Code><Message>a &lt; b"
      "</Message><RequestId>r1</RequestId><Region>eu-west-1</Region></Error>");
  EXPECT_EQ(error.code, "AuthorizationHeaderMalformed");
  EXPECT_EQ(error.message, "a < b");
  EXPECT_EQ(error.request_id, "r1");
  EXPECT_EQ(error.region, "eu-west-1");
  EXPECT_EQ(ReadS3Error("<html>Bad Gateway</html>").code, "");
  EXPECT_EQ(ReadS3Error("").code, "");
}

TEST(S3XmlTest, ReadsUploadsAndWhatWasNotDeleted) {
  EXPECT_THAT(ReadUploadId("<InitiateMultipartUploadResult><UploadId>u-1"
                           "</UploadId></InitiateMultipartUploadResult>"),
              IsOkAndHolds("u-1"));
  EXPECT_THAT(ReadUploadId("<a/>"), StatusIs(Code::kDataLoss, _));
  const auto errors = ReadS3DeleteErrors(
      "<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key>"
      "<Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>");
  ASSERT_THAT(errors, IsOk());
  ASSERT_THAT(*errors, SizeIs(1));
  EXPECT_EQ((*errors)[0].key, "b");
  EXPECT_EQ((*errors)[0].error.code, "AccessDenied");
}

TEST(S3XmlTest, WritesBodies) {
  EXPECT_EQ(WriteS3Delete({"a&b", "<c>"}),
            "<Delete><Quiet>true</Quiet><Object><Key>a&amp;b</Key></Object>"
            "<Object><Key>&lt;c&gt;</Key></Object></Delete>");
  EXPECT_EQ(WriteS3Complete({{.etag = "\"e\"", .checksum = "AA=="}}, "CRC32"),
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber>"
            "<ETag>\"e\"</ETag><ChecksumCRC32>AA==</ChecksumCRC32>"
            "</Part></CompleteMultipartUpload>");
}

}  // namespace
}  // namespace fodc::object_store
