// SPDX-License-Identifier: Apache-2.0
// The rows of the open stretch, one after the other in shared blocks. For this
// room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "fodc/recorder/chunk.h"
#include "fodc/recorder/log_entry.h"

namespace fodc::recorder {

// Only appended to. A copy shares the blocks and sees what was there when it
// was made, also while the original grows on another thread.
class OpenRows {
 public:
  void Append(const SealRow& row);
  void Clear() { *this = OpenRows(); }
  // Forgets blocks from the front, until at most `bytes` are left.
  void DropFront(std::size_t bytes);

  bool empty() const { return rows_ == 0; }
  std::size_t rows() const { return rows_; }
  Sequence first() const { return first_; }
  // The first row ever, also when the front was dropped.
  Sequence stretch() const { return stretch_; }
  Sequence last() const { return last_; }
  std::size_t payload_bytes() const { return payload_bytes_; }
  std::size_t memory_bytes() const;

  // In order; stops when `visit` returns false. The payloads live as long as
  // the blocks.
  void ForEach(const std::function<bool(const SealRow&)>& visit) const;
  std::vector<SealRow> All() const;

 private:
  struct Block {
    explicit Block(std::size_t n) : bytes(new char[n]), capacity(n) {}
    std::unique_ptr<char[]> bytes;
    std::size_t capacity;
  };
  std::vector<std::shared_ptr<Block>> blocks_;
  std::vector<std::uint32_t> used_;  // per block
  std::size_t rows_ = 0;
  std::size_t payload_bytes_ = 0;
  Sequence first_ = 0;
  Sequence stretch_ = 0;
  Sequence last_ = 0;
};

}  // namespace fodc::recorder
