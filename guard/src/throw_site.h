// SPDX-License-Identifier: Apache-2.0
// The stack at the place where an exception is thrown, for who catches it.
//
// C++ looks for a handler before it unwinds: the stack of the throw is whole
// while each `catch` on the way is asked whether it takes the exception
// (Itanium C++ ABI, exception handling, 1.3). The type of `catch (ThrowProbe&)`
// is one whose answer is always no, and who takes the stack when asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace fodc::guard {

// Never thrown. The handler of it must be the first of its `try`.
class ThrowProbe {
 public:
  virtual ~ThrowProbe();
};

// While it lives, what is thrown on this thread and reaches a `catch
// (ThrowProbe&)` leaves its stack here. They nest.
class ThrowSite {
 public:
  static constexpr std::size_t kMaxFrames = 128;

  ThrowSite();
  ~ThrowSite();
  ThrowSite(const ThrowSite&) = delete;
  ThrowSite& operator=(const ThrowSite&) = delete;

  // Empty if nothing was thrown. Of an exception that was thrown again on its
  // way, the last time.
  std::span<const std::uintptr_t> frames() const { return {frames_, size_}; }

 private:
  friend class ThrowProbeType;
  std::uintptr_t frames_[kMaxFrames];
  std::size_t size_ = 0;
  ThrowSite* outer_;
};

}  // namespace fodc::guard
