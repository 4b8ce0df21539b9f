// SPDX-License-Identifier: Apache-2.0
// Bytes that nobody reads or changes unseen without the key: AES-256-GCM in
// chunks, so that streams of any length need little memory, and one that is
// cut, or whose chunks change places, is found out.
// docs/formats/backup-bundles.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::backup {

// The operator's key. Immutable; thread-safe.
class SealKey {
 public:
  static constexpr std::size_t kBytes = 32;

  // The file has 64 hexadecimal digits and nothing else, but white space around
  // them. Errors: as open(2); kInvalidArgument, which does not tell the key.
  static Result<SealKey> Load(const std::string& file);
  explicit SealKey(const std::array<unsigned char, kBytes>& key);

  // Sixteen hexadecimal digits by which a manifest names it; they tell nothing
  // of it.
  const std::string& id() const { return id_; }

 private:
  friend class Sealer;
  friend class Unsealer;
  std::array<unsigned char, kBytes> Derive(std::string_view salt,
                                           std::string_view purpose) const;

  std::array<unsigned char, kBytes> key_;
  std::string id_;
};

inline constexpr std::size_t kSaltBytes = 16;
inline constexpr std::size_t kTagBytes = 16;
// What a new stream is sealed with, of the kernel's random numbers.
std::string NewSalt();

struct CipherContext;

// One stream; its chunks one after the other. Not thread-safe. `key` is not
// kept.
class Sealer {
 public:
  // `bound` is what the stream belongs to: it opens for the same alone. `salt`
  // has kSaltBytes, and is never used twice.
  Sealer(const SealKey& key, std::string_view salt, std::string bound = {});
  ~Sealer();
  Sealer(Sealer&&) noexcept;
  Sealer& operator=(Sealer&&) noexcept;

  // The chunk sealed, longer by kTagBytes. None comes after the last.
  std::string Seal(std::string_view chunk, bool is_last);

 private:
  std::unique_ptr<CipherContext> context_;
};

class Unsealer {
 public:
  Unsealer(const SealKey& key, std::string_view salt, std::string bound = {});
  ~Unsealer();
  Unsealer(Unsealer&&) noexcept;
  Unsealer& operator=(Unsealer&&) noexcept;

  // What Seal was given as its next. Errors: kDataLoss for anything else.
  Result<std::string> Open(std::string_view sealed, bool is_last);

 private:
  std::unique_ptr<CipherContext> context_;
};

}  // namespace fodc::backup
