// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/gcs_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <nlohmann/json.hpp>

#include "fodc/base/file.h"
#include "fodc/base/status_matchers.h"
#include "fodc/net/url.h"
#include "fodc/object_store/base64.h"
#include "fodc/object_store/store_server_testing.h"

namespace fodc::object_store {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;
using ::testing::_;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

struct KeyPair {
  KeyPair() : key(EVP_RSA_gen(2048)) {
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    const long bytes = BIO_get_mem_data(bio, &data);
    pem.assign(data, static_cast<std::size_t>(bytes));
    BIO_free(bio);
  }
  ~KeyPair() { EVP_PKEY_free(key); }
  bool Verifies(std::string_view text, std::string_view signature) const {
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    const bool ok =
        EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key) ==
            1 &&
        EVP_DigestVerify(
            context, reinterpret_cast<const unsigned char*>(signature.data()),
            signature.size(),
            reinterpret_cast<const unsigned char*>(text.data()),
            text.size()) == 1;
    EVP_MD_CTX_free(context);
    return ok;
  }
  EVP_PKEY* const key;
  std::string pem;
};

std::string OfBase64Url(std::string text) {
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  while (text.size() % 4 != 0) text.push_back('=');
  return ParseBase64(text).value_or("");
}

class GcsTokensTest : public ::testing::Test {
 protected:
  GcsTokens Make(GcsTokenOptions options = {}) {
    options.environment =
        [this](const char* name) -> std::optional<std::string> {
      const auto it = environment_.find(name);
      if (it == environment_.end()) return {};
      return it->second;
    };
    options.metadata_origin = server_.origin();
    return {std::move(options), transport_, clock_};
  }
  std::string Write(const std::string& text, mode_t mode = 0600) {
    const std::string path = dir_.File("key.json");
    EXPECT_THAT(WriteFileAtomically(path, text), IsOk());
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    return path;
  }
  std::string ServiceAccount(const std::string& pem) {
    return json{{"type", "service_account"},
                {"client_email", "me@project"},
                {"private_key_id", "id-1"},
                {"private_key", pem},
                {"token_uri", server_.origin() + "/token"}}
        .dump();
  }
  static ServedAnswer Token(const std::string& token) {
    return {.body = StrCat(R"({"access_token":")", token,
                           R"(","expires_in":3600,"token_type":"Bearer"})")};
  }

  const TempDirectory dir_;
  std::map<std::string, std::string> environment_ = {{"HOME", dir_.path()}};
  FakeClock clock_;
  std::atomic<int> asked_ = 0;
  std::function<ServedAnswer(const ServedRequest&)> serve_ =
      [](const ServedRequest&) { return ServedAnswer{.status = 404}; };
  StoreServer server_{[this](const ServedRequest& r) {
    ++asked_;
    return serve_(r);
  }};
  Transport transport_{{}};
};

TEST_F(GcsTokensTest, AServiceAccountSignsWhoItIs) {
  const KeyPair pair;
  serve_ = [&](const ServedRequest& r) {
    EXPECT_EQ(r.target, "/token");
    const auto form = *net::Query::Parse(r.body);
    EXPECT_EQ(form.GetOr("grant_type"),
              "urn:ietf:params:oauth:grant-type:jwt-bearer");
    const std::string jwt(form.GetOr("assertion"));
    const auto parts = Split(jwt, '.');
    EXPECT_EQ(parts.size(), 3U);
    EXPECT_EQ(parts.back().find_first_of("+/="), std::string_view::npos);
    EXPECT_TRUE(pair.Verifies(StrCat(parts[0], ".", parts[1]),
                              OfBase64Url(std::string(parts[2]))));
    const json header = json::parse(OfBase64Url(std::string(parts[0])));
    EXPECT_EQ(header["alg"], "RS256");
    EXPECT_EQ(header["kid"], "id-1");
    const json claims = json::parse(OfBase64Url(std::string(parts[1])));
    EXPECT_EQ(claims["iss"], "me@project");
    EXPECT_EQ(claims["aud"], server_.origin() + "/token");
    EXPECT_EQ(
        claims["exp"].get<std::int64_t>() - claims["iat"].get<std::int64_t>(),
        3600);
    return Token(StrCat("t", asked_.load()));
  };
  GcsTokens tokens =
      Make({.service_account_file = Write(ServiceAccount(pair.pem))});
  EXPECT_THAT(tokens.Get(false), IsOkAndHolds("t1"));
  clock_.Advance(50min);
  EXPECT_THAT(tokens.Get(false), IsOkAndHolds("t1"));
  clock_.Advance(6min);
  EXPECT_THAT(tokens.Get(false), IsOkAndHolds("t2"));
  EXPECT_THAT(tokens.Get(true), IsOkAndHolds("t3"));
  // One that still holds is better than nothing.
  serve_ = [](const ServedRequest&) { return ServedAnswer{.status = 500}; };
  clock_.Advance(57min);
  EXPECT_THAT(tokens.Get(false), IsOkAndHolds("t3"));
  clock_.Advance(4min);
  EXPECT_THAT(tokens.Get(false), StatusIs(Code::kUnauthenticated, _));
}

