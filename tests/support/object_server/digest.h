// SPDX-License-Identifier: Apache-2.0
// Digests of a body while it streams by, and keyed ones of small texts.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace fodc::object_server {

enum DigestBits : unsigned {
  kMd5 = 1,
  kSha1 = 2,
  kSha256 = 4,
  kCrc32 = 8,
  kCrc32c = 16,
};

// Raw bytes (not hexadecimal); empty where it was not asked for. The checksums
// are the four bytes big-endian, as all vendors have them.
struct Sums {
  std::string md5;
  std::string sha1;
  std::string sha256;
  std::string crc32;
  std::string crc32c;
};

// Not thread-safe.
class Digests {
 public:
  explicit Digests(unsigned bits);
  Digests(const Digests& other);
  Digests& operator=(const Digests& other) = delete;
  Digests(Digests&& other) noexcept;
  Digests& operator=(Digests&& other) noexcept;
  ~Digests();

  void Update(std::string_view bytes);
  // Once.
  Sums Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

std::string Sha256(std::string_view bytes);
std::string Md5(std::string_view bytes);
std::string HmacSha256(std::string_view key, std::string_view bytes);

// Takes the same time wherever they differ; a habit, here.
bool SameText(std::string_view a, std::string_view b);

}  // namespace fodc::object_server
