// SPDX-License-Identifier: Apache-2.0
// The bytes of an object on their way to a store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

namespace fodc::object_store {

// Bytes that can be read more than once: for their digests, for a retry, for
// each part. Thread-safe.
class Blob {
 public:
  virtual ~Blob() = default;

  virtual std::uint64_t bytes() const = 0;
  // Fills `buffer` from `offset`: `bytes` of them, or what there is to the end.
  // Errors: kFailedPrecondition if it is no longer as long as it was.
  virtual Result<std::size_t> ReadAt(std::uint64_t offset, char* buffer,
                                     std::size_t bytes) const = 0;
};

// What `bytes` views must outlive it.
class MemoryBlob final : public Blob {
 public:
  explicit MemoryBlob(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t bytes() const override { return bytes_.size(); }
  Result<std::size_t> ReadAt(std::uint64_t offset, char* buffer,
                             std::size_t bytes) const override;

 private:
  const std::string_view bytes_;
};

// An open file. `name` is for errors.
class FileBlob final : public Blob {
 public:
  FileBlob(UniqueFd fd, std::uint64_t bytes, std::string name)
      : fd_(std::move(fd)), bytes_(bytes), name_(std::move(name)) {}

  std::uint64_t bytes() const override { return bytes_; }
  Result<std::size_t> ReadAt(std::uint64_t offset, char* buffer,
                             std::size_t bytes) const override;
  // Errors: kFailedPrecondition if the file is longer or shorter by now.
  Status Check() const;

 private:
  const UniqueFd fd_;
  const std::uint64_t bytes_;
  const std::string name_;
};

// `bytes` of another blob from `offset`, which must outlive it.
class BlobPiece final : public Blob {
 public:
  BlobPiece(const Blob& whole, std::uint64_t offset, std::uint64_t bytes)
      : whole_(whole), offset_(offset), bytes_(bytes) {}

  std::uint64_t bytes() const override { return bytes_; }
  Result<std::size_t> ReadAt(std::uint64_t offset, char* buffer,
                             std::size_t bytes) const override;

 private:
  const Blob& whole_;
  const std::uint64_t offset_;
  const std::uint64_t bytes_;
};

}  // namespace fodc::object_store
