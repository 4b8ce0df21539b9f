// SPDX-License-Identifier: Apache-2.0
// How much each peer holds of something: heavy commands by identity,
// connections by address. A peer that holds nothing takes no memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/guard/refusal.h"

namespace fodc::guard {

struct PeerLimitOptions {
  // 0: counted, never refused.
  unsigned max_per_peer = 8;
  // Peers that hold something at once; more are refused.
  std::size_t max_peers = 65536;
  // Refusals of one peer within the window that it is still told of.
  unsigned told_refusals = 10;
  std::chrono::nanoseconds told_window = std::chrono::seconds(1);
};

class PeerLimit;

// One of what a peer holds, or why it gets none. Given back once. May go to
// whoever cleans up (a connection that turned into a subscription). Must not
// outlive its limit. One thread at a time.
class PeerHold {
 public:
  PeerHold() = default;  // of nobody; admitted() is false
  PeerHold(PeerHold&& other) noexcept;
  PeerHold& operator=(PeerHold&& other) noexcept;
  ~PeerHold() { Release(); }
  PeerHold(const PeerHold&) = delete;
  PeerHold& operator=(const PeerHold&) = delete;

  bool admitted() const noexcept { return entry_ != nullptr; }
  Refusal refusal() const noexcept { return refusal_; }
  // Of a refused one: false if this peer was told often enough just now, and
  // is to be left without a word.
  bool should_tell() const noexcept { return should_tell_; }
  // A second time does nothing.
  void Release() noexcept;

 private:
  friend class PeerLimit;
  PeerLimit* limit_ = nullptr;
  void* entry_ = nullptr;  // in the table
  std::size_t shard_ = 0;
  Refusal refusal_ = Refusal::kNone;
  bool should_tell_ = true;
};

// Thread-safe. Takes a short lock, of one in 16 of the peers.
class PeerLimit {
 public:
  // `clock` must outlive the object.
  // Errors: kInvalidArgument for room for no peer, or a window that is not
  // positive.
  static Result<std::unique_ptr<PeerLimit>> Create(
      const PeerLimitOptions& options, const Clock& clock) noexcept;
  ~PeerLimit();
  PeerLimit(const PeerLimit&) = delete;
  PeerLimit& operator=(const PeerLimit&) = delete;

  // `peer`: an identity or an address, without its port. Without memory the
  // answer is kPeerTable.
  PeerHold Acquire(std::string_view peer) noexcept;

  // What it holds now.
  unsigned held_by(std::string_view peer) const noexcept;
  // Peers that hold something.
  std::size_t peers() const noexcept;

 private:
  friend class PeerHold;
  struct Impl;
  explicit PeerLimit(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// How many connections each of a node's own two pools towards its peers may
// open, so that both together fit under the cap that the peers set: the wanted
// numbers, or fewer in the same proportion. A cap of 1 gives 1 and 0: the
// second pool borrows from the first. 0 is no cap.
std::pair<unsigned, unsigned> SplitOwnPools(unsigned cap, unsigned first,
                                            unsigned second) noexcept;

}  // namespace fodc::guard
