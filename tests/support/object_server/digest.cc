// SPDX-License-Identifier: Apache-2.0
#include "tests/support/object_server/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <zlib.h>

#include <array>

#include "fodc/base/crc32c.h"
#include "fodc/base/status.h"

namespace fodc::object_server {
namespace {

// Looking an algorithm up costs more than hashing a small body.
const EVP_MD* Fetched(const char* name) {
  const EVP_MD* md = EVP_MD_fetch(nullptr, name, nullptr);
  FODC_CHECK(md != nullptr);
  return md;
}
const EVP_MD* Md5Algorithm() {
  static const EVP_MD* const md = Fetched("MD5");
  return md;
}
const EVP_MD* Sha1Algorithm() {
  static const EVP_MD* const md = Fetched("SHA1");
  return md;
}
const EVP_MD* Sha256Algorithm() {
  static const EVP_MD* const md = Fetched("SHA256");
  return md;
}

struct FreeContext {
  void operator()(EVP_MD_CTX* c) const { EVP_MD_CTX_free(c); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

Context Begin(const EVP_MD* md) {
  Context c(EVP_MD_CTX_new());
  FODC_CHECK(EVP_DigestInit_ex2(c.get(), md, nullptr) == 1);
  return c;
}

Context Copy(const Context& from) {
  if (from == nullptr) return nullptr;
  Context c(EVP_MD_CTX_new());
  FODC_CHECK(EVP_MD_CTX_copy_ex(c.get(), from.get()) == 1);
  return c;
}

std::string End(const Context& c) {
  if (c == nullptr) return {};
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  FODC_CHECK(EVP_DigestFinal_ex(c.get(), bytes.data(), &size) == 1);
  return std::string(bytes.begin(), bytes.begin() + size);
}

std::string Once(const EVP_MD* md, std::string_view bytes) {
  const Context c = Begin(md);
  EVP_DigestUpdate(c.get(), bytes.data(), bytes.size());
  return End(c);
}

std::string BigEndian(std::uint32_t v) {
  std::string out(4, '\0');
  for (std::size_t i = 0; i < 4; ++i) {
    out[i] = static_cast<char>(v >> (24 - 8 * i) & 255);
  }
  return out;
}

}  // namespace

struct Digests::Impl {
  unsigned bits = 0;
  Context md5;
  Context sha1;
  Context sha256;
  std::uint32_t crc32 = 0;
  std::uint32_t crc32c = 0;
};

Digests::Digests(unsigned bits) : impl_(std::make_unique<Impl>()) {
  impl_->bits = bits;
  if ((bits & kMd5) != 0) impl_->md5 = Begin(Md5Algorithm());
  if ((bits & kSha1) != 0) impl_->sha1 = Begin(Sha1Algorithm());
  if ((bits & kSha256) != 0) impl_->sha256 = Begin(Sha256Algorithm());
}

Digests::Digests(const Digests& other) : impl_(std::make_unique<Impl>()) {
  impl_->bits = other.impl_->bits;
  impl_->md5 = Copy(other.impl_->md5);
  impl_->sha1 = Copy(other.impl_->sha1);
  impl_->sha256 = Copy(other.impl_->sha256);
  impl_->crc32 = other.impl_->crc32;
  impl_->crc32c = other.impl_->crc32c;
}

Digests::Digests(Digests&& other) noexcept = default;
Digests& Digests::operator=(Digests&& other) noexcept = default;
Digests::~Digests() = default;

void Digests::Update(std::string_view bytes) {
  Impl& d = *impl_;
  for (EVP_MD_CTX* c : {d.md5.get(), d.sha1.get(), d.sha256.get()}) {
    if (c != nullptr) EVP_DigestUpdate(c, bytes.data(), bytes.size());
  }
  if ((d.bits & kCrc32) != 0) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): zlib's way
    const auto* data = reinterpret_cast<const Bytef*>(bytes.data());
    d.crc32 =
        static_cast<std::uint32_t>(::crc32_z(d.crc32, data, bytes.size()));
  }
  if ((d.bits & kCrc32c) != 0) d.crc32c = ExtendCrc32c(d.crc32c, bytes);
}

Sums Digests::Finish() {
  Sums sums;
  sums.md5 = End(impl_->md5);
  sums.sha1 = End(impl_->sha1);
  sums.sha256 = End(impl_->sha256);
  if ((impl_->bits & kCrc32) != 0) sums.crc32 = BigEndian(impl_->crc32);
  if ((impl_->bits & kCrc32c) != 0) sums.crc32c = BigEndian(impl_->crc32c);
  return sums;
}

std::string Sha256(std::string_view bytes) {
  return Once(Sha256Algorithm(), bytes);
}
std::string Md5(std::string_view bytes) { return Once(Md5Algorithm(), bytes); }

std::string HmacSha256(std::string_view key, std::string_view bytes) {
  constexpr std::size_t kBlock = 64;
  std::string padded(key.size() > kBlock ? Sha256(key) : std::string(key));
  padded.resize(kBlock, '\0');
  std::string inner = padded;
  std::string outer = padded;
  for (char& c : inner) c = static_cast<char>(c ^ 0x36);
  for (char& c : outer) c = static_cast<char>(c ^ 0x5c);
  const Context c = Begin(Sha256Algorithm());
  EVP_DigestUpdate(c.get(), inner.data(), inner.size());
  EVP_DigestUpdate(c.get(), bytes.data(), bytes.size());
  return Sha256(outer + End(c));
}

bool SameText(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace fodc::object_server
