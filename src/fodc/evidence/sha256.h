// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), by OpenSSL's libcrypto.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace fodc::evidence {

// Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void Update(std::string_view bytes);
  // 64 lower-case hexadecimal digits. Ends it: no Update, no Hex after it.
  std::string Hex();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Whether it is what Hex gives.
bool IsSha256Hex(std::string_view text);

}  // namespace fodc::evidence
