// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/inflight.h"

#include <algorithm>
#include <utility>

#include "edge.h"
#include "fodc/base/strings.h"

namespace fodc::guard {
namespace {

constexpr unsigned kMostGuaranteedPercent = 50;  // to each of two classes

constexpr std::size_t IndexOf(ByteClass c) {
  return static_cast<std::size_t>(c);
}

// Adds as much of `bytes` as fits under `limit`; all of it, or nothing, if
// `is_whole`. Returns how much.
std::uint64_t AddUpTo(std::atomic<std::uint64_t>* used, std::uint64_t limit,
                      std::uint64_t bytes, bool is_whole) noexcept {
  std::uint64_t now = used->load(std::memory_order_relaxed);
  for (;;) {
    const std::uint64_t room = limit > now ? limit - now : 0;
    const std::uint64_t n = std::min(room, bytes);
    if (n == 0 || (is_whole && n < bytes)) return 0;
    if (used->compare_exchange_weak(now, now + n, std::memory_order_relaxed)) {
      return n;
    }
  }
}

}  // namespace

std::string_view ByteClassName(ByteClass c) noexcept {
  return c == ByteClass::kSmall ? "small_body" : "large_body";
}

RequestBytes::RequestBytes(RequestBytes&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)),
      class_(other.class_),
      declared_bytes_(other.declared_bytes_),
      taken_bytes_(other.taken_bytes_),
      own_bytes_(std::exchange(other.own_bytes_, 0)),
      shared_bytes_(std::exchange(other.shared_bytes_, 0)) {}

RequestBytes& RequestBytes::operator=(RequestBytes&& other) noexcept {
  if (this == &other) return *this;
  GiveAll();
  budget_ = std::exchange(other.budget_, nullptr);
  class_ = other.class_;
  declared_bytes_ = other.declared_bytes_;
  taken_bytes_ = other.taken_bytes_;
  own_bytes_ = std::exchange(other.own_bytes_, 0);
  shared_bytes_ = std::exchange(other.shared_bytes_, 0);
  return *this;
}

Refusal RequestBytes::Take(std::uint64_t bytes) noexcept {
  if (bytes == 0) return Refusal::kNone;
  if (budget_ == nullptr) return Refusal::kFull;
  if (declared_bytes_ && bytes > *declared_bytes_ - taken_bytes_) {
    return Refusal::kTooLarge;
  }
  const std::uint64_t largest = budget_->largest_bytes();
  if (bytes > largest || held_bytes() > largest - bytes) {
    return Refusal::kTooLarge;
  }
  ByteBudget& b = *budget_;
  const std::size_t i = IndexOf(class_);
  const ByteBudget::Limits& limits =
      b.limits_[b.level_.load(std::memory_order_relaxed)];
  const std::uint64_t own = AddUpTo(&b.own_[i], limits.own, bytes, false);
  const std::uint64_t rest = bytes - own;
  if (rest > 0 && AddUpTo(&b.shared_, limits.shared, rest, true) == 0) {
    b.own_[i].fetch_sub(own, std::memory_order_relaxed);
    return b.WhyNot(class_, bytes);
  }
  b.held_[i].fetch_add(bytes, std::memory_order_relaxed);
  taken_bytes_ += bytes;
  own_bytes_ += own;
  shared_bytes_ += rest;
  return Refusal::kNone;
}

std::uint64_t RequestBytes::next_bytes() const noexcept {
  if (budget_ == nullptr) return 0;
  const std::uint64_t unit = budget_->unit_bytes();
  return declared_bytes_ ? std::min(unit, *declared_bytes_ - taken_bytes_)
                         : unit;
}

void RequestBytes::Give(std::uint64_t bytes) noexcept {
  bytes = std::min(bytes, held_bytes());
  if (bytes == 0) return;
  const std::size_t i = IndexOf(class_);
  // What everybody may have comes first.
  const std::uint64_t shared = std::min(bytes, shared_bytes_);
  const std::uint64_t own = bytes - shared;
  shared_bytes_ -= shared;
  own_bytes_ -= own;
  budget_->held_[i].fetch_sub(bytes, std::memory_order_relaxed);
  budget_->shared_.fetch_sub(shared, std::memory_order_relaxed);
  budget_->own_[i].fetch_sub(own, std::memory_order_relaxed);
}

