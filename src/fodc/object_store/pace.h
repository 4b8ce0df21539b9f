// SPDX-License-Identifier: Apache-2.0
// So much a second, and no more: bytes or requests of everybody together.
#pragma once

#include <chrono>
#include <cstdint>

#include "fodc/base/clock.h"
#include "fodc/base/mutex.h"

namespace fodc::object_store {

// Who wants some reserves it, and waits for its turn: nobody is overtaken, and
// what was not used a moment ago may be used at once (a tenth of a second's).
// Thread-safe.
class Pace {
 public:
  // `per_second` is positive; `clock` must outlive it.
  Pace(std::uint64_t per_second, const Clock& clock);

  // How long the caller has to wait before it uses what it has reserved; not to
  // be given back.
  std::chrono::nanoseconds Reserve(std::uint64_t amount);
  // What is best reserved at a time, so that no turn takes long.
  std::uint64_t piece() const { return piece_; }
  const Clock& clock() const { return clock_; }

 private:
  const double ns_each_;
  const std::uint64_t piece_;
  const Clock& clock_;
  Mutex mutex_;
  MonotonicTime free_at_ FODC_GUARDED_BY(mutex_);
};

}  // namespace fodc::object_store
