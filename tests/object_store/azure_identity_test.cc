// SPDX-License-Identifier: Apache-2.0
// Azure without a key: by a workload's identity and by an identity endpoint.
#include <nlohmann/json.hpp>

#include "fodc/object_store/gcs_tokens.h"
#include "tests/object_store/server_fixture.h"

namespace fodc::object_store {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class AzureIdentityTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    by_identity_ = true;
  }
  void WriteAssertion(const json& claims) {
    const auto jwt = SignJwt(claims.dump(), "1", SigningKey());
    ASSERT_THAT(jwt, IsOk());
    ASSERT_THAT(WriteFileAtomically(dir_.File("jwt"), *jwt + "\n"), IsOk());
  }
  static json Claims() {
    return {{"aud", json::array({"api://AzureADTokenExchange"})},
            {"iss", "https://cluster"},
            {"sub", "system:serviceaccount:default:backup"},
            {"exp", ToUnixMillis(SystemClock().Unix()) / 1000 + 600}};
  }
  void BeWorkload() {
    environment_ = {{"AZURE_FEDERATED_TOKEN_FILE", dir_.File("jwt")},
                    {"AZURE_CLIENT_ID", "fodc-client"},
                    {"AZURE_TENANT_ID", "fodc-tenant"},
                    {"AZURE_AUTHORITY_HOST", Url("/")}};
  }
  void BeAppService() {
    environment_ = {{"IDENTITY_ENDPOINT", Url("/msi/token")},
                    {"IDENTITY_HEADER", "fodc-identity-header"},
                    {"AZURE_CLIENT_ID", "fodc-client"}};
  }
  void Reopen() {
    auto store = Open();
    ASSERT_THAT(store, IsOk());
    store_ = *std::move(store);
  }
  Status DoAll() {
    FODC_RETURN_IF_ERROR(store_->Prepare({}));
    FODC_RETURN_IF_ERROR(Put("small", "small"));
    FODC_RETURN_IF_ERROR(Put("large", Bytes(kLargeBytes)));
    FODC_RETURN_IF_ERROR(store_->Head("small", {}).status());
    FODC_RETURN_IF_ERROR(store_->List({.prefix = "s"}, {}).status());
    FODC_RETURN_IF_ERROR(store_->Copy("small", "copy", {}));
    FODC_RETURN_IF_ERROR(store_->Delete({"copy"}, {}));
    FODC_ASSIGN_OR_RETURN(const std::string large, Get("large"));
    return large == Bytes(kLargeBytes) ? OkStatus() : Internal("other bytes");
  }
};
INSTANTIATE_TEST_SUITE_P(Kinds, AzureIdentityTest,
                         ::testing::Values(Kind::kAzure), KindName);

TEST_P(AzureIdentityTest, DoesAllThatAKeyDoes) {
  WriteAssertion(Claims());
  BeWorkload();
  Reopen();
  EXPECT_THAT(DoAll(), IsOk());
  EXPECT_EQ(Count("token"), 1u);
  BeAppService();
  Reopen();
  EXPECT_THAT(DoAll(), IsOk());
  EXPECT_EQ(Count("token"), 2u);
}

TEST_P(AzureIdentityTest, ATokenThatIsRefusedIsRenewedOnce) {
  BeAppService();
  Reopen();
  Fail(R"([{"operation":"put","action":"expired_token","count":1}])");
  EXPECT_THAT(Put("k", "x"), IsOk());
  EXPECT_EQ(Count("token"), 2u);
  Fail(R"([{"operation":"put","action":"expired_token"}])");
  Forget();
  EXPECT_THAT(Put("k", "x"), StatusIs(Code::kUnauthenticated,
                                      HasSubstr("InvalidAuthenticationInfo")));
  EXPECT_EQ(Count("token"), 1u);
  EXPECT_EQ(Count("put"), 2u);
}

TEST_P(AzureIdentityTest, ATokenThatSoonExpiresIsRenewedBefore) {
  Start({.token_lifetime = std::chrono::seconds(240)});
  BeAppService();
  Reopen();
  EXPECT_THAT(Put("a", "x"), IsOk());
  EXPECT_THAT(Put("b", "x"), IsOk());
  EXPECT_EQ(Count("token"), 2u);
  // While nobody gives another, what holds for some minutes yet is used.
  Fail(R"([{"operation":"token","action":"status","status":500}])");
  EXPECT_THAT(Put("c", "x"), IsOk());
}

TEST_P(AzureIdentityTest, TheServiceMayBeWeakForAMoment) {
  for (const char* fault : {R"("action":"status","status":429,"count":2)",
                            R"("action":"status","status":410,"count":2)",
                            R"("action":"reset_before","count":1)"}) {
    SCOPED_TRACE(fault);
    BeAppService();
    Reopen();
    Fail(StrCat(R"([{"operation":"token",)", fault, "}]"));
    EXPECT_THAT(Put("k", "x"), IsOk());
  }
}

TEST_P(AzureIdentityTest, AnAssertionThatIsNotTakenIsSaidToBe) {
  struct Row {
    const char* claim;
    json value;
    const char* why;
  };
  for (const Row& row : {Row{"aud", "https://other", "AADSTS700212"},
                         Row{"exp", 1'700'000'000, "AADSTS700024"},
                         Row{"sub", nullptr, "AADSTS70021"}}) {
    SCOPED_TRACE(row.why);
    json claims = Claims();
    claims[row.claim] = row.value;
    WriteAssertion(claims);
    BeWorkload();
    Reopen();
    EXPECT_THAT(Put("k", "x"),
                StatusIs(Code::kUnauthenticated,
                         AllOf(HasSubstr(row.why), Not(HasSubstr("Trace")))));
  }
  // The file is read anew: Kubernetes has mended it meanwhile.
  WriteAssertion(Claims());
  EXPECT_THAT(Put("k", "x"), IsOk());
  ASSERT_THAT(WriteFileAtomically(dir_.File("jwt"), "a.b.c"), IsOk());
  Reopen();
  EXPECT_THAT(Put("k", "x"),
              StatusIs(Code::kUnauthenticated, AllOf(HasSubstr("AADSTS700027"),
                                                     Not(HasSubstr("a.b")))));
}

TEST_P(AzureIdentityTest, AnotherSecretIsRefusedAndNotTold) {
  BeAppService();
  environment_["IDENTITY_HEADER"] = "wrong-secret";
  Reopen();
  EXPECT_THAT(Put("k", "x"), StatusIs(Code::kUnauthenticated,
                                      AllOf(HasSubstr("HTTP 401"),
                                            Not(HasSubstr("wrong-secret")))));
}

}  // namespace
}  // namespace fodc::object_store
