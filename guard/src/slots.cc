// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/slots.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "edge.h"
#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

constexpr unsigned kBitsOfClass = 16;
constexpr unsigned kSlotsOfACpu = 2;

constexpr std::uint64_t OneOf(std::size_t class_index) {
  return std::uint64_t{1} << (kBitsOfClass * class_index);
}

constexpr unsigned UsedOf(std::uint64_t used, std::size_t class_index) {
  return static_cast<unsigned>(used >> (kBitsOfClass * class_index)) & 0xffffu;
}

Status CheckClasses(const std::vector<SlotClass>& classes) {
  if (classes.empty() || classes.size() > SlotLimiter::kMaxClasses) {
    return InvalidArgument(StrCat(classes.size(),
                                  " classes of slots: there must be 1 to ",
                                  SlotLimiter::kMaxClasses));
  }
  for (auto c = classes.begin(); c != classes.end(); ++c) {
    if (c->name.empty()) return InvalidArgument("a class of slots has no name");
    const bool is_twice = std::any_of(
        classes.begin(), c,
        [c](const SlotClass& before) { return before.name == c->name; });
    if (is_twice) {
      return InvalidArgument(
          StrCat("class of slots \"", c->name, "\" is there twice"));
    }
  }
  return OkStatus();
}

// What each class has for itself.
Result<std::vector<unsigned>> Guarantees(const SlotOptions& options,
                                         unsigned slots) {
  std::uint64_t asked = 0;
  std::uint64_t weights = 0;
  unsigned weighted = 0;
  for (const SlotClass& c : options.classes) {
    if (c.guaranteed) {
      asked += *c.guaranteed;
    } else if (c.weight > 0) {
      weights += c.weight;
      ++weighted;
    }
  }
  if (asked > slots) {
    return InvalidArgument(
        StrCat(asked, " slots are guaranteed, but there are ", slots));
  }
  const std::uint64_t rest = slots - asked;
  std::vector<unsigned> guaranteed;
  for (const SlotClass& c : options.classes) {
    if (c.guaranteed) {
      guaranteed.push_back(*c.guaranteed);
    } else if (c.weight == 0) {
      guaranteed.push_back(0);
    } else {
      const std::uint64_t share = rest / 2 * c.weight / weights;
      const std::uint64_t least = rest >= weighted ? 1 : 0;
      guaranteed.push_back(static_cast<unsigned>(std::max(share, least)));
    }
  }
  return guaranteed;
}

}  // namespace

Slot::Slot(Slot&& other) noexcept
    : limiter_(std::exchange(other.limiter_, nullptr)),
      class_index_(other.class_index_),
      is_nested_(other.is_nested_),
      refusal_(other.refusal_) {}

Slot& Slot::operator=(Slot&& other) noexcept {
  if (this == &other) return *this;
  Release();
  limiter_ = std::exchange(other.limiter_, nullptr);
  class_index_ = other.class_index_;
  is_nested_ = other.is_nested_;
  refusal_ = other.refusal_;
  return *this;
}

void Slot::Release() noexcept {
  SlotLimiter* const limiter = std::exchange(limiter_, nullptr);
  if (limiter != nullptr && !is_nested_) limiter->Release(class_index_);
}

Result<std::unique_ptr<SlotLimiter>> SlotLimiter::Create(
    const SlotOptions& options) noexcept {
  return AtEdge([&]() -> Result<std::unique_ptr<SlotLimiter>> {
    FODC_RETURN_IF_ERROR(CheckClasses(options.classes));
    unsigned slots = options.slots;
    if (slots == 0) {
      slots = static_cast<unsigned>(std::min<double>(
          kSlotsOfACpu * std::ceil(ContainerCpus()), kMaxSlots));
    }
    if (slots > kMaxSlots) {
      return InvalidArgument(
          StrCat(slots, " slots are beyond the limit of ", kMaxSlots));
    }
    FODC_ASSIGN_OR_RETURN(const std::vector<unsigned> guaranteed,
                          Guarantees(options, slots));
    std::unique_ptr<SlotLimiter> limiter(new SlotLimiter);
    Limits normal;
    std::copy(guaranteed.begin(), guaranteed.end(), normal.guaranteed.begin());
    normal.shared =
        slots - std::accumulate(guaranteed.begin(), guaranteed.end(), 0u);
    limiter->limits_[0] = normal;
    limiter->limits_[1] = Scale(normal, std::max(slots / 2, 1u));
    for (const SlotClass& c : options.classes) {
      limiter->names_.push_back(c.name);
    }
    return limiter;
  });
}

