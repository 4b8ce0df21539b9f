// SPDX-License-Identifier: Apache-2.0
// Bytes of objects: small ones in memory, others in files, in pieces as they
// were uploaded, so that putting parts together copies nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"
#include "tests/support/object_server/digest.h"

namespace fodc::object_server {

// One upload's bytes. Immutable but for FlipByte. Its file goes with it.
class Piece {
 public:
  Piece() = default;
  ~Piece();
  Piece(const Piece&) = delete;
  Piece& operator=(const Piece&) = delete;

  std::uint64_t size() const { return size_; }
  // False: only counted and hashed; reads give zeros.
  bool kept() const { return kept_; }
  // Exactly `n` bytes, which are there.
  void Read(std::uint64_t offset, char* out, std::size_t n) const;
  void FlipByte(std::uint64_t offset);

 private:
  friend class Body;
  std::string memory_;
  std::string path_;
  UniqueFd file_;  // while it is written; reads open the file for themselves
  std::uint64_t size_ = 0;
  bool kept_ = true;
  std::atomic<std::uint64_t>* counted_in_ = nullptr;
};

class Content {
 public:
  void Append(std::shared_ptr<Piece> piece);
  void Append(const Content& other);
  std::uint64_t size() const { return size_; }
  void Read(std::uint64_t offset, char* out, std::size_t n) const;
  void FlipByte(std::uint64_t offset);

 private:
  std::vector<std::shared_ptr<Piece>> pieces_;
  std::uint64_t size_ = 0;
};

// Where bodies go.
struct Vault {
  std::string directory;                    // for files
  std::uint64_t file_above = 1u << 20;      // larger bodies are files
  std::uint64_t memory_limit = 256u << 20;  // beyond, all are files
  bool discard = false;                     // keep nothing, count and hash
  std::atomic<std::uint64_t> memory_used{0};
};

// A request's body while it comes in. Not thread-safe.
class Body {
 public:
  // `vault` null: the body is a text, kept in memory whatever its size.
  Body(Vault* vault, std::uint64_t expected_size, Digests digests);

  // Errors: of the file system.
  Status Append(std::string_view bytes);
  std::uint64_t size() const { return piece_->size_; }
  std::string_view text() const { return piece_->memory_; }
  const Digests& digests() const { return digests_; }
  // Once, at the end.
  Sums FinishSums() { return digests_.Finish(); }
  std::shared_ptr<Piece> TakePiece();

 private:
  Status OpenFile();

  Vault* vault_;
  Digests digests_;
  std::shared_ptr<Piece> piece_;
};

}  // namespace fodc::object_server
