// SPDX-License-Identifier: Apache-2.0
// The ring in which the kernel tells deaths.
#pragma once

#include <memory>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/kernel/reading.h"

struct ring_buffer;

namespace fodc::kernel {

// Not thread-safe.
class EventRing {
 public:
  // Errors: as mmap(2) of the map.
  static Result<EventRing> Create(int map);

  // Appends what came since the last call. What makes no sense is left out.
  void Take(std::vector<KernelEvent>* events);

 private:
  struct Free {
    void operator()(ring_buffer* ring) const;
  };
  static int OnEvent(void* self, void* data, std::size_t size);

  // Where the callback puts them: it outlives a move of the ring.
  std::unique_ptr<std::vector<KernelEvent>> taken_;
  std::unique_ptr<ring_buffer, Free> ring_;
};

}  // namespace fodc::kernel