SlotLimiter::Limits SlotLimiter::Scale(const Limits& normal, unsigned slots) {
  Limits scaled;
  unsigned sum = 0;
  for (std::size_t i = 0; i < kMaxClasses; ++i) {
    const unsigned g = normal.guaranteed[i];
    scaled.guaranteed[i] = g > 0 ? std::max(g / 2, 1u) : 0;
    sum += scaled.guaranteed[i];
  }
  // Not enough for all: then for whoever comes first, rather than for some.
  if (sum > slots) {
    scaled.guaranteed = {};
    sum = 0;
  }
  scaled.shared = slots - sum;
  return scaled;
}

bool SlotLimiter::Fits(const Limits& limits, std::uint64_t used,
                       std::size_t class_index) noexcept {
  if (UsedOf(used, class_index) < limits.guaranteed[class_index]) return true;
  unsigned shared_in_use = 0;
  for (std::size_t i = 0; i < kMaxClasses; ++i) {
    const unsigned in_use = UsedOf(used, i);
    if (in_use > limits.guaranteed[i]) {
      shared_in_use += in_use - limits.guaranteed[i];
    }
  }
  return shared_in_use < limits.shared;
}

Slot SlotLimiter::Acquire(std::size_t class_index, SlotToken parent) noexcept {
  Slot slot;
  class_index = std::min(class_index, names_.size() - 1);
  slot.class_index_ = static_cast<std::uint8_t>(class_index);
  if (parent.IsOf(*this)) {
    slot.limiter_ = this;
    slot.is_nested_ = true;
    return slot;
  }
  const std::uint8_t level = level_.load(std::memory_order_relaxed);
  std::uint64_t used = used_.load(std::memory_order_relaxed);
  while (Fits(limits_[level], used, class_index)) {
    if (used_.compare_exchange_weak(used, used + OneOf(class_index),
                                    std::memory_order_acquire,
                                    std::memory_order_relaxed)) {
      slot.limiter_ = this;
      return slot;
    }
  }
  slot.refusal_ = level > 0 && Fits(limits_[0], used, class_index)
                      ? Refusal::kMemory
                      : Refusal::kFull;
  return slot;
}

void SlotLimiter::Release(std::size_t class_index) noexcept {
  used_.fetch_sub(OneOf(class_index), std::memory_order_release);
}

void SlotLimiter::SetLevel(MemoryLevel level) noexcept {
  level_.store(static_cast<std::uint8_t>(level), std::memory_order_relaxed);
}

unsigned SlotLimiter::slots() const noexcept {
  const Limits& limits = limits_[level_.load(std::memory_order_relaxed)];
  return std::accumulate(limits.guaranteed.begin(), limits.guaranteed.end(),
                         limits.shared);
}

unsigned SlotLimiter::slots_of(std::size_t class_index) const noexcept {
  const Limits& limits = limits_[level_.load(std::memory_order_relaxed)];
  return limits.guaranteed[std::min(class_index, names_.size() - 1)] +
         limits.shared;
}

unsigned SlotLimiter::in_use(std::size_t class_index) const noexcept {
  return UsedOf(used_.load(std::memory_order_relaxed),
                std::min(class_index, names_.size() - 1));
}

}  // namespace fodc::guard
