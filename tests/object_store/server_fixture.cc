// SPDX-License-Identifier: Apache-2.0
#include "tests/object_store/server_fixture.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <nlohmann/json.hpp>

#include "tests/support/http.h"

namespace fodc::object_store {
namespace {

using nlohmann::json;

// A service account's key, made once.
struct RsaKey {
  std::string secret;
  std::string open;
};
const RsaKey& TheKey() {
  static const RsaKey* const key = [] {
    EVP_PKEY* const made = EVP_RSA_gen(2048);
    const auto write = [&](bool is_secret) {
      BIO* const bio = BIO_new(BIO_s_mem());
      if (is_secret) {
        PEM_write_bio_PrivateKey(bio, made, nullptr, nullptr, 0, nullptr,
                                 nullptr);
      } else {
        PEM_write_bio_PUBKEY(bio, made);
      }
      char* data = nullptr;
      const auto bytes = static_cast<std::size_t>(BIO_get_mem_data(bio, &data));
      std::string text(data, bytes);
      BIO_free(bio);
      return text;
    };
    auto* const k = new RsaKey{.secret = write(true), .open = write(false)};
    EVP_PKEY_free(made);
    return k;
  }();
  return *key;
}

}  // namespace

std::string KindName(const ::testing::TestParamInfo<Kind>& info) {
  return info.param == Kind::kS3    ? "S3"
         : info.param == Kind::kGcs ? "Google"
                                    : "Azure";
}

void ServerTest::Start(object_server::Options options) {
  store_.reset();
  server_.reset();
  options.kind = GetParam();
  options.min_part_bytes = kPartBytes;
  options.gcs_public_key = TheKey().open;
  options.azure_federated_key = TheKey().open;
  auto server = object_server::ObjectServer::Start(options);
  ASSERT_THAT(server, IsOk());
  server_ = *std::move(server);
  const object_server::Credentials& c = options.credentials;
  environment_ = {{"AWS_ACCESS_KEY_ID", c.access_key},
                  {"AWS_SECRET_ACCESS_KEY", c.secret_key}};
  const json account = {{"type", "service_account"},
                        {"client_email", "fodc@example.com"},
                        {"private_key_id", "1"},
                        {"private_key", TheKey().secret},
                        {"token_uri", Url("/token")}};
  ASSERT_THAT(
      WriteFileAtomically(dir_.File("account.json"), account.dump(), 0600),
      IsOk());
  auto store = Open();
  ASSERT_THAT(store, IsOk());
  store_ = *std::move(store);
}

Result<std::unique_ptr<ObjectStore>> ServerTest::Open(
    const StoreOptions& options) {
  StoreOptions o = options;
  o.environment = [environment = environment_](
                      const char* name) -> std::optional<std::string> {
    const auto it = environment.find(name);
    if (it == environment.end()) return {};
    return it->second;
  };
  o.single_put_bytes = kSinglePutBytes;
  o.part_bytes = kPartBytes;
  o.client.retry.base = std::chrono::milliseconds(1);
  o.client.retry.most = std::chrono::milliseconds(20);
  Location location{.bucket = "bucket", .base = "base", .endpoint = Url("")};
  switch (GetParam()) {
    case Kind::kS3:
      location.kind = StoreKind::kS3;
      break;
    case Kind::kGcs:
      location.kind = StoreKind::kGcs;
      o.gcp_service_account_file = dir_.File("account.json");
      break;
    case Kind::kAzure:
      location.kind = StoreKind::kAzure;
      location.endpoint.reset();
      o.azure_account_name = object_server::Credentials().azure_account;
      if (o.azure_account_key.empty() && !by_identity_)
        o.azure_account_key = object_server::Credentials().azure_key;
      o.azure_endpoint = Url("/" + o.azure_account_name);
      break;
  }
  return OpenStore(location, std::move(o), SystemClock());
}

std::string ServerTest::Url(const std::string& path) const {
  return StrCat("http://127.0.0.1:", server_->port(), path);
}

void ServerTest::Control(const std::string& what, const std::string& json) {
  const auto answer = test::Request("POST", Url("/__control/" + what), json);
  ASSERT_GE(answer.status, 200) << answer.error;
  ASSERT_LT(answer.status, 300) << answer.body;
}

std::map<std::string, std::map<std::string, std::uint64_t>> ServerTest::Counts()
    const {
  const auto answer = test::Get(Url("/__control/log"));
  return json::parse(answer.body)["counts"];
}

std::uint64_t ServerTest::Count(const std::string& operation) const {
  std::uint64_t all = 0;
  const auto counts = Counts();
  if (const auto it = counts.find(operation); it != counts.end()) {
    for (const auto& [status, count] : it->second) all += count;
  }
  return all;
}

Status ServerTest::Put(std::string_view key, std::string_view bytes,
                       PutOptions options) {
  const MemoryBlob blob(bytes);
  FODC_ASSIGN_OR_RETURN(const Digests digests,
                        DigestsOf(blob, store_->digest_kinds()));
  return store_->Put(key, blob, digests, options);
}

Result<std::string> ServerTest::Get(std::string_view key, GetOptions options) {
  std::string all;
  FODC_RETURN_IF_ERROR(store_
                           ->Get(key, options,
                                 [&all](std::string_view piece) {
                                   all += piece;
                                   return OkStatus();
                                 })
                           .status());
  return all;
}

const std::string& ServerTest::SigningKey() { return TheKey().secret; }

std::string ServerTest::Bytes(std::size_t bytes) {
  std::string text(bytes, '\0');
  std::uint32_t x = 1;
  for (char& c : text) {
    x = x * 1664525 + 1013904223;
    c = static_cast<char>(x >> 24);
  }
  return text;
}

}  // namespace fodc::object_store
