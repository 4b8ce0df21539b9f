// SPDX-License-Identifier: Apache-2.0
#include "fodc/backup/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <optional>
#include <utility>

#include "fodc/base/file.h"
#include "fodc/base/log.h"
#include "fodc/base/strings.h"

namespace fodc::backup {
namespace {

constexpr std::size_t kMaxFileBytes = 4096;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kShownIdBytes = 8;

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string* text) {
  return reinterpret_cast<unsigned char*>(text->data());
}

using Digest = std::array<unsigned char, SealKey::kBytes>;

Digest HmacOf(const unsigned char* key, std::size_t key_bytes,
              std::string_view text) {
  Digest digest;
  unsigned length = digest.size();
  FODC_CHECK(HMAC(EVP_sha256(), key, static_cast<int>(key_bytes), Bytes(text),
                  text.size(), digest.data(), &length) != nullptr);
  return digest;
}

std::optional<Digest> ParseKey(std::string_view text) {
  Digest key{};
  if (text.size() != 2 * key.size()) return {};
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    int digit = -1;
    if (c >= '0' && c <= '9') digit = c - '0';
    if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
    if (digit < 0) return {};
    key[i / 2] = static_cast<unsigned char>(key[i / 2] << 4 | digit);
  }
  return key;
}

}  // namespace

// The cipher with its key, and which chunk is next.
struct CipherContext {
  CipherContext(const Digest& key, std::string bound_to, bool seals)
      : bound(std::move(bound_to)), cipher(EVP_CIPHER_CTX_new()) {
    FODC_CHECK(cipher != nullptr);
    FODC_CHECK(EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), nullptr, key.data(),
                                 nullptr, seals ? 1 : 0) == 1);
  }
  ~CipherContext() { EVP_CIPHER_CTX_free(cipher); }
  CipherContext(const CipherContext&) = delete;
  CipherContext& operator=(const CipherContext&) = delete;

  // Its number, and whether it is the last, are the nonce: no chunk opens in
  // another's place, and none as the last that is not.
  void Begin(bool is_last) {
    FODC_CHECK(!is_over);
    is_over = is_last;
    std::array<unsigned char, kNonceBytes> nonce{};
    for (std::size_t i = 0; i < 8; ++i)
      nonce[kNonceBytes - 2 - i] = static_cast<unsigned char>(next >> (8 * i));
    nonce.back() = is_last ? 1 : 0;
    ++next;
    FODC_CHECK(EVP_CipherInit_ex(cipher, nullptr, nullptr, nullptr,
                                 nonce.data(), -1) == 1);
    int length = 0;
    FODC_CHECK(EVP_CipherUpdate(cipher, nullptr, &length, Bytes(bound),
                                static_cast<int>(bound.size())) == 1);
  }

  const std::string bound;
  EVP_CIPHER_CTX* const cipher;
  std::uint64_t next = 0;
  bool is_over = false;
};

SealKey::SealKey(const std::array<unsigned char, kBytes>& key) : key_(key) {
  const auto id = Derive(std::string(kSaltBytes, '\0'), "fodc-backup key id");
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (std::size_t i = 0; i < kShownIdBytes; ++i) {
    id_.push_back(kDigits[id[i] >> 4]);
    id_.push_back(kDigits[id[i] & 15]);
  }
}

Result<SealKey> SealKey::Load(const std::string& file) {
  FODC_ASSIGN_OR_RETURN(std::string text, ReadFile(file, kMaxFileBytes));
  auto key = ParseKey(Trim(text));
  OPENSSL_cleanse(text.data(), text.size());
  if (!key) {
    return InvalidArgument(StrCat(file, ": it does not hold ", 2 * kBytes,
                                  " hexadecimal digits, as `openssl rand -hex ",
                                  kBytes, "` gives them"));
  }
  SealKey loaded(*key);
  OPENSSL_cleanse(key->data(), key->size());
  return loaded;
}

// HKDF (RFC 5869) with SHA-256, of one block.
std::array<unsigned char, SealKey::kBytes> SealKey::Derive(
    std::string_view salt, std::string_view purpose) const {
  const Digest extracted =
      HmacOf(Bytes(salt), salt.size(),
             {reinterpret_cast<const char*>(key_.data()), key_.size()});
  return HmacOf(extracted.data(), extracted.size(), StrCat(purpose, "\x01"));
}

std::string NewSalt() {
  std::string salt(kSaltBytes, '\0');
  FODC_CHECK(RAND_bytes(Bytes(&salt), static_cast<int>(salt.size())) == 1);
  return salt;
}

namespace {
constexpr std::string_view kPurpose = "fodc-backup stream";
}  // namespace

Sealer::Sealer(const SealKey& key, std::string_view salt, std::string bound)
    : context_(std::make_unique<CipherContext>(key.Derive(salt, kPurpose),
                                               std::move(bound), true)) {}
Sealer::~Sealer() = default;
Sealer::Sealer(Sealer&&) noexcept = default;
Sealer& Sealer::operator=(Sealer&&) noexcept = default;

std::string Sealer::Seal(std::string_view chunk, bool is_last) {
  context_->Begin(is_last);
  std::string sealed(chunk.size() + kTagBytes, '\0');
  int length = 0;
  FODC_CHECK(EVP_EncryptUpdate(context_->cipher, Bytes(&sealed), &length,
                               Bytes(chunk),
                               static_cast<int>(chunk.size())) == 1);
  int rest = 0;
  FODC_CHECK(EVP_EncryptFinal_ex(context_->cipher, Bytes(&sealed) + length,
                                 &rest) == 1);
  FODC_CHECK(EVP_CIPHER_CTX_ctrl(context_->cipher, EVP_CTRL_GCM_GET_TAG,
                                 kTagBytes,
                                 Bytes(&sealed) + chunk.size()) == 1);
  return sealed;
}

Unsealer::Unsealer(const SealKey& key, std::string_view salt, std::string bound)
    : context_(std::make_unique<CipherContext>(key.Derive(salt, kPurpose),
                                               std::move(bound), false)) {}
Unsealer::~Unsealer() = default;
Unsealer::Unsealer(Unsealer&&) noexcept = default;
Unsealer& Unsealer::operator=(Unsealer&&) noexcept = default;

Result<std::string> Unsealer::Open(std::string_view sealed, bool is_last) {
  if (sealed.size() < kTagBytes) return DataLoss("a sealed chunk is cut");
  if (context_->is_over) return DataLoss("a chunk comes behind the last");
  context_->Begin(is_last);
  const std::string_view text = sealed.substr(0, sealed.size() - kTagBytes);
  std::string tag(sealed.substr(text.size()));
  std::string chunk(text.size(), '\0');
  int length = 0;
  int rest = 0;
  const bool is_good =
      EVP_DecryptUpdate(context_->cipher, Bytes(&chunk), &length, Bytes(text),
                        static_cast<int>(text.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context_->cipher, EVP_CTRL_GCM_SET_TAG, kTagBytes,
                          tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context_->cipher, Bytes(&chunk) + length, &rest) == 1;
  if (!is_good)
    return DataLoss("a sealed chunk was changed, or the key is another");
  return chunk;
}

}  // namespace fodc::backup
