// SPDX-License-Identifier: Apache-2.0
#include "fodc/proxy/byte_pipe.h"

#include <utility>

namespace fodc::proxy {

bool BytePipe::HasRoom() {
  const MutexLock lock(mutex_);
  wants_room_ = !is_closed_ && held_ >= capacity_;
  return !is_closed_ && !wants_room_;
}

void BytePipe::Push(std::string bytes) {
  const MutexLock lock(mutex_);
  if (is_closed_ || bytes.empty()) return;
  held_ += bytes.size();
  pieces_.push_back(std::move(bytes));
  changed_.NotifyOne();
}

void BytePipe::Close(const Status& end) {
  const MutexLock lock(mutex_);
  if (std::exchange(is_closed_, true)) return;
  end_ = end;
  if (!end.ok()) {
    pieces_.clear();
    offset_ = held_ = 0;
  }
  changed_.NotifyOne();
}

Result<std::size_t> BytePipe::Read(std::span<char> buffer) {
  std::size_t size = 0;
  bool has_room = false;
  {
    const MutexLock lock(mutex_);
    while (pieces_.empty() && !is_closed_) changed_.Wait(mutex_);
    if (pieces_.empty()) {
      if (!end_.ok()) return end_;
      return std::size_t{0};
    }
    const std::string& first = pieces_.front();
    size = first.copy(buffer.data(), buffer.size(), offset_);
    offset_ += size;
    held_ -= size;
    if (offset_ == first.size()) {
      pieces_.pop_front();
      offset_ = 0;
    }
    has_room = wants_room_ && held_ < capacity_;
    if (has_room) wants_room_ = false;
  }
  if (has_room) on_room_();
  return size;
}

}  // namespace fodc::proxy
