// SPDX-License-Identifier: Apache-2.0
// What the server is to be; the program has a flag for each.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace fodc::object_server {

enum class Kind : std::uint8_t { kS3, kGcs, kAzure };

// What may change while the server runs (rotation).
struct Credentials {
  std::string access_key = "AKIDFODC";
  std::string secret_key = "secretfodc";
  std::string session_token{};  // demanded if set
  std::string azure_account = "fodcaccount";
  // Base64 of 32 bytes.
  std::string azure_key = "Zm9kYy10ZXN0LWtleS0wMTIzNDU2Nzg5YWJjZGVmZ2g=";
};

struct Options {
  Kind kind = Kind::kS3;
  std::uint16_t port = 0;
  Credentials credentials{};
  std::string region = "us-east-1";
  std::string host_base = "localhost";  // of virtual hosts: BUCKET.localhost
  std::string bucket = "bucket";        // made at the start; empty: none
  bool allow_unsigned = false;          // UNSIGNED-PAYLOAD
  bool discard = false;                 // bodies are counted and hashed only
  bool fast_etag = false;               // not the MD5, which costs time
  std::string directory{};              // of bodies; empty: a temporary one
  std::uint64_t memory_limit_bytes = 256u << 20;
  std::chrono::nanoseconds latency{0};     // of every request
  std::uint64_t page_size = 0;             // at most; 0: the vendor's
  std::uint64_t single_put_max_bytes = 0;  // 0: the vendor's
  std::uint64_t min_part_bytes = 5u << 20;
  std::string gcs_public_key{};  // PEM; without one no JWT is taken
  std::string gcs_audience{};    // of the JWT; empty: any
  std::chrono::seconds token_lifetime{3600};
  // Of Azure: the application that may ask for tokens, and with what.
  std::string azure_tenant = "fodc-tenant";
  std::string azure_client = "fodc-client";
  std::string azure_identity_header = "fodc-identity-header";
  std::string azure_federated_key{};  // PEM; without one no assertion is taken
  std::uint64_t generate_count = 0;
  std::string generate_prefix = "generated";
  std::uint64_t generate_bytes = 4096;
  std::string faults{};  // JSON, as POST /__control/faults takes it
};

}  // namespace fodc::object_server
