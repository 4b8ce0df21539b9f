// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/azure_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// As the service's documentation shows a page.
constexpr char kPage[] = R"(<?xml version="1.0" encoding="utf-8"?>
<EnumerationResults ServiceEndpoint="https://x/" ContainerName="c">
  <Prefix>base/</Prefix><MaxResults>2</MaxResults><Delimiter>/</Delimiter>
  <Blobs>
    <Blob><Name>base/a &amp; b</Name><Properties>
      <Last-Modified>Thu, 01 Jan 2026 00:00:01 GMT</Last-Modified>
      <Etag>0x8D</Etag><Content-Length>7</Content-Length>
      <Content-MD5>XUFAKrxLKna5cZ2REBfFkg==</Content-MD5>
      <AccessTier>Cool</AccessTier></Properties>
      <Metadata><Checksum_SHA256>2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824</Checksum_SHA256></Metadata>
    </Blob>
    <Blob><Name Encoded="true">base/%01</Name><Properties>
      <Content-Length>0</Content-Length></Properties></Blob>
    <BlobPrefix><Name>base/dir/</Name></BlobPrefix>
  </Blobs>
  <NextMarker>more</NextMarker>
</EnumerationResults>)";

TEST(AzureXmlTest, ReadsAPage) {
  const auto page = ReadAzureList(kPage);
  ASSERT_THAT(page, IsOk());
  ASSERT_EQ(page->objects.size(), 2U);
  const ObjectInfo& first = page->objects[0];
  EXPECT_EQ(first.key, "base/a & b");
  EXPECT_EQ(first.bytes, 7U);
  EXPECT_EQ(first.etag, "0x8D");
  EXPECT_EQ(first.storage_class, "Cool");
  EXPECT_EQ(first.modified, UnixTime(std::chrono::seconds(1'767'225'601)));
  ASSERT_TRUE(first.md5.has_value());
  EXPECT_EQ((*first.md5)[0], 0x5d);
  ASSERT_TRUE(first.sha256.has_value());
  EXPECT_EQ((*first.sha256)[0], 0x2c);
  EXPECT_EQ(page->objects[1].key, "base/\x01");
  EXPECT_FALSE(page->objects[1].sha256.has_value());
  EXPECT_THAT(page->prefixes, ElementsAre("base/dir/"));
  EXPECT_EQ(page->next_token, "more");
}

TEST(AzureXmlTest, WhatIsNoPageIsAnError) {
  for (const char* text :
       {"", "x", "<Error/>",
        "<EnumerationResults><Blobs><Blob/></Blobs></EnumerationResults>",
        "<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs>"
        "</EnumerationResults>",
        "<EnumerationResults><Blobs>"}) {
    EXPECT_THAT(ReadAzureList(text), StatusIs(Code::kDataLoss, _)) << text;
  }
  EXPECT_THAT(ReadAzureList("<EnumerationResults/>")->objects, IsEmpty());
}

TEST(AzureXmlTest, ReadsErrorsAndWritesBlocks) {
  const AzureError error = ReadAzureError(
      "\xef\xbb\xbf<?xml version=\"1.0\"?><Error><Code>ServerBusy</Code>"
      "<Message>Later</Message></Error>");
  EXPECT_EQ(error.code, "ServerBusy");
  EXPECT_EQ(error.message, "Later");
  EXPECT_EQ(ReadAzureError("no").code, "");
  EXPECT_EQ(
      WriteAzureBlockList({"YQ==", "Yg=="}),
      "<BlockList><Latest>YQ==</Latest><Latest>Yg==</Latest></BlockList>");
}

}  // namespace
}  // namespace fodc::object_store
