// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/azure_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/net/url.h"
#include "fodc/object_store/azure_store.h"
#include "fodc/object_store/store_server_testing.h"

namespace fodc::object_store {
namespace {

using namespace std::chrono_literals;
using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

ServedAnswer Token(const std::string& token) {
  return {.body = StrCat(R"({"token_type":"Bearer","expires_in":"3600",)",
                         R"("access_token":")", token, "\"}")};
}

class AzureTokensTest : public ::testing::Test {
 protected:
  AzureTokens Make() {
    return {
        {.environment = [this](const char* name) -> std::optional<std::string> {
           const auto it = environment_.find(name);
           if (it == environment_.end()) return {};
           return it->second;
         },
         .metadata_origin = server_.origin()},
        transport_,
        clock_};
  }
  void BeWorkload() {
    ASSERT_THAT(WriteFileAtomically(dir_.File("jwt"), "a.b-c_d\n"), IsOk());
    environment_ = {{"AZURE_FEDERATED_TOKEN_FILE", dir_.File("jwt")},
                    {"AZURE_CLIENT_ID", "client/1"},
                    {"AZURE_TENANT_ID", "tenant-1"},
                    {"AZURE_AUTHORITY_HOST", server_.origin() + "/"}};
  }

  const TempDirectory dir_;
  std::map<std::string, std::string> environment_;
  FakeClock clock_;
  std::atomic<int> asked_ = 0;
  std::function<ServedAnswer(const ServedRequest&)> serve_;
  const StoreServer server_{[this](const ServedRequest& r) {
    ++asked_;
    return serve_(r);
  }};
  Transport transport_{{}};
};

TEST_F(AzureTokensTest, TheMachineSaysWhoItIs) {
  serve_ = [this](const ServedRequest& r) {
    EXPECT_EQ(r.method, "GET");
    EXPECT_EQ(r.target,
              "/metadata/identity/oauth2/token?api-version=2018-02-01"
              "&resource=https%3A%2F%2Fstorage.azure.com%2F");
    EXPECT_EQ(r.At("metadata"), "true");
    return Token(StrCat("t", asked_.load()));
  };
  AzureTokens tokens = Make();
  EXPECT_THAT(tokens.Get(false), IsOkAndHolds("t1"));
  clock_.Advance(54min);
  EXPECT_THAT(tokens.Get(false), IsOkAndHolds("t1"));
  clock_.Advance(1min);
  EXPECT_THAT(tokens.Get(false), IsOkAndHolds("t2"));
  EXPECT_THAT(tokens.Get(true), IsOkAndHolds("t3"));
}

TEST_F(AzureTokensTest, OneOfItsIdentitiesIsChosen) {
  environment_["AZURE_CLIENT_ID"] = "id-1";
  serve_ = [](const ServedRequest& r) {
    EXPECT_THAT(r.target, HasSubstr("&client_id=id-1&resource="));
    return Token("mine");
  };
  EXPECT_THAT(Make().Get(false), IsOkAndHolds("mine"));
}

TEST_F(AzureTokensTest, AnAppServiceHasItsOwnEndpoint) {
  environment_["IDENTITY_ENDPOINT"] = server_.origin() + "/msi/token";
  environment_["IDENTITY_HEADER"] = "secret-1";
  serve_ = [](const ServedRequest& r) {
    EXPECT_EQ(r.target,
              "/msi/token?api-version=2019-08-01"
              "&resource=https%3A%2F%2Fstorage.azure.com%2F");
    EXPECT_EQ(r.At("x-identity-header"), "secret-1");
    EXPECT_EQ(r.At("metadata"), "");
    return Token("app");
  };
  EXPECT_THAT(Make().Get(false), IsOkAndHolds("app"));
  environment_["AZURE_CLIENT_ID"] = "id-1";
  environment_["IDENTITY_ENDPOINT"] += "?a=b";
  serve_ = [](const ServedRequest& r) {
    EXPECT_THAT(r.target, HasSubstr("?a=b&api-version=2019-08-01&client_id="));
    return ServedAnswer{.status = 401, .body = "no"};
  };
  EXPECT_THAT(Make().Get(false),
              StatusIs(Code::kUnauthenticated,
                       AllOf(HasSubstr("HTTP 401"), Not(HasSubstr("secret")))));
  environment_["IDENTITY_ENDPOINT"] = "file:///etc";
  EXPECT_THAT(Make().Get(false), StatusIs(Code::kInvalidArgument, _));
}

TEST_F(AzureTokensTest, AWorkloadGivesItsFederatedToken) {
  BeWorkload();
  environment_["IDENTITY_ENDPOINT"] = server_.origin();
  environment_["IDENTITY_HEADER"] = "x";
  std::string expected = "a.b-c_d";
  serve_ = [&](const ServedRequest& r) {
    EXPECT_EQ(r.method, "POST");
    EXPECT_EQ(r.target, "/tenant-1/oauth2/v2.0/token");
    EXPECT_EQ(r.At("content-type"), "application/x-www-form-urlencoded");
    const auto form = *net::Query::Parse(r.body);
    EXPECT_EQ(form.GetOr("grant_type"), "client_credentials");
    EXPECT_EQ(form.GetOr("client_id"), "client/1");
    EXPECT_EQ(form.GetOr("client_assertion_type"),
              "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    EXPECT_EQ(form.GetOr("client_assertion"), expected);
    EXPECT_EQ(form.GetOr("scope"), "https://storage.azure.com/.default");
    return Token("w");
  };
  AzureTokens tokens = Make();
  EXPECT_THAT(tokens.Get(false), IsOkAndHolds("w"));
  // Kubernetes has put another one there.
  ASSERT_THAT(WriteFileAtomically(dir_.File("jwt"), "e.f.g"), IsOk());
  expected = "e.f.g";
  EXPECT_THAT(tokens.Get(true), IsOkAndHolds("w"));
  EXPECT_EQ(asked_, 2);
}

TEST_F(AzureTokensTest, AWorkloadIsToldWhatIsWrong) {
  BeWorkload();
  serve_ = [](const ServedRequest&) {
    return ServedAnswer{
        .status = 400,
        .body = R"({"error":"invalid_client","error_description":)"
                R"("AADSTS70021: No matching federated identity.\r\nTrace"})"};
  };
  EXPECT_THAT(Make().Get(false),
              StatusIs(Code::kUnauthenticated,
                       AllOf(HasSubstr("HTTP 400: AADSTS70021"),
                             Not(HasSubstr("Trace")), Not(HasSubstr("a.b")))));
  const auto with = [this](const char* name, const std::string& value) {
    BeWorkload();
    environment_[name] = value;
    asked_ = 0;
    Status s = Make().Get(false).status();
    EXPECT_EQ(asked_, 0);
    return s;
  };
  for (const char* host :
       {"http://login.example", "http://localhost.evil", "http://127.0.0.1@x",
        "http://127.0.0.1:1@x", "login.example", "ftp://login.example"}) {
    EXPECT_THAT(
        with("AZURE_AUTHORITY_HOST", host),
        StatusIs(Code::kInvalidArgument, HasSubstr("AZURE_AUTHORITY_HOST")))
        << host;
  }
  EXPECT_THAT(with("AZURE_TENANT_ID", "a/../b"),
              StatusIs(Code::kInvalidArgument, HasSubstr("AZURE_TENANT_ID")));
  EXPECT_THAT(with("AZURE_FEDERATED_TOKEN_FILE", dir_.File("none")),
              StatusIs(Code::kNotFound, _));
}

TEST_F(AzureTokensTest, WhereWasLookedIsSaid) {
  BeWorkload();
  environment_.erase("AZURE_TENANT_ID");  // then it is no workload's identity
  serve_ = [](const ServedRequest& r) {
    EXPECT_TRUE(r.target.starts_with("/metadata/identity"));
    return ServedAnswer{
        .status = 400,
        .body = R"({"error":"e","error_description":"Identity not found"})"};
  };
  EXPECT_THAT(Make().Get(false),
              StatusIs(Code::kUnauthenticated,
                       AllOf(HasSubstr("AZURE_FEDERATED_TOKEN_FILE"),
                             HasSubstr("HTTP 400: Identity not found"))));
}

TEST_F(AzureTokensTest, AMomentOfWeaknessIsWaitedFor) {
  for (const int status : {404, 410, 429, 500}) {
    asked_ = 0;
    serve_ = [this, status](const ServedRequest&) {
      return asked_ < 3 ? ServedAnswer{.status = status} : Token("t");
    };
    EXPECT_THAT(Make().Get(false), IsOkAndHolds("t"));
  }
  std::stop_source stop;
  serve_ = [&](const ServedRequest&) {
    stop.request_stop();
    return ServedAnswer{.status = 503};
  };
  EXPECT_THAT(Make().Get(false, stop.get_token()),
              StatusIs(Code::kCancelled, _));
}

// Of the store: each request bears it; one that is refused is renewed once.
TEST_F(AzureTokensTest, AStoreBearsThem) {
  std::string token = "old";
  int renewed = 0;
  AzureStore store(
      {.location = {.kind = StoreKind::kAzure, .bucket = "c"},
       .account = *AzureAccountOf({.account_name = "account",
                                   .endpoint = server_.origin(),
                                   .has_tokens = true}),
       .token = [&](bool renew, const std::stop_token&) -> Result<std::string> {
         if (renew) ++renewed;
         if (renew) token = "new";
         return token;
       },
       .client = {.retry = {.base = 1ms}}},
      transport_, SystemClock());
  serve_ = [](const ServedRequest& r) {
    EXPECT_EQ(r.At("x-ms-version"), "2021-12-02");
    EXPECT_NE(r.At("x-ms-date"), "");
    return ServedAnswer{
        .status = r.At("authorization") == "Bearer new" ? 200 : 401,
        .headers = {{"x-ms-error-code", "InvalidAuthenticationInfo"}}};
  };
  EXPECT_THAT(store.Head("k", {}), IsOk());
  EXPECT_EQ(renewed, 1);
  serve_ = [](const ServedRequest&) { return ServedAnswer{.status = 401}; };
  EXPECT_THAT(store.Head("k", {}),
              StatusIs(Code::kUnauthenticated, Not(HasSubstr("new"))));
  EXPECT_EQ(renewed, 2);
}

}  // namespace
}  // namespace fodc::object_store
