// SPDX-License-Identifier: Apache-2.0
// The bytes of one page, as they arrive.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::exposition {

inline constexpr std::size_t kDefaultMaxPageBytes = 16u << 20;

// A page body that is filled piece by piece and then handed to a PageReader,
// which keeps the bytes and gives back those of the page before: a buffer that
// is used again allocates nothing once both are large enough.
// Not thread-safe.
class PageBuffer {
 public:
  // Bytes that may be read beyond the page: wide loads need no end test.
  static constexpr std::size_t kSlackBytes = 128;
  // Larger limits are lowered to this: offsets are 32 bits wide.
  static constexpr std::size_t kLargestMaxBytes = 1u << 30;

  explicit PageBuffer(std::size_t max_bytes = kDefaultMaxPageBytes);

  // Empties the buffer and keeps its memory.
  void Clear() { size_ = 0; }

  // Errors: kResourceExhausted, naming the limit, if the page would be larger
  // than `max_bytes`; the buffer keeps what it had.
  Status Append(std::string_view bytes);

  std::string_view bytes() const { return {data_.get(), size_}; }
  std::size_t size() const { return size_; }
  std::size_t max_bytes() const { return max_bytes_; }
  // What the buffer occupies now.
  std::size_t memory_bytes() const { return capacity_; }

 private:
  friend class PageReader;
  void Reserve(std::size_t capacity);

  std::size_t max_bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;  // of data_, slack included
  std::unique_ptr<char[]> data_;
};

}  // namespace fodc::exposition
