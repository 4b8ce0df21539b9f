// SPDX-License-Identifier: Apache-2.0
// A file, or a part of a large one, in the form in which layout 2 stores it:
// compressed if asked, sealed if asked, and saying which of it by itself.
// docs/formats/backup-bundles.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "fodc/backup/seal.h"
#include "fodc/base/status.h"
#include "fodc/object_store/blob.h"
#include "fodc/object_store/digests.h"
#include "fodc/object_store/object_store.h"

namespace fodc::backup {

struct PieceForm {
  int zstd_level = 0;            // 0: not compressed
  const SealKey* key = nullptr;  // null: not sealed; outlives who uses it
};

// Makes one piece after the other. Not thread-safe.
class PieceEncoder {
 public:
  explicit PieceEncoder(const PieceForm& form);
  ~PieceEncoder();

  // Hands `bytes` of `blob` from `offset` to `out` as a piece, in few bytes of
  // memory, and what it reads to `digester`. How long the piece is.
  // Errors: as Blob::ReadAt; kFailedPrecondition for a blob that is shorter;
  // those of `out`.
  Result<std::uint64_t> Encode(const object_store::Blob& blob,
                               std::uint64_t offset, std::uint64_t bytes,
                               object_store::Digester* digester,
                               const object_store::ByteSink& out);

 private:
  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

// Reads one piece as it comes, trusting nothing. Not thread-safe.
class PieceDecoder {
 public:
  // `stored`: how long the piece is. `key` outlives it, and may be null.
  PieceDecoder(std::uint64_t stored, const SealKey* key);
  ~PieceDecoder();
  PieceDecoder(PieceDecoder&&) noexcept;
  PieceDecoder& operator=(PieceDecoder&&) noexcept;

  // The next bytes of it; what they give goes to `out`, which must bound what
  // it takes: a few bytes may give many.
  // Errors: kDataLoss for what is no piece, or not all of one;
  // kFailedPrecondition for one that is sealed, without a key; those of `out`.
  Status Write(std::string_view bytes, const object_store::ByteSink& out);
  // Whether all of it came. Errors: kDataLoss.
  Status Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::backup
