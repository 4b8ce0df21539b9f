// SPDX-License-Identifier: Apache-2.0
// The filter in the kernel: which cgroups and thread groups are which target's.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/base/unique_fd.h"

struct fodc_filter;

namespace fodc::kernel {

// Of all slots together.
inline constexpr std::size_t kMaxThreadGroups = 4096;

// What one slot lets in.
struct SlotFilter {
  std::uint64_t cgroup_id = 0;       // 0: by thread group
  std::vector<pid_t> thread_groups;  // as the kernel's own namespace counts

  bool operator==(const SlotFilter&) const = default;
};

// Maps the shared page and keeps what it holds as wanted. Not thread-safe.
class Filter {
 public:
  // Keeps copies of the descriptors of the maps `filter` and `thread_groups`.
  static Result<Filter> Create(int filter_map, int thread_groups_map);
  Filter(Filter&& other) noexcept;
  Filter& operator=(Filter&& other) noexcept;
  ~Filter();

  // One for each slot. Writes what differs from what the kernel has: what it
  // has is read each time, so that a filter which went missing comes back.
  // Returns whether anything was written. Begins a generation, unless all that
  // changed is that more thread groups are let in.
  // Errors: kResourceExhausted beyond kMaxThreadGroups; as bpf(2). What fits
  // holds.
  Result<bool> Set(std::span<const SlotFilter> slots);

  // What was learned of tasks is learned anew.
  void NewEpoch();
  // Calls and requests in flight from before it count for nobody.
  void BeginGeneration();
  // Whether a program tells who makes a block request; else it is taken for
  // whoever issues it.
  void SetMakersAreTold(bool told);
  // Times one call of the slot in so many, a power of 2 up to 4096; 1: each.
  void SampleOneIn(std::size_t slot, std::uint32_t every);

 private:
  struct Changes {
    bool any = false;
    bool lets_less_in = false;  // one that was let in is not any more
  };

  Filter() = default;
  Status SetThreadGroups(std::span<const SlotFilter> slots, Changes* changes);

  UniqueFd filter_map_;
  UniqueFd thread_groups_map_;
  fodc_filter* shared_ = nullptr;
};

}  // namespace fodc::kernel
