// SPDX-License-Identifier: Apache-2.0
#include "fodc/kernel/filter.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <map>
#include <type_traits>
#include <utility>

#include "bpf/records.h"
#include "fodc/base/strings.h"

namespace fodc::kernel {
namespace {

template <typename T>
T Load(T& field) {
  return std::atomic_ref<T>(field).load(std::memory_order_relaxed);
}

// Returns whether it was another value.
template <typename T>
bool Store(T& field, std::type_identity_t<T> value) {
  if (Load(field) == value) return false;
  std::atomic_ref<T>(field).store(value, std::memory_order_relaxed);
  return true;
}

static_assert(kMaxThreadGroups == FODC_MAX_THREAD_GROUPS);

Result<UniqueFd> Copy(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.ok()) return ErrnoStatus(errno, "keep a map");
  return copy;
}

}  // namespace

Result<Filter> Filter::Create(int filter_map, int thread_groups_map) {
  Filter f;
  FODC_ASSIGN_OR_RETURN(f.filter_map_, Copy(filter_map));
  FODC_ASSIGN_OR_RETURN(f.thread_groups_map_, Copy(thread_groups_map));
  void* at = ::mmap(nullptr, sizeof(fodc_filter), PROT_READ | PROT_WRITE,
                    MAP_SHARED, f.filter_map_.get(), 0);
  if (at == MAP_FAILED) return ErrnoStatus(errno, "map the filter");
  f.shared_ = static_cast<fodc_filter*>(at);
  return f;
}

Filter::Filter(Filter&& other) noexcept
    : filter_map_(std::move(other.filter_map_)),
      thread_groups_map_(std::move(other.thread_groups_map_)),
      shared_(std::exchange(other.shared_, nullptr)) {}

Filter& Filter::operator=(Filter&& other) noexcept {
  std::swap(filter_map_, other.filter_map_);
  std::swap(thread_groups_map_, other.thread_groups_map_);
  std::swap(shared_, other.shared_);
  return *this;
}

Filter::~Filter() {
  if (shared_ != nullptr) (void)::munmap(shared_, sizeof(fodc_filter));
}

void Filter::NewEpoch() {
  // Releases what was written before it. Programs add to it too.
  const std::atomic_ref<std::uint32_t> epoch(shared_->epoch);
  epoch.fetch_add(1, std::memory_order_acq_rel);
}

Status Filter::SetThreadGroups(std::span<const SlotFilter> slots,
                               Changes* changes) {
  std::map<std::uint32_t, std::uint32_t> wanted;
  Status status;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].cgroup_id != 0) continue;
    for (const pid_t pid : slots[i].thread_groups) {
      if (wanted.size() == kMaxThreadGroups) {
        status = ResourceExhausted(
            StrCat("more than ", kMaxThreadGroups, " thread groups"));
        break;
      }
      wanted.emplace(static_cast<std::uint32_t>(pid),
                     static_cast<std::uint32_t>(i + 1));
    }
  }
  const int map = thread_groups_map_.get();
  std::vector<std::uint32_t> stale;
  std::uint32_t key = 0;
  std::uint32_t* previous = nullptr;
  while (bpf_map_get_next_key(map, previous, &key) == 0) {
    previous = &key;
    fodc_thread_group group{};
    if (bpf_map_lookup_elem(map, &key, &group) != 0) continue;
    const auto want = wanted.find(key);
    if (want == wanted.end()) {
      stale.push_back(key);
      changes->lets_less_in |= group.died_ns == 0;
    } else if (group.died_ns == 0 && group.slot == want->second) {
      wanted.erase(want);
    }
  }
  for (const std::uint32_t gone : stale) {
    changes->any |= bpf_map_delete_elem(map, &gone) == 0;
  }
  for (const auto& [pid, slot] : wanted) {
    const fodc_thread_group group{.died_ns = 0, .slot = slot, .unused = 0};
    if (bpf_map_update_elem(map, &pid, &group, BPF_ANY) != 0) {
      status = ErrnoStatus(errno, "set a thread group");
      break;
    }
    changes->any = true;
  }
  changes->any |= changes->lets_less_in;
  return status;
}

Result<bool> Filter::Set(std::span<const SlotFilter> slots) {
  Changes groups;
  const Status status = SetThreadGroups(slots, &groups);
  bool changed = groups.any;
  bool lets_less_in = groups.lets_less_in;
  std::uint32_t count = 0;
  bool by_thread_group = false;
  for (std::size_t i = 0; i < slots.size() && i < FODC_MAX_TARGETS; ++i) {
    by_thread_group |=
        slots[i].cgroup_id == 0 && !slots[i].thread_groups.empty();
    if (slots[i].cgroup_id == 0) continue;
    fodc_cgroup& c = shared_->cgroups[count++];
    const auto slot = static_cast<std::uint32_t>(i);
    // The kernel learns the level when it first meets the group.
    if (Load(c.id) != slots[i].cgroup_id || Load(c.slot) != slot) {
      Store(c.level, std::uint32_t{FODC_LEVEL_UNKNOWN});
      Store(c.id, slots[i].cgroup_id);
      Store(c.slot, slot);
      lets_less_in = true;
    }
  }
  lets_less_in |= Store(shared_->cgroup_count, count);
  changed |= lets_less_in;
  changed |= Store(shared_->by_thread_group,
                   by_thread_group ? std::uint16_t{1} : std::uint16_t{0});
  // What was learned of a task meanwhile may be of half a filter.
  if (changed) NewEpoch();
  // Whoever is a target's again later may have ended a call meanwhile.
  if (lets_less_in) BeginGeneration();
  if (!status.ok()) return status;
  return changed;
}

void Filter::BeginGeneration() {
  const std::atomic_ref<std::uint32_t> generation(shared_->generation);
  generation.fetch_add(1, std::memory_order_acq_rel);
}

void Filter::SetMakersAreTold(bool told) {
  Store(shared_->makers_are_told, told ? std::uint16_t{1} : std::uint16_t{0});
}

void Filter::SampleOneIn(std::size_t slot, std::uint32_t every) {
  if (slot >= FODC_MAX_TARGETS) return;
  const auto log = static_cast<std::uint32_t>(std::bit_width(every)) - 1;
  Store(shared_->sample_log[slot],
        std::min<std::uint32_t>(log, FODC_MAX_SAMPLE_LOG));
}

}  // namespace fodc::kernel
