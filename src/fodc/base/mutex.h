// SPDX-License-Identifier: Apache-2.0
// std::mutex as a capability that clang's thread-safety analysis understands
// (libstdc++'s own is none). Nothing calls back, does I/O or logs under a lock.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define FODC_ANNOTATION(x) __attribute__((x))
#else
#define FODC_ANNOTATION(x)
#endif
#define FODC_CAPABILITY(x) FODC_ANNOTATION(capability(x))
#define FODC_SCOPED_CAPABILITY FODC_ANNOTATION(scoped_lockable)
#define FODC_GUARDED_BY(x) FODC_ANNOTATION(guarded_by(x))
#define FODC_REQUIRES(...) FODC_ANNOTATION(requires_capability(__VA_ARGS__))
#define FODC_EXCLUDES(...) FODC_ANNOTATION(locks_excluded(__VA_ARGS__))
#define FODC_ACQUIRE(...) FODC_ANNOTATION(acquire_capability(__VA_ARGS__))
#define FODC_RELEASE(...) FODC_ANNOTATION(release_capability(__VA_ARGS__))
#define FODC_NO_THREAD_SAFETY_ANALYSIS \
  FODC_ANNOTATION(no_thread_safety_analysis)

namespace fodc {

class FODC_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock() FODC_ACQUIRE() { m_.lock(); }
  void unlock() FODC_RELEASE() { m_.unlock(); }

 private:
  std::mutex m_;
};

class FODC_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& m) FODC_ACQUIRE(m) : m_(m) { m_.lock(); }
  ~MutexLock() FODC_RELEASE() { m_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& m_;
};

// Waits with a Mutex held by a MutexLock: `while (!ready) cond.Wait(mutex);`
class CondVar {
 public:
  void Wait(Mutex& m) FODC_REQUIRES(m) { cv_.wait(m); }
  // False when the time ran out.
  template <typename Rep, typename Period>
  bool WaitFor(Mutex& m, std::chrono::duration<Rep, Period> d)
      FODC_REQUIRES(m) {
    return cv_.wait_for(m, d) == std::cv_status::no_timeout;
  }
  void NotifyOne() { cv_.notify_one(); }
  void NotifyAll() { cv_.notify_all(); }

 private:
  std::condition_variable_any cv_;
};

}  // namespace fodc
