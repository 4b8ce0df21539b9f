// SPDX-License-Identifier: Apache-2.0
// A heap profile with the four values that Go's has: alloc_objects,
// alloc_space, inuse_objects, inuse_space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/pprof/profile_writer.h"

namespace fodc::pprof {

// Of one stack. Estimates of all allocations, not of the sampled ones.
struct HeapCounts {
  std::uint64_t alloc_objects = 0;  // since the process started
  std::uint64_t alloc_bytes = 0;
  std::uint64_t inuse_objects = 0;  // not freed
  std::uint64_t inuse_bytes = 0;
};

struct ObjectsAndBytes {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
};

// What `sampled` of one stack stands for, when every byte is sampled with the
// mean distance `interval_bytes`: an allocation of size s is seen with
// probability 1 - exp(-s / interval). Takes all of them to be of mean size.
ObjectsAndBytes Unsample(const ObjectsAndBytes& sampled,
                         std::uint64_t interval_bytes);

struct HeapProfileHead {
  std::uint64_t sample_interval_bytes = 0;
  UnixTime time;
  std::span<const Mapping> mappings;  // until Finish; in order of address
  std::span<const std::string_view> comments;
};

// As ProfileWriter.
class HeapProfileWriter {
 public:
  static Result<std::unique_ptr<HeapProfileWriter>> Create(
      const HeapProfileHead& head, Sink sink);

  // `stack`: return addresses, innermost first.
  Status Add(std::span<const std::uint64_t> stack, const HeapCounts& counts);
  Status Finish() { return writer_->Finish(); }

 private:
  explicit HeapProfileWriter(std::unique_ptr<ProfileWriter> writer)
      : writer_(std::move(writer)) {}

  std::unique_ptr<ProfileWriter> writer_;
  std::vector<std::uint64_t> call_sites_;
};

}  // namespace fodc::pprof
