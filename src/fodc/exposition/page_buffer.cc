// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/page_buffer.h"

#include <algorithm>
#include <cstring>

#include "fodc/base/strings.h"

namespace fodc::exposition {

PageBuffer::PageBuffer(std::size_t max_bytes)
    : max_bytes_(std::min(max_bytes, kLargestMaxBytes)) {}

Status PageBuffer::Append(std::string_view bytes) {
  if (bytes.size() > max_bytes_ - std::min(size_, max_bytes_)) {
    return ResourceExhausted(
        StrCat("page is larger than max_page_bytes=", max_bytes_));
  }
  if (bytes.empty()) return OkStatus();
  const std::size_t needed = size_ + bytes.size() + kSlackBytes;
  if (needed > capacity_) {
    constexpr std::size_t kFirstBytes = 16u << 10;
    Reserve(std::max({needed, capacity_ + capacity_ / 2, kFirstBytes}));
  }
  std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
  return OkStatus();
}

void PageBuffer::Reserve(std::size_t capacity) {
  // Not value-initialised: pages are large and about to be written.
  std::unique_ptr<char[]> grown(new char[capacity]);
  if (size_ > 0) std::memcpy(grown.get(), data_.get(), size_);
  data_ = std::move(grown);
  capacity_ = capacity;
}

}  // namespace fodc::exposition
