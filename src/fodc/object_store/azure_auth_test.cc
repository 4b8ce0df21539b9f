// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/azure_auth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fodc/base/status_matchers.h"
#include "fodc/base/strings.h"

namespace fodc::object_store {
namespace {

using ::testing::_;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

constexpr char kKey[] =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"
    "K1SZFPTOtr/KBHBeksoGMGw==";

std::string HeaderOf(const HttpRequest& request, std::string_view name) {
  for (const auto& [n, value] : request.headers) {
    if (n == name) return value;
  }
  return "none";
}

TEST(AzureAccountTest, HasAnEndpointOfItsOwn) {
  auto account =
      AzureAccountOf({.account_name = "backups", .account_key = kKey});
  ASSERT_THAT(account, IsOk());
  EXPECT_EQ(account->endpoint, "https://backups.blob.core.windows.net");
  EXPECT_EQ(account->key.size(), 64U);
  // Also with a signature, of which the account's name may be all that is told.
  account = AzureAccountOf(
      {.account_name = "backups", .sas_token = "?sv=2021&sig=a%2Fb%3D"});
  ASSERT_THAT(account, IsOk());
  EXPECT_EQ(account->endpoint, "https://backups.blob.core.windows.net");
  EXPECT_THAT(account->sas,
              ElementsAre(Pair("sv", "2021"), Pair("sig", "a/b=")));
  account = AzureAccountOf(
      {.sas_token = "sig=x", .endpoint = "http://127.0.0.1:10000/dev/"});
  ASSERT_THAT(account, IsOk());
  EXPECT_EQ(account->endpoint, "http://127.0.0.1:10000/dev");
}

TEST(AzureAccountTest, SaysWhatIsWrongWithoutTheSecret) {
  const std::pair<AzureFlags, const char*> bad[] = {
      {{}, "needs an account's name and key"},
      {{.account_name = "Backups", .account_key = kKey}, "3 to 24"},
      {{.account_name = "backups"}, "no Base64"},
      {{.account_name = "backups", .account_key = "secret!"}, "no Base64"},
      {{.account_name = "backups", .sas_token = "sv=secret!"}, "no signature"},
      {{.account_name = "backups", .sas_token = "sig=secret!%"},
       "percent-encoded"},
      {{.sas_token = "sig=secret!"}, "its endpoint"},
      {{.sas_token = "sig=a", .endpoint = "host"}, "http or https"},
      {{.sas_token = "sig=a", .endpoint = "https://host?secret!"},
       "not a host"},
      {{.sas_token = "sig=a", .endpoint = "https:///path"}, "not a host"},
      {{.sas_token = "sig=a", .endpoint = "https://host\r\nX-More: x"},
       "not a host"}};
  for (const auto& [flags, why] : bad) {
    EXPECT_THAT(AzureAccountOf(flags),
                StatusIs(Code::kInvalidArgument,
                         AllOf(HasSubstr(why), Not(HasSubstr("secret!")))));
  }
}

TEST(AzureConnectionStringTest, IsReadAsThePortalGivesIt) {
  auto account = ParseAzureConnectionString(StrCat(
      "DefaultEndpointsProtocol=https;AccountName=backups;AccountKey=", kKey,
      ";EndpointSuffix=core.chinacloudapi.cn"));
  ASSERT_THAT(account, IsOk());
  EXPECT_EQ(account->name, "backups");
  EXPECT_EQ(account->endpoint, "https://backups.blob.core.chinacloudapi.cn");
  account = ParseAzureConnectionString(
      "BlobEndpoint=http://host/backups/;SharedAccessSignature=sv=1&sig=x;");
  ASSERT_THAT(account, IsOk());
  EXPECT_EQ(account->endpoint, "http://host/backups");
  account = ParseAzureConnectionString("UseDevelopmentStorage=true");
  ASSERT_THAT(account, IsOk());
  EXPECT_EQ(account->endpoint, "http://127.0.0.1:10000/devstoreaccount1");
  EXPECT_THAT(ParseAzureConnectionString("AccountName"),
              StatusIs(Code::kInvalidArgument, HasSubstr("without")));
  EXPECT_THAT(ParseAzureConnectionString(""),
              StatusIs(Code::kInvalidArgument, _));
}

// The signatures were computed elsewhere, of lines written by hand.
TEST(SignAzureTest, SignsWhatIsSent) {
  const auto account =
      *ParseAzureConnectionString("UseDevelopmentStorage=true");
  const UnixTime at(std::chrono::seconds(1'767'225'600));
  HttpRequest put{.method = "PUT",
                  .path = "/devstoreaccount1/c/a%20b",
                  .headers = {{"x-ms-blob-type", "BlockBlob"},
                              {"Content-Type", "application/octet-stream"},
                              {"Content-MD5", "XUFAKrxLKna5cZ2REBfFkg=="},
                              {"X-Ms-Meta-checksum_sha256", "abc"},
                              {"If-None-Match", "*"}},
                  .body_bytes = 5};
  SignAzure(account, at, &put);
  EXPECT_EQ(HeaderOf(put, "x-ms-date"), "Thu, 01 Jan 2026 00:00:00 GMT");
  EXPECT_EQ(HeaderOf(put, "Authorization"),
            "SharedKey "
            "devstoreaccount1:bHRkPMZmVC927yl55eTGSbn85S57+/zJ7zDb9OzUs2w=");
  HttpRequest list{.path = "/c",
                   .query = {{"restype", "container"},
                             {"comp", "list"},
                             {"Prefix", "a/b&c"}},
                   .headers = {{"Range", "bytes=0-1"}}};
  SignAzure(account, at, &list);
  EXPECT_EQ(HeaderOf(list, "Authorization"),
            "SharedKey "
            "devstoreaccount1:eycundrOFphPP4H8UWtnndsdUS7oRu9e5DmBlev9jpw=");
}

TEST(SignAzureTest, ASignatureGoesIntoTheQuery) {
  const auto account =
      *AzureAccountOf({.account_name = "backups", .sas_token = "sv=1&sig=a/b"});
  HttpRequest get{.query = {{"comp", "list"}}};
  SignAzure(account, UnixTime(), &get);
  EXPECT_EQ(HeaderOf(get, "Authorization"), "none");
  EXPECT_EQ(EncodeQuery(get.query), "comp=list&sig=a%2Fb&sv=1");
}

}  // namespace
}  // namespace fodc::object_store