TEST_F(GcsTokensTest, LooksWhereGooglesOwnToolsDo) {
  serve_ = [](const ServedRequest& r) {
    EXPECT_EQ(r.At("metadata-flavor"), "Google");
    EXPECT_EQ(r.target,
              "/computeMetadata/v1/instance/service-accounts/default/token");
    return Token("machine");
  };
  EXPECT_THAT(Make().Get(false), IsOkAndHolds("machine"));
  const KeyPair pair;
  environment_["GOOGLE_APPLICATION_CREDENTIALS"] =
      Write(ServiceAccount(pair.pem));
  serve_ = [](const ServedRequest&) { return Token("file"); };
  EXPECT_THAT(Make().Get(false), IsOkAndHolds("file"));
  serve_ = [](const ServedRequest&) { return ServedAnswer{.status = 404}; };
  environment_.erase("GOOGLE_APPLICATION_CREDENTIALS");
  EXPECT_THAT(Make().Get(false),
              StatusIs(Code::kUnauthenticated,
                       AllOf(HasSubstr("GOOGLE_APPLICATION_CREDENTIALS"),
                             HasSubstr("HTTP 404"))));
}

TEST_F(GcsTokensTest, SaysWhatIsWrongWithAKey) {
  const KeyPair pair;
  const std::string good = ServiceAccount(pair.pem);
  const auto fails = [this](const std::string& path) {
    return Make({.service_account_file = path}).Get(false).status();
  };
  EXPECT_THAT(fails(Write(good, 0604)),
              StatusIs(Code::kPermissionDenied, HasSubstr("key.json")));
  serve_ = [](const ServedRequest&) { return Token("t"); };
  EXPECT_THAT(fails(Write(good, 0640)), IsOk());  // as Kubernetes mounts them
  for (const std::string& bad :
       {std::string("no json"), std::string("[]"), std::string("{}"),
        std::string(R"({"type":"service_account"})"), ServiceAccount("no key"),
        ServiceAccount("")}) {
    EXPECT_THAT(fails(Write(bad)),
                StatusIs(Code::kInvalidArgument, HasSubstr("key.json")))
        << bad;
  }
  EXPECT_THAT(fails(dir_.File("none")), StatusIs(Code::kNotFound, _));
  serve_ = [](const ServedRequest&) {
    return ServedAnswer{
        .status = 400,
        .body = R"({"error":"invalid_grant","error_description":"unknown"})"};
  };
  EXPECT_THAT(fails(Write(good)), StatusIs(Code::kUnauthenticated,
                                           AllOf(HasSubstr("HTTP 400: unknown"),
                                                 Not(HasSubstr("BEGIN")))));
  for (const char* answer : {"", "[]", "{}", R"({"access_token":"t"})",
                             R"({"access_token":"t","expires_in":-1})",
                             R"({"access_token":7,"expires_in":3600})"}) {
    serve_ = [answer](const ServedRequest&) {
      return ServedAnswer{.body = answer};
    };
    EXPECT_THAT(fails(Write(good)), StatusIs(Code::kUnauthenticated, _));
  }
}

}  // namespace
}  // namespace fodc::object_store
