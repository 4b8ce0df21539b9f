// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/sigv4.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

using ::testing::HasSubstr;

constexpr char kOfNothing[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string Authorization(const HttpRequest& request) {
  return request.headers.back().second;
}
std::string Signature(const HttpRequest& request) {
  const std::string all = Authorization(request);
  return all.substr(all.find("Signature=") + 10);
}

// The examples that AWS publishes for S3.
class S3ExamplesTest : public ::testing::Test {
 protected:
  std::string Sign(HttpRequest request,
                   std::string_view payload = kOfNothing) const {
    request.origin = "https://examplebucket.s3.amazonaws.com";
    request.headers.emplace_back("x-amz-content-sha256", payload);
    SignV4(key_, {.region = "us-east-1"},
           ParseRfc3339("2013-05-24T00:00:00Z").value(), payload, &request);
    return Signature(request);
  }
  const SigV4Key key_ = {.access_key = "AKIAIOSFODNN7EXAMPLE",
                         .secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
};

TEST_F(S3ExamplesTest, GetOfAPart) {
  EXPECT_EQ(Sign({.path = "/test.txt", .headers = {{"Range", "bytes=0-9"}}}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST_F(S3ExamplesTest, Put) {
  EXPECT_EQ(
      Sign({.method = "PUT",
            .path = "/" + EncodeKey("test$file.text"),
            .headers = {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                        {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}},
           "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST_F(S3ExamplesTest, QueryWithoutAValue) {
  EXPECT_EQ(Sign({.query = {{"lifecycle", ""}}}),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

TEST_F(S3ExamplesTest, List) {
  EXPECT_EQ(Sign({.query = {{"prefix", "J"}, {"max-keys", "2"}}}),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

// The suite that AWS publishes for the signature itself.
TEST(SigV4Test, GetVanilla) {
  HttpRequest request{.origin = "https://example.amazonaws.com"};
  SignV4({.access_key = "AKIDEXAMPLE",
          .secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
         {.region = "us-east-1", .service = "service"},
         ParseRfc3339("2015-08-30T12:36:00Z").value(), kOfNothing, &request);
  EXPECT_EQ(Authorization(request),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/"
            "service/aws4_request, SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d"
            "763fbf31");
}

TEST(SigV4Test, ATokenIsSentAndSigned) {
  HttpRequest request{.origin = "http://127.0.0.1:9000"};
  SignV4({.access_key = "A", .secret = "B", .session_token = "token"},
         {.region = "r"}, FakeClock().Unix(), kOfNothing, &request);
  EXPECT_THAT(Authorization(request),
              HasSubstr("SignedHeaders=host;x-amz-date;x-amz-security-token"));
  EXPECT_THAT(request.headers,
              ::testing::Contains(std::pair<std::string, std::string>(
                  "X-Amz-Security-Token", "token")));
  EXPECT_THAT(request.headers,
              ::testing::Contains(std::pair<std::string, std::string>(
                  "Host", "127.0.0.1:9000")));
}

TEST(HttpRequestTest, HostsHaveNoPortOfTheirScheme) {
  EXPECT_EQ(HostOf("https://h:443"), "h");
  EXPECT_EQ(HostOf("http://h:80"), "h");
  EXPECT_EQ(HostOf("http://h:443"), "h:443");
}

TEST(HttpRequestTest, KeysAndQueriesAreEncoded) {
  EXPECT_EQ(EncodeKey("a b/c+d/\xc3\xa4~%"), "a%20b/c%2Bd/%C3%A4~%25");
  EXPECT_EQ(EncodeQuery({{"b", "x y"}, {"a", ""}, {"A", "/"}}),
            "A=%2F&a=&b=x%20y");
  EXPECT_EQ(EncodeQuery({}), "");
}

}  // namespace
}  // namespace fodc::object_store
