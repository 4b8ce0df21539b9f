// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/flags.h"

#include <chrono>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/strings.h"

namespace fodc::object_server {

ServerFlags::ServerFlags()
    : flags_("object-server",
             "An object store for tests and benchmarks, on 127.0.0.1 only. "
             "See tests/support/object_server/README.md.",
             "test", "OBJECT_SERVER_") {
  Options& o = options_;
  flags_.String("kind", &kind_, "whose interface it has")
      .OneOf({"s3", "gcs", "azure"});
  flags_.Int("port", &port_, "0: a free one").AtLeast(0).AtMost(65535);
  flags_.String("access-key", &o.credentials.access_key, "of S3");
  flags_.String("secret-key", &o.credentials.secret_key, "of S3");
  flags_.String("session-token", &o.credentials.session_token,
                "of S3; demanded if set");
  flags_.String("azure-account", &o.credentials.azure_account, "its name");
  flags_.String("azure-key", &o.credentials.azure_key, "in base64");
  flags_.String("region", &o.region,
                "that signatures must name (auto: Google's HMAC keys)");
  flags_.String("host-base", &o.host_base,
                "of virtual hosts: BUCKET.localhost");
  flags_.String("bucket", &o.bucket, "bucket or container that is there");
  flags_.Bool("no-bucket", &no_bucket_, "none is there");
  flags_.Bool("allow-unsigned", &o.allow_unsigned,
              "take UNSIGNED-PAYLOAD without TLS");
  flags_.Bool("discard", &o.discard,
              "only hash and count bodies; reads give zeros");
  flags_.Bool("fast-etag", &o.fast_etag,
              "no MD5: ETags are made of the SHA-256, or of the CRC32C");
  flags_.String("directory", &o.directory,
                "of bodies above 1 MiB; default: a temporary one");
  flags_.Bytes("memory-limit", &o.memory_limit_bytes,
               "of bodies in memory; more goes to files");
  flags_.Duration("latency", &o.latency, "of every request");
  flags_.Int("page-size", &page_size_, "of listings at most; 0: the vendor's")
      .AtLeast(0);
  flags_.Bytes("single-put-max", &o.single_put_max_bytes,
               "larger bodies are refused; 0: the vendor's limit");
  flags_.Bytes("min-part-bytes", &o.min_part_bytes,
               "of all parts but the last (S3)");
  flags_.String("gcs-public-key", &gcs_public_key_file_,
                "PEM file that JWTs are checked with");
  flags_.String("gcs-audience", &o.gcs_audience,
                "that JWTs must name; empty: any");
  flags_.String("azure-tenant", &o.azure_tenant, "of the application");
  flags_.String("azure-client", &o.azure_client,
                "the application that tokens are given to");
  flags_.String("azure-identity-header", &o.azure_identity_header,
                "the secret of the identity endpoint");
  flags_.String("azure-federated-key", &azure_federated_key_file_,
                "PEM file that federated tokens are checked with");
  flags_.Duration("token-lifetime", &token_lifetime_, "of bearer tokens")
      .AtLeast(std::chrono::seconds(1));
  flags_
      .Int("generate", &generate_,
           "objects to list that are made when asked for")
      .AtLeast(0)
      .AtMost(99'999'999);
  flags_.String("generate-prefix", &o.generate_prefix, "of their names");
  flags_.Bytes("generate-bytes", &o.generate_bytes, "the size of each")
      .AtMost(64 << 20);
  flags_.String("faults", &faults_,
                "JSON array of faults, as POST /__control/faults takes it");
}

program::ParseOutcome ServerFlags::Parse(int argc, const char* const* argv) {
  program::ParseOutcome outcome = flags_.Parse(argc, argv);
  if (!outcome.run) return outcome;
  Options& o = options_;
  o.kind = kind_ == "s3"    ? Kind::kS3
           : kind_ == "gcs" ? Kind::kGcs
                            : Kind::kAzure;
  o.port = static_cast<std::uint16_t>(port_);
  if (no_bucket_) o.bucket.clear();
  o.page_size = static_cast<std::uint64_t>(page_size_);
  o.generate_count = static_cast<std::uint64_t>(generate_);
  o.token_lifetime =
      std::chrono::duration_cast<std::chrono::seconds>(token_lifetime_);
  o.faults = faults_;
  const std::pair<const std::string&, std::string&> keys[] = {
      {gcs_public_key_file_, o.gcs_public_key},
      {azure_federated_key_file_, o.azure_federated_key}};
  for (const auto& [file, key] : keys) {
    if (file.empty()) continue;
    auto pem = ReadFile(file);
    if (!pem.ok()) {
      return {false, 2, "", StrCat(pem.status().message(), "\n")};
    }
    key = std::move(*pem);
  }
  return outcome;
}

}  // namespace fodc::object_server
