// SPDX-License-Identifier: Apache-2.0
// Bytes of requests in flight: taken before they are read, given back after
// the final outcome, never more than the budget in all. No queue, no lock.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/guard/memory_level.h"
#include "fodc/guard/refusal.h"

namespace fodc::guard {

struct ByteBudgetOptions {
  std::uint64_t budget_bytes = std::uint64_t{256} << 20;
  // A body is taken in pieces of this size, so that it holds no more than what
  // it has read.
  std::uint64_t unit_bytes = std::uint64_t{1} << 20;
  // Of the budget, guaranteed to small requests (declared to be at most one
  // unit) and as much to large ones; the rest is for whoever comes first. So
  // neither many small ones nor few large ones shut the others out.
  unsigned guaranteed_percent = 12;
};

enum class ByteClass : std::uint8_t { kSmall, kLarge };
inline constexpr std::size_t kByteClasses = 2;
// "small_body", "large_body": values of the label `class`.
std::string_view ByteClassName(ByteClass c) noexcept;

class ByteBudget;

// What one request holds. Given back by Give and the destructor, whatever the
// way out. One thread at a time. Must not outlive its budget.
class RequestBytes {
 public:
  RequestBytes() = default;  // of nobody: takes nothing
  RequestBytes(RequestBytes&& other) noexcept;
  RequestBytes& operator=(RequestBytes&& other) noexcept;
  ~RequestBytes() { GiveAll(); }
  RequestBytes(const RequestBytes&) = delete;
  RequestBytes& operator=(const RequestBytes&) = delete;

  // Before the next piece of the body is read. All or nothing. kTooLarge: more
  // than was declared, or than could ever be held.
  [[nodiscard]] Refusal Take(std::uint64_t bytes) noexcept;
  // The next piece: one unit, or what is left of the declared length (0 at its
  // end).
  std::uint64_t next_bytes() const noexcept;
  // When the outcome of these is final, retries included. At most what is held.
  void Give(std::uint64_t bytes) noexcept;
  void GiveAll() noexcept { Give(held_bytes()); }

  std::uint64_t held_bytes() const noexcept {
    return own_bytes_ + shared_bytes_;
  }
  ByteClass byte_class() const noexcept { return class_; }

 private:
  friend class ByteBudget;
  ByteBudget* budget_ = nullptr;
  ByteClass class_ = ByteClass::kLarge;
  std::optional<std::uint64_t> declared_bytes_;
  std::uint64_t taken_bytes_ = 0;   // since its begin
  std::uint64_t own_bytes_ = 0;     // of what is guaranteed to its class
  std::uint64_t shared_bytes_ = 0;  // of the rest
};

// Thread-safe, lock-free.
class ByteBudget {
 public:
  // Errors: kInvalidArgument for a budget or unit of 0, a unit larger than the
  // budget, or more than 50 % guaranteed to each class.
  static Result<std::unique_ptr<ByteBudget>> Create(
      const ByteBudgetOptions& options) noexcept;

  // At the door, before anything is read: would the first piece be admitted?
  // Takes nothing, or every request were charged twice. A declared length
  // beyond what could ever be held is kTooLarge at once.
  [[nodiscard]] Refusal Peek(
      std::optional<std::uint64_t> declared_bytes) const noexcept;

  // Holds nothing yet. Without a declared length it counts as large.
  RequestBytes Begin(std::optional<std::uint64_t> declared_bytes) noexcept;

  // soft: half of the budget; hard: nothing new. What is held stays.
  void SetLevel(MemoryLevel level) noexcept;

  std::uint64_t budget_bytes() const noexcept;  // at the present level
  std::uint64_t held_bytes() const noexcept;
  std::uint64_t held_bytes(ByteClass c) const noexcept;
  ByteClass ClassOf(std::optional<std::uint64_t> declared_bytes) const noexcept;
  std::uint64_t unit_bytes() const noexcept { return unit_bytes_; }
  // The most that one request could ever hold: what is guaranteed to the other
  // class is not for it.
  std::uint64_t largest_bytes() const noexcept {
    return limits_[0].own + limits_[0].shared;
  }

 private:
  friend class RequestBytes;
  struct Limits {
    std::uint64_t own = 0;  // of each class
    std::uint64_t shared = 0;
  };

  ByteBudget() = default;
  // Why `bytes` do not fit just now.
  Refusal WhyNot(ByteClass c, std::uint64_t bytes) const noexcept;
  bool Fits(const Limits& limits, ByteClass c,
            std::uint64_t bytes) const noexcept;

  std::uint64_t unit_bytes_ = 0;
  std::array<Limits, 3> limits_;  // by MemoryLevel
  std::atomic<std::uint8_t> level_{0};
  std::array<std::atomic<std::uint64_t>, kByteClasses> own_{};
  std::atomic<std::uint64_t> shared_{0};
  std::array<std::atomic<std::uint64_t>, kByteClasses> held_{};
};

}  // namespace fodc::guard
