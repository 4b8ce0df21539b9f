// SPDX-License-Identifier: Apache-2.0
// Memory for signal handlers to run on. sigaltstack(2).
#pragma once

#include <csignal>
#include <cstddef>

namespace fodc::guard {

// Has the kernel give all pages of `memory`, which nobody else uses yet.
void TouchPages(void* memory, std::size_t bytes);

// What the machine's registers take in a signal frame, and room to unwind,
// format and write. A page below it faults.
// What a question to the thread needs is touched.
class AlternateStack {
 public:
  // data() is null without memory.
  AlternateStack();
  ~AlternateStack();
  AlternateStack(AlternateStack&& other) noexcept;
  AlternateStack& operator=(AlternateStack&&) = delete;

  bool ok() const { return memory_ != nullptr; }
  stack_t Describe() const;

 private:
  void* memory_ = nullptr;
  std::size_t mapped_bytes_ = 0;
};

}  // namespace fodc::guard
