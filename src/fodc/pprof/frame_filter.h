// SPDX-License-Identifier: Apache-2.0
// Leaves out of stacks what a profile says is of no interest: the frames of the
// allocator, of the profiler. As `pprof` does: the frame that drop_frames names
// and all within it, but only below one that it does not name.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "fodc/pprof/profile.h"

namespace fodc::pprof {

// Of one profile, which must outlive it. Thread-compatible.
class FrameFilter {
 public:
  // A drop_frames that is no regular expression drops nothing; is_valid() says
  // so. Names are compared without what follows their first bracket.
  explicit FrameFilter(const Profile& profile);

  bool is_valid() const { return is_valid_; }
  // What is left of a stack, and of the lines of a location.
  std::span<const std::uint32_t> Keep(
      std::span<const std::uint32_t> locations) const;
  std::span<const Profile::Line> Lines(std::uint32_t location) const;

 private:
  void Build(const std::vector<bool>& is_dropped);

  const Profile& profile_;
  bool is_valid_ = true;
  // Of each location the lines that are dropped, innermost first; empty where
  // nothing is.
  std::vector<std::uint32_t> dropped_lines_;
};

}  // namespace fodc::pprof
