// SPDX-License-Identifier: Apache-2.0
// Order between threads that ThreadSanitizer cannot see, because a library that
// is not built with it makes the order (a call into it happens before its
// callback). Nothing in other builds.
#pragma once

#if defined(FODC_TSAN)
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
#endif

namespace fodc {

// What this thread did so far comes before what follows TsanAcquire of the same
// tag on another thread.
inline void TsanRelease([[maybe_unused]] const void* tag) {
#if defined(FODC_TSAN)
  __tsan_release(const_cast<void*>(tag));
#endif
}

inline void TsanAcquire([[maybe_unused]] const void* tag) {
#if defined(FODC_TSAN)
  __tsan_acquire(const_cast<void*>(tag));
#endif
}

// A callback of such a library: after all that was released before it, and
// before all that acquires later.
class TsanCallback {
 public:
  explicit TsanCallback(const void* tag) : tag_(tag) { TsanAcquire(tag_); }
  ~TsanCallback() { TsanRelease(tag_); }
  TsanCallback(const TsanCallback&) = delete;
  TsanCallback& operator=(const TsanCallback&) = delete;

 private:
  const void* const tag_;
};

}  // namespace fodc
