// SPDX-License-Identifier: Apache-2.0
// The digests by which stores check what they get, of one pass over the bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/object_store/blob.h"

namespace fodc::object_store {

using Sha256 = std::array<unsigned char, 32>;
using Md5 = std::array<unsigned char, 16>;
using Sha1 = std::array<unsigned char, 20>;

// Which are wanted beside SHA-256.
struct DigestKinds {
  bool md5 = false;
  bool crc32c = false;
  bool crc32 = false;  // of zlib
  bool crc64_nvme = false;
  bool sha1 = false;
};

struct Digests {
  Sha256 sha256{};
  std::optional<Md5> md5{};
  std::optional<std::uint32_t> crc32c{};
  std::optional<std::uint32_t> crc32{};
  std::optional<std::uint64_t> crc64_nvme{};
  std::optional<Sha1> sha1{};

  bool operator==(const Digests&) const = default;
};

// Not thread-safe.
class Digester {
 public:
  explicit Digester(DigestKinds kinds = {});
  ~Digester();
  Digester(Digester&&) noexcept;
  Digester& operator=(Digester&&) noexcept;

  void Update(std::string_view bytes);
  // Ends it: no Update, no Finish after it.
  Digests Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Of the whole blob. Errors: as Blob::ReadAt.
Result<Digests> DigestsOf(const Blob& blob, DigestKinds kinds);

// Of a text, as Sha256Text.
std::string Sha256TextOf(std::string_view text);

// As the headers of stores have them.
std::string Base64Of(const Sha256& digest);
std::string Base64Of(const Md5& digest);
std::string Base64Of(const Sha1& digest);

// Lower-case hexadecimal digits, and back; absent for anything else.
std::string Sha256Text(const Sha256& digest);
std::optional<Sha256> ParseSha256(std::string_view hex);

}  // namespace fodc::object_store
