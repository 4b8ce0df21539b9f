// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/digests.h"

#include <openssl/evp.h>
#include <zlib.h>

#include <utility>
#include <vector>

#include "fodc/base/crc32c.h"
#include "fodc/object_store/base64.h"
#include "fodc/object_store/crc64_nvme.h"

namespace fodc::object_store {
namespace {

constexpr std::size_t kPieceBytes = 256u << 10;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_MD_CTX, FreeContext>;

Context Begin(const EVP_MD* method) {
  Context context(EVP_MD_CTX_new());
  FODC_CHECK(context != nullptr);
  FODC_CHECK(EVP_DigestInit_ex(context.get(), method, nullptr) == 1);
  return context;
}

void Update(EVP_MD_CTX* context, std::string_view bytes) {
  FODC_CHECK(EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1);
}

template <typename Digest>
Digest End(EVP_MD_CTX* context) {
  Digest digest;
  unsigned length = digest.size();
  FODC_CHECK(EVP_DigestFinal_ex(context, digest.data(), &length) == 1);
  FODC_CHECK(length == digest.size());
  return digest;
}

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

struct Digester::Impl {
  Context sha256;
  Context md5 = nullptr;  // not wanted
  Context sha1 = nullptr;
  std::optional<std::uint32_t> crc32c = {};
  std::optional<std::uint32_t> crc32 = {};
  std::optional<std::uint64_t> crc64_nvme = {};
};

Digester::Digester(DigestKinds kinds)
    : impl_(std::make_unique<Impl>(Impl{.sha256 = Begin(EVP_sha256())})) {
  if (kinds.md5) impl_->md5 = Begin(EVP_md5());
  if (kinds.sha1) impl_->sha1 = Begin(EVP_sha1());
  if (kinds.crc32c) impl_->crc32c = 0;
  if (kinds.crc32) impl_->crc32 = 0;
  if (kinds.crc64_nvme) impl_->crc64_nvme = 0;
}
Digester::~Digester() = default;
Digester::Digester(Digester&&) noexcept = default;
Digester& Digester::operator=(Digester&&) noexcept = default;

void Digester::Update(std::string_view bytes) {
  object_store::Update(impl_->sha256.get(), bytes);
  if (impl_->md5) object_store::Update(impl_->md5.get(), bytes);
  if (impl_->sha1) object_store::Update(impl_->sha1.get(), bytes);
  if (impl_->crc32c) impl_->crc32c = ExtendCrc32c(*impl_->crc32c, bytes);
  if (impl_->crc32) {
    impl_->crc32 = static_cast<std::uint32_t>(
        ::crc32_z(*impl_->crc32, reinterpret_cast<const Bytef*>(bytes.data()),
                  bytes.size()));
  }
  if (impl_->crc64_nvme)
    impl_->crc64_nvme = ExtendCrc64Nvme(*impl_->crc64_nvme, bytes);
}

Digests Digester::Finish() {
  Digests digests{.sha256 = End<Sha256>(impl_->sha256.get()),
                  .crc32c = impl_->crc32c,
                  .crc32 = impl_->crc32,
                  .crc64_nvme = impl_->crc64_nvme};
  if (impl_->md5) digests.md5 = End<Md5>(impl_->md5.get());
  if (impl_->sha1) digests.sha1 = End<Sha1>(impl_->sha1.get());
  return digests;
}

Result<Digests> DigestsOf(const Blob& blob, DigestKinds kinds) {
  Digester digester(kinds);
  std::vector<char> buffer(std::min<std::uint64_t>(
      kPieceBytes, std::max<std::uint64_t>(blob.bytes(), 1)));
  for (std::uint64_t offset = 0; offset < blob.bytes();) {
    FODC_ASSIGN_OR_RETURN(const std::size_t got,
                          blob.ReadAt(offset, buffer.data(), buffer.size()));
    digester.Update({buffer.data(), got});
    offset += got;
  }
  return digester.Finish();
}

std::string Sha256TextOf(std::string_view text) {
  Digester digester;
  digester.Update(text);
  return Sha256Text(digester.Finish().sha256);
}

std::string Base64Of(const Sha256& digest) {
  return Base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string Base64Of(const Md5& digest) {
  return Base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string Base64Of(const Sha1& digest) {
  return Base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

std::string Sha256Text(const Sha256& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (const unsigned char byte : digest) {
    text.push_back(kDigits[byte >> 4]);
    text.push_back(kDigits[byte & 15]);
  }
  return text;
}

std::optional<Sha256> ParseSha256(std::string_view hex) {
  Sha256 digest;
  if (hex.size() != 2 * digest.size()) return {};
  for (std::size_t i = 0; i < digest.size(); ++i) {
    const int high = DigitOf(hex[2 * i]);
    const int low = DigitOf(hex[2 * i + 1]);
    if (high < 0 || low < 0) return {};
    digest[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return digest;
}

}  // namespace fodc::object_store
