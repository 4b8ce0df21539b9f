// SPDX-License-Identifier: Apache-2.0
// Bytes from the loop, which must not wait, to a worker, which does.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <span>
#include <string>

#include "fodc/base/mutex.h"
#include "fodc/base/status.h"

namespace fodc::proxy {

// Thread-safe: one writes, one reads.
class BytePipe {
 public:
  // `on_room` is called by the reader's thread when there is room again for a
  // writer that found none.
  BytePipe(std::size_t capacity, std::function<void()> on_room)
      : capacity_(capacity), on_room_(std::move(on_room)) {}

  // --- The writer's end. It never waits.
  // False: wait for `on_room`. With one piece pushed for each true no more than
  // `capacity` and a piece are held.
  bool HasRoom();
  void Push(std::string bytes);
  // No more comes. A failure drops what was not read. The first one counts.
  void Close(const Status& end);

  // --- The reader's end: waits for a byte or the end. 0 is the end.
  // Errors: what it was closed with.
  Result<std::size_t> Read(std::span<char> buffer);

 private:
  const std::size_t capacity_;
  const std::function<void()> on_room_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::string> pieces_ FODC_GUARDED_BY(mutex_);
  std::size_t offset_ FODC_GUARDED_BY(mutex_) = 0;  // read of the first piece
  std::size_t held_ FODC_GUARDED_BY(mutex_) = 0;    // bytes that wait
  bool is_closed_ FODC_GUARDED_BY(mutex_) = false;
  bool wants_room_ FODC_GUARDED_BY(mutex_) = false;
  Status end_ FODC_GUARDED_BY(mutex_);
};

}  // namespace fodc::proxy
