// SPDX-License-Identifier: Apache-2.0
// Workload isolation: what keeps one hot client or command from starving a
// node. Slots for heavy commands, shares of each peer, connections of each
// address, and bytes in flight, linked to the level of memory. The parts work
// one by one, too (slots.h, inflight.h, peers.h); this is all of them with
// their metrics.
//
//   const HeavyWork work = isolation->Admit({.class_index = *heavy,
//                                            .peer = user});
//   if (!work.admitted()) return Error(kBusyText);
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/guard/event.h"
#include "fodc/guard/inflight.h"
#include "fodc/guard/memory_level.h"
#include "fodc/guard/metrics.h"
#include "fodc/guard/peers.h"
#include "fodc/guard/refusal.h"
#include "fodc/guard/slots.h"

namespace fodc::guard {

struct IsolationOptions {
  SlotOptions slots = {};
  // Heavy commands of one identity at once. 0: no limit.
  unsigned heavy_per_peer = 8;
  ByteBudgetOptions bytes = {};
  // 0: no limit.
  unsigned connections_per_address = 512;
  // How long the level must have been lower before limits are given back, one
  // level at a time.
  std::chrono::nanoseconds restore_after = std::chrono::seconds(5);
  // Level changes of the limits.
  EventSink on_event = {};
  // Must outlive the object. None: nothing is counted.
  Metrics* metrics = nullptr;
  // Must outlive the object. None: the machine's.
  const Clock* clock = nullptr;
};

// What nested work inherits. Must not outlive the work that it is of.
class WorkToken {
 public:
  WorkToken() = default;  // of no work

 private:
  friend class HeavyWork;
  friend class Isolation;
  SlotToken slot_;
  MonotonicTime deadline_ = MonotonicTime::max();
  const std::atomic<bool>* cancelled_ = nullptr;
};

struct HeavyRequest {
  std::size_t class_index = 0;  // of SlotOptions::classes
  // Who asks: a user, a token's owner, else an address. The node's own clients
  // have one, too. Empty: not counted.
  std::string_view peer = {};
  // Of the request. Nested work never gets a later one than the work around
  // it.
  MonotonicTime deadline = MonotonicTime::max();
  // True once the client is gone; must outlive the work. Of nested work it is
  // that of the work around it.
  const std::atomic<bool>* cancelled = nullptr;
  // Of the work around this one: no second slot, no second share.
  WorkToken parent = {};
};

class Isolation;

// A heavy command that runs, or why it may not. What it holds is given back
// once: by Release or the destructor. A command that blocks releases before it
// parks, and asks again for its next step. One thread at a time. Must not
// outlive its Isolation.
class HeavyWork {
 public:
  HeavyWork() = default;
  HeavyWork(HeavyWork&& other) noexcept;
  HeavyWork& operator=(HeavyWork&& other) noexcept;
  ~HeavyWork() { Release(); }
  HeavyWork(const HeavyWork&) = delete;
  HeavyWork& operator=(const HeavyWork&) = delete;

  bool admitted() const noexcept { return slot_.admitted(); }
  Refusal refusal() const noexcept { return refusal_; }
  WorkToken token() const noexcept;
  // The earliest of the request's and of all work around it.
  MonotonicTime deadline() const noexcept { return deadline_; }
  // Its deadline has passed, or its client is gone. To be asked between steps.
  bool IsCancelled(MonotonicTime now) const noexcept;
  void Release() noexcept;

 private:
  friend class Isolation;
  Slot slot_;
  PeerHold peer_;
  Gauge* in_use_ = nullptr;
  MonotonicTime deadline_ = MonotonicTime::max();
  const std::atomic<bool>* cancelled_ = nullptr;
  Refusal refusal_ = Refusal::kNone;
};

// Thread-safe.
class Isolation {
 public:
  // Errors: as of the parts; kInvalidArgument for a negative restore_after.
  static Result<std::unique_ptr<Isolation>> Create(
      const IsolationOptions& options) noexcept;
  ~Isolation();
  Isolation(const Isolation&) = delete;
  Isolation& operator=(const Isolation&) = delete;

  // At once: admitted, or not.
  HeavyWork Admit(const HeavyRequest& request) noexcept;

  // A new connection. Refused: say kConnectionsText if should_tell(), close.
  PeerHold Connect(std::string_view address) noexcept;

  // As ByteBudget::Peek; refusals are counted.
  [[nodiscard]] Refusal PeekBytes(
      std::optional<std::uint64_t> declared_bytes) noexcept;
  // As ByteBudget::Begin.
  RequestBytes BeginBytes(std::optional<std::uint64_t> declared_bytes) noexcept;
  // As RequestBytes::Take of one of this object's; the pieces are counted.
  [[nodiscard]] Refusal TakeBytes(RequestBytes* request,
                                  std::uint64_t bytes) noexcept;

  // At every change of the level, or more often. Higher: the limits go down at
  // once. Lower: they come back when it has lasted, at the next refusal, call
  // of this or of limits_level().
  void SetMemoryLevel(MemoryLevel level) noexcept;
  // The level that the limits are for.
  MemoryLevel limits_level() noexcept;

  // To be called before the metrics are shown: brings gauges up to date.
  void UpdateMetrics() noexcept;

  SlotLimiter& slots() noexcept;
  ByteBudget& bytes() noexcept;
  PeerLimit& heavy_peers() noexcept;
  PeerLimit& connections() noexcept;

 private:
  struct Impl;
  explicit Isolation(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::guard
