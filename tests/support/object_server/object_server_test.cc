// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/object_server_peer.h"

namespace fodc::object_server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The signer is the test's own, with OpenSSL's HMAC: two mistakes that are the
// same are less likely.
class S3ServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Options o;
    o.min_part_bytes = 8;
    o.single_put_max_bytes = 100'000;
    auto server = ObjectServer::Start(o);
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = std::move(*server);
    peer_.port = server_->port();
  }
  std::unique_ptr<ObjectServer> server_;
  Peer peer_;
};

TEST_F(S3ServerTest, KeepsWhatIsPutWithItsMetadata) {
  EXPECT_EQ(
      peer_.S3("PUT", "/bucket/a", "", "hello", {{"x-amz-meta-k", "v"}}).status,
      200);
  const Reply got = peer_.S3("GET", "/bucket/a", "", "");
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, "hello");
  EXPECT_THAT(got.head, HasSubstr("x-amz-meta-k: v\r\n"));
  const Reply part =
      peer_.S3("GET", "/bucket/a", "", "", {{"range", "bytes=1-2"}});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "el");
}

TEST_F(S3ServerTest, RefusesBadSignaturesAndDigests) {
  peer_.secret = "another";
  EXPECT_THAT(peer_.S3("GET", "/bucket/a", "", "").body,
              HasSubstr("SignatureDoesNotMatch"));
  peer_.secret = "secretfodc";
  peer_.access_key = "NOBODY";
  EXPECT_THAT(peer_.S3("GET", "/bucket/a", "", "").body,
              HasSubstr("InvalidAccessKeyId"));
  peer_.access_key = "AKIDFODC";
  peer_.payload_hash = std::string(64, '0');
  EXPECT_THAT(peer_.S3("PUT", "/bucket/a", "", "x").body,
              HasSubstr("XAmzContentSHA256Mismatch"));
  peer_.payload_hash = "UNSIGNED-PAYLOAD";
  EXPECT_EQ(peer_.S3("PUT", "/bucket/a", "", "x").status, 400);
  peer_.payload_hash.clear();
  EXPECT_THAT(peer_
                  .S3("PUT", "/bucket/a", "", "x",
                      {{"content-md5", "AAAAAAAAAAAAAAAAAAAAAA=="}})
                  .body,
              HasSubstr("BadDigest"));
  EXPECT_EQ(peer_.S3("GET", "/bucket/a", "", "").status, 404);
}

TEST_F(S3ServerTest, RefusesClocksThatAreFarOff) {
  EXPECT_EQ(peer_.Plain("POST", "/__control/clock", R"({"skew_seconds":1000})")
                .status,
            200);
  EXPECT_THAT(peer_.S3("GET", "/bucket/a", "", "").body,
              HasSubstr("RequestTimeTooSkewed"));
}

TEST_F(S3ServerTest, ListsInTheOrderOfBytesPageByPage) {
  for (const char* key : {"a/1", "a/2", "a-x", "b", "c/1"}) {
    EXPECT_EQ(peer_.S3("PUT", StrCat("/bucket/", key), "", "x").status, 200);
  }
  const Reply one =
      peer_.S3("GET", "/bucket", "delimiter=%2F&list-type=2&max-keys=2", "");
  EXPECT_THAT(one.body, HasSubstr("<Key>a-x</Key>"));
  EXPECT_THAT(one.body, HasSubstr("<Prefix>a/</Prefix>"));
  EXPECT_THAT(one.body, Not(HasSubstr("<Key>b</Key>")));
  const std::string token = Between(one.body, "<NextContinuationToken>", "<");
  const Reply two =
      peer_.S3("GET", "/bucket",
               StrCat("continuation-token=", PercentEncode(token, false),
                      "&delimiter=%2F&list-type=2&max-keys=2"),
               "");
  EXPECT_THAT(two.body, HasSubstr("<Key>b</Key>"));
  EXPECT_THAT(two.body, HasSubstr("<Prefix>c/</Prefix>"));
  EXPECT_THAT(two.body, HasSubstr("<IsTruncated>false"));
}