Result<std::unique_ptr<ByteBudget>> ByteBudget::Create(
    const ByteBudgetOptions& options) noexcept {
  return AtEdge([&]() -> Result<std::unique_ptr<ByteBudget>> {
    if (options.budget_bytes == 0 || options.unit_bytes == 0) {
      return InvalidArgument("budget and unit of bytes must be positive");
    }
    if (options.guaranteed_percent > kMostGuaranteedPercent) {
      return InvalidArgument(StrCat(options.guaranteed_percent,
                                    " % guaranteed to each class of bytes is "
                                    "beyond the limit of ",
                                    kMostGuaranteedPercent));
    }
    std::unique_ptr<ByteBudget> budget(new ByteBudget);
    budget->unit_bytes_ = options.unit_bytes;
    const auto limits = [&options](std::uint64_t bytes) {
      // In two steps: the product may be too large for 64 bits.
      const std::uint64_t own = bytes / 100 * options.guaranteed_percent +
                                bytes % 100 * options.guaranteed_percent / 100;
      return Limits{own, bytes - kByteClasses * own};
    };
    budget->limits_[0] = limits(options.budget_bytes);
    budget->limits_[1] = limits(options.budget_bytes / 2);
    if (options.unit_bytes > budget->largest_bytes()) {
      return InvalidArgument(StrCat(
          "a unit of ", options.unit_bytes,
          " bytes never fits into a budget of ", options.budget_bytes, " with ",
          options.guaranteed_percent, " % of it kept for others"));
    }
    return budget;
  });
}

ByteClass ByteBudget::ClassOf(
    std::optional<std::uint64_t> declared_bytes) const noexcept {
  return declared_bytes && *declared_bytes <= unit_bytes_ ? ByteClass::kSmall
                                                          : ByteClass::kLarge;
}

bool ByteBudget::Fits(const Limits& limits, ByteClass c,
                      std::uint64_t bytes) const noexcept {
  const std::uint64_t own = own_[IndexOf(c)].load(std::memory_order_relaxed);
  const std::uint64_t shared = shared_.load(std::memory_order_relaxed);
  const std::uint64_t own_room = limits.own > own ? limits.own - own : 0;
  const std::uint64_t shared_room =
      limits.shared > shared ? limits.shared - shared : 0;
  return bytes <= own_room || bytes - own_room <= shared_room;
}

Refusal ByteBudget::WhyNot(ByteClass c, std::uint64_t bytes) const noexcept {
  return level_.load(std::memory_order_relaxed) > 0 &&
                 Fits(limits_[0], c, bytes)
             ? Refusal::kMemory
             : Refusal::kFull;
}

Refusal ByteBudget::Peek(
    std::optional<std::uint64_t> declared_bytes) const noexcept {
  const ByteClass c = ClassOf(declared_bytes);
  if (declared_bytes && *declared_bytes > largest_bytes()) {
    return Refusal::kTooLarge;
  }
  const std::uint64_t first =
      std::min(unit_bytes_, declared_bytes.value_or(unit_bytes_));
  if (Fits(limits_[level_.load(std::memory_order_relaxed)], c, first)) {
    return Refusal::kNone;
  }
  return WhyNot(c, first);
}

RequestBytes ByteBudget::Begin(
    std::optional<std::uint64_t> declared_bytes) noexcept {
  RequestBytes request;
  request.budget_ = this;
  request.class_ = ClassOf(declared_bytes);
  request.declared_bytes_ = declared_bytes;
  return request;
}

void ByteBudget::SetLevel(MemoryLevel level) noexcept {
  level_.store(static_cast<std::uint8_t>(level), std::memory_order_relaxed);
}

std::uint64_t ByteBudget::budget_bytes() const noexcept {
  const Limits& limits = limits_[level_.load(std::memory_order_relaxed)];
  return limits.shared + kByteClasses * limits.own;
}

std::uint64_t ByteBudget::held_bytes() const noexcept {
  return held_bytes(ByteClass::kSmall) + held_bytes(ByteClass::kLarge);
}

std::uint64_t ByteBudget::held_bytes(ByteClass c) const noexcept {
  return held_[IndexOf(c)].load(std::memory_order_relaxed);
}

}  // namespace fodc::guard
