// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/part_digests.h"

#include <algorithm>

namespace fodc::object_store {

BlobPiece PartDigests::At(std::uint64_t offset) const {
  return {whole_, offset, std::min(part_bytes_, whole_.bytes() - offset)};
}

Result<Digests> PartDigests::Of(std::uint64_t offset) {
  Result<Digests> digests = ahead_.valid() && ahead_offset_ == offset
                                ? ahead_.get()
                                : DigestsOf(At(offset), kinds_);
  const std::uint64_t next = offset + part_bytes_;
  if (digests.ok() && next < whole_.bytes()) {
    ahead_offset_ = next;
    ahead_ = std::async(std::launch::async, [piece = At(next), k = kinds_] {
      return DigestsOf(piece, k);
    });
  }
  return digests;
}

}  // namespace fodc::object_store
