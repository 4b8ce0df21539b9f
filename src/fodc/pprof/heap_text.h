// SPDX-License-Identifier: Apache-2.0
// The text that allocators write of their sampled heap: jemalloc's dump
// (jemalloc(3), "HEAP PROFILE FORMAT") and the sample of gperftools, which both
// call themselves heap_v2 and are not the same; also what gperftools' profiler
// dumps, its growth stacks, and Go's heap with debug=1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/pprof/heap_profile.h"

namespace fodc::pprof {

// Gets lines one after the other. Not thread-safe.
class HeapTextReader {
 public:
  static constexpr std::size_t kMaxFrames = 1024;

  // `head` is called with the mean distance of samples in bytes, before the
  // first sample; `sample` with each stack (return addresses, innermost first)
  // and what it stands for. Where the text does not count what was freed,
  // allocated is what is in use: the least that it can be.
  using Head = std::function<Status(std::uint64_t interval_bytes)>;
  using Sample = std::function<Status(std::span<const std::uint64_t> stack,
                                      const HeapCounts& counts)>;
  HeapTextReader(Head head, Sample sample);

  // A line without its end. What comes after MAPPED_LIBRARIES is passed over.
  // Errors: kDataLoss for text of another kind; those of the callbacks.
  Status Line(std::string_view line);
  // Errors: kDataLoss if nothing came, not even a head.
  Status Finish() const;

 private:
  enum class Kind : std::uint8_t { kUnknown, kJemalloc, kGperftools, kDone };

  Status ReadHead(std::string_view line);
  Status ReadStack(std::string_view text);
  Status Emit(std::string_view counts);

  Head head_;
  Sample sample_;
  Kind kind_ = Kind::kUnknown;
  std::uint64_t interval_bytes_ = 0;
  std::uint64_t line_ = 0;
  bool has_stack_ = false;
  std::vector<std::uint64_t> stack_;
};

}  // namespace fodc::pprof
