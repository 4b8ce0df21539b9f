// SPDX-License-Identifier: Apache-2.0
// The digests of a blob's parts, each made while the one before it is sent.
#pragma once

#include <cstdint>
#include <future>

#include "fodc/base/status.h"
#include "fodc/object_store/blob.h"
#include "fodc/object_store/digests.h"

namespace fodc::object_store {

// Not thread-safe; it has one thread of its own at most.
class PartDigests {
 public:
  // `whole` must outlive it.
  PartDigests(const Blob& whole, std::uint64_t part_bytes, DigestKinds kinds)
      : whole_(whole), part_bytes_(part_bytes), kinds_(kinds) {}

  // The part that begins there; it has `part_bytes`, or what is left.
  BlobPiece At(std::uint64_t offset) const;
  // Its digests; those of the part behind it are begun. Errors: as
  // Blob::ReadAt.
  Result<Digests> Of(std::uint64_t offset);

 private:
  const Blob& whole_;
  const std::uint64_t part_bytes_;
  const DigestKinds kinds_;
  std::uint64_t ahead_offset_ = 0;
  std::future<Result<Digests>> ahead_;  // its end waits for it
};

}  // namespace fodc::object_store