TEST_F(S3ServerTest, HoldsPartsToTheirRules) {
  const std::string id = Between(
      peer_.S3("POST", "/bucket/m", "uploads=", "").body, "<UploadId>", "<");
  const auto put = [&](int number, const std::string& bytes) {
    const Reply r =
        peer_.S3("PUT", "/bucket/m",
                 StrCat("partNumber=", number, "&uploadId=", id), bytes);
    return Between(r.head, "ETag: ", "\r");
  };
  const auto complete = [&](std::vector<std::pair<int, std::string>> parts) {
    std::string xml = "<CompleteMultipartUpload>";
    for (const auto& [number, etag] : parts) {
      xml += StrCat("<Part><PartNumber>", number, "</PartNumber><ETag>", etag,
                    "</ETag></Part>");
    }
    return peer_.S3("POST", "/bucket/m", StrCat("uploadId=", id),
                    xml + "</CompleteMultipartUpload>");
  };
  const std::string small = put(1, "small");
  const std::string last = put(2, "end");
  EXPECT_THAT(complete({{1, small}, {2, last}}).body,
              HasSubstr("EntityTooSmall"));
  const std::string large = put(1, "large enough ");
  EXPECT_THAT(complete({{2, last}, {1, large}}).body,
              HasSubstr("InvalidPartOrder"));
  EXPECT_THAT(complete({{1, small}, {2, last}}).body,
              HasSubstr("InvalidPart<"));
  EXPECT_THAT(complete({{1, large}, {2, last}}).body, HasSubstr("-2&quot;"));
  EXPECT_EQ(peer_.S3("GET", "/bucket/m", "", "").body, "large enough end");
  EXPECT_EQ(complete({{1, large}}).status, 404);
}

TEST_F(S3ServerTest, FaultsFireAsTheyAreSet) {
  const auto fault = [&](std::string_view json) {
    EXPECT_EQ(peer_.Plain("POST", "/__control/faults", json).status, 200);
  };
  fault(R"([{"operation":"put","first":2,"count":1,"retry_after":7}])");
  EXPECT_EQ(peer_.S3("PUT", "/bucket/f", "", "0123456789").status, 200);
  const Reply slow_down = peer_.S3("PUT", "/bucket/g", "", "x");
  EXPECT_EQ(slow_down.status, 503);
  EXPECT_THAT(slow_down.head, HasSubstr("Retry-After: 7"));
  EXPECT_EQ(peer_.S3("PUT", "/bucket/h", "", "x").status, 200);
  fault(R"([{"operation":"put","action":"reset_before"}])");
  EXPECT_EQ(peer_.S3("PUT", "/bucket/before", "", "x").status, 0);
  EXPECT_EQ(peer_.S3("GET", "/bucket/before", "", "").status, 404);
  fault(R"([{"operation":"put","action":"reset_after"}])");
  EXPECT_EQ(peer_.S3("PUT", "/bucket/after", "", "x").status, 0);
  EXPECT_EQ(peer_.S3("GET", "/bucket/after", "", "").status, 200);
  fault(R"([{"operation":"get","action":"corrupt"}])");
  EXPECT_NE(peer_.S3("GET", "/bucket/f", "", "").body, "0123456789");
  fault(R"([{"operation":"get","action":"short_body"}])");
  EXPECT_EQ(peer_.S3("GET", "/bucket/f", "", "").body, "01234");
  fault(R"([{"operation":"get","action":"region_redirect"}])");
  EXPECT_THAT(peer_.S3("GET", "/bucket/f", "", "").head,
              HasSubstr("x-amz-bucket-region: eu-central-2"));
  fault(R"([{"action":"expired_token","count":1},{"action":"full","count":1},
            {"action":"error_in_200","count":1}])");
  EXPECT_THAT(peer_.S3("GET", "/bucket/f", "", "").body,
              HasSubstr("ExpiredToken"));
  EXPECT_EQ(peer_.S3("PUT", "/bucket/f", "", "x").status, 507);
  const Reply two_hundred = peer_.S3("GET", "/bucket/f", "", "");
  EXPECT_EQ(two_hundred.status, 200);
  EXPECT_THAT(two_hundred.body, HasSubstr("InternalError"));
  fault(R"([{"operation":"list","action":"endless_list"}])");
  EXPECT_THAT(peer_.S3("GET", "/bucket", "list-type=2", "").body,
              HasSubstr("<IsTruncated>true"));
  EXPECT_EQ(peer_.Plain("POST", "/__control/faults", R"([{"key":5}])").status,
            400);
}

}  // namespace
}  // namespace fodc::object_server
