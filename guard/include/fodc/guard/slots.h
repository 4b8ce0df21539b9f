// SPDX-License-Identifier: Apache-2.0
// Slots of heavy commands: at most so many run at once, by class, and the
// others are refused at once. No queue, no lock, nothing allocated.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/guard/memory_level.h"
#include "fodc/guard/refusal.h"

namespace fodc::guard {

// The CPUs that this process may use: the smallest of the machine's, the
// affinity's and the quota of its cgroup and all above it. At least 0.01.
double ContainerCpus() noexcept;

struct SlotClass {
  std::string name = {};  // value of the label `class`
  // Half of the slots are guaranteed, shared out by weight (at least one each
  // if there are enough; none to weight 0); the other half is for whoever comes
  // first.
  unsigned weight = 1;
  // If set, this many are guaranteed, whatever the weights.
  std::optional<unsigned> guaranteed = std::nullopt;
};

struct SlotOptions {
  // 0: two for each CPU of the container, begun ones included.
  unsigned slots = 0;
  // At most SlotLimiter::kMaxClasses. Whoever scans for maintenance must not
  // starve those who wait for an answer, so there are two from the start.
  std::vector<SlotClass> classes = {{"read", 2, {}}, {"scan", 1, {}}};
};

class SlotLimiter;

// Says that its holder runs inside a slot. Nested work shows it and takes no
// slot of its own: else a pool full of scripts, each wanting one slot more,
// stands still for ever. Must not outlive the slot.
class SlotToken {
 public:
  SlotToken() = default;  // of no slot
  bool IsOf(const SlotLimiter& limiter) const noexcept {
    return limiter_ == &limiter;
  }

 private:
  friend class Slot;
  friend class SlotLimiter;
  explicit SlotToken(const SlotLimiter* limiter) : limiter_(limiter) {}
  const SlotLimiter* limiter_ = nullptr;
};

// A slot, or why there is none. Given back once: by Release or the destructor.
// One thread at a time. Must not outlive its limiter.
class Slot {
 public:
  Slot() = default;  // of nobody; admitted() is false
  Slot(Slot&& other) noexcept;
  Slot& operator=(Slot&& other) noexcept;
  ~Slot() { Release(); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  bool admitted() const noexcept { return limiter_ != nullptr; }
  // kNone if it was admitted, even after Release.
  Refusal refusal() const noexcept { return refusal_; }
  // Inside somebody else's slot.
  bool is_nested() const noexcept { return is_nested_; }
  // For work inside this one. Of no slot if this is none.
  SlotToken token() const noexcept { return SlotToken(limiter_); }
  // Before its holder parks, and at its end. A second time does nothing.
  void Release() noexcept;

 private:
  friend class SlotLimiter;
  SlotLimiter* limiter_ = nullptr;
  std::uint8_t class_index_ = 0;
  bool is_nested_ = false;
  Refusal refusal_ = Refusal::kNone;
};

// Thread-safe, lock-free.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): see used_
class SlotLimiter {
 public:
  static constexpr std::size_t kMaxClasses = 4;
  static constexpr unsigned kMaxSlots = 65535;

  // Errors: kInvalidArgument for no class or too many of them, a class without
  // a name or with that of another, more slots than kMaxSlots, or more
  // guaranteed than there are slots.
  static Result<std::unique_ptr<SlotLimiter>> Create(
      const SlotOptions& options) noexcept;

  // Of the class at this index of SlotOptions::classes (beyond it: of the
  // last). With the token of a slot of this limiter: inside that one.
  Slot Acquire(std::size_t class_index, SlotToken parent = {}) noexcept;

  // soft: half of the slots, at least one; hard: none. What is held stays.
  void SetLevel(MemoryLevel level) noexcept;

  std::size_t classes() const noexcept { return names_.size(); }
  const std::string& class_name(std::size_t i) const noexcept {
    return names_[i];
  }
  // At the present level: all; and the most that one class may hold.
  unsigned slots() const noexcept;
  unsigned slots_of(std::size_t class_index) const noexcept;
  unsigned in_use(std::size_t class_index) const noexcept;

 private:
  friend class Slot;
  struct Limits {
    std::array<unsigned, kMaxClasses> guaranteed{};
    unsigned shared = 0;
  };

  SlotLimiter() = default;
  static Limits Scale(const Limits& normal, unsigned slots);
  static bool Fits(const Limits& limits, std::uint64_t used,
                   std::size_t class_index) noexcept;
  void Release(std::size_t class_index) noexcept;

  std::vector<std::string> names_;
  std::array<Limits, 3> limits_;  // by MemoryLevel
  std::atomic<std::uint8_t> level_{0};
  // 16 bits for each class. Its own cache line: all CPUs write to it.
  alignas(64) std::atomic<std::uint64_t> used_{0};
};

}  // namespace fodc::guard
