// SPDX-License-Identifier: Apache-2.0
// Writes a gzipped profile.proto sample by sample, without names: a reader
// finds them by mapping and build id.
// https://github.com/google/pprof/blob/main/proto/profile.proto
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/pprof/gzip.h"
#include "fodc/pprof/mapping.h"

namespace fodc::pprof {

struct ValueTypeName {
  std::string_view type;  // "inuse_space"
  std::string_view unit;  // "bytes"
};

struct ProfileHead {
  std::span<const ValueTypeName> sample_types;
  std::string_view default_sample_type;  // what a viewer shows at first
  ValueTypeName period_type;
  std::int64_t period = 0;
  UnixTime time;
  std::span<const Mapping> mappings;  // in order of address
  std::span<const std::string_view> comments;
};

struct SampleLabel {
  std::string_view key;
  std::string_view text;
};

// The address of the call that returns to `return_address`: what belongs into a
// profile for every frame but the innermost one of a running thread.
inline std::uint64_t CallSite(std::uint64_t return_address) {
  return return_address == 0 ? 0 : return_address - 1;
}

// Not thread-safe. Holds the buffers of GzipWriter, and 64 bytes or so for each
// distinct address and label.
class ProfileWriter {
 public:
  // Beyond it: kResourceExhausted.
  static constexpr std::size_t kMaxLocations = 1 << 20;

  // Writes the head; what it refers to is not needed after, but the mappings
  // are until Finish. Errors: as the sink; kResourceExhausted.
  static Result<std::unique_ptr<ProfileWriter>> Create(const ProfileHead& head,
                                                       Sink sink);
  ~ProfileWriter();
  ProfileWriter(const ProfileWriter&) = delete;
  ProfileWriter& operator=(const ProfileWriter&) = delete;

  // `stack`: addresses, innermost first; empty if it is not known. `values`:
  // one for each sample type.
  Status Add(std::span<const std::uint64_t> stack,
             std::span<const std::int64_t> values,
             std::span<const SampleLabel> labels = {});
  // Nothing may be written after.
  Status Finish();

 private:
  struct Impl;
  explicit ProfileWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::pprof
