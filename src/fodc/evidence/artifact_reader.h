// SPDX-License-Identifier: Apache-2.0
// An artifact that was opened for reading.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::evidence {

// Movable; ReadAt may be called by several threads at once.
class ArtifactReader {
 public:
  // `fd` is a regular file; `sha256` what a receipt says of it, or empty.
  // Errors: as fstat(2).
  static Result<ArtifactReader> Make(UniqueFd fd, std::string sha256);

  // When it was opened. What is appended later is not seen.
  std::uint64_t size_bytes() const { return size_bytes_; }
  // From the receipt, not computed; empty where Go wrote it.
  const std::string& sha256() const { return sha256_; }
  // A strong entity tag with its quotes: the SHA-256, or what tells files of
  // one file system apart.
  const std::string& etag() const { return etag_; }

  // Fills `buffer` from `offset` on; fewer bytes only at the end, 0 there.
  // Blocks. Errors: as pread(2); kDataLoss if the file has become shorter.
  Result<std::size_t> ReadAt(std::uint64_t offset,
                             std::span<char> buffer) const;

 private:
  ArtifactReader() = default;

  UniqueFd fd_;
  std::uint64_t size_bytes_ = 0;
  std::string sha256_;
  std::string etag_;
};

}  // namespace fodc::evidence
