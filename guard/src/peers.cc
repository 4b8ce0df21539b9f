// SPDX-License-Identifier: Apache-2.0
#include "fodc/guard/peers.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <string>
#include <unordered_map>

#include "edge.h"
#include "fodc/base/mutex.h"

namespace fodc::guard {
namespace {

struct Peer {
  unsigned held = 0;
  unsigned refusals = 0;  // since window_begin
  MonotonicTime window_begin;
};

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view s) const {
    return std::hash<std::string_view>()(s);
  }
};

using Table = std::unordered_map<std::string, Peer, Hash, std::equal_to<>>;

constexpr std::size_t kShards = 16;

// Not the bits that the table itself goes by.
std::size_t ShardOf(std::string_view peer) {
  return (Hash()(peer) >> 48) % kShards;
}

}  // namespace

struct PeerLimit::Impl {
  struct alignas(64) Shard {
    mutable Mutex mutex;
    Table table FODC_GUARDED_BY(mutex);
  };

  Impl(const PeerLimitOptions& o, const Clock& c) : options(o), clock(c) {}

  // Whether the peer may still be told.
  bool CountRefusal(Peer* peer) const {
    const MonotonicTime now = clock.Monotonic();
    if (peer->refusals == 0 || now - peer->window_begin > options.told_window) {
      peer->window_begin = now;
      peer->refusals = 0;
    }
    if (peer->refusals >= options.told_refusals) return false;
    ++peer->refusals;
    return true;
  }

  PeerHold Acquire(PeerLimit* limit, std::string_view name);
  void Release(std::size_t shard, void* entry);

  const PeerLimitOptions options;
  const Clock& clock;
  std::array<Shard, kShards> shards;
  std::atomic<std::size_t> peers{0};
};

PeerHold PeerLimit::Impl::Acquire(PeerLimit* limit, std::string_view name) {
  PeerHold hold;
  hold.shard_ = ShardOf(name);
  Shard& shard = shards[hold.shard_];
  const MutexLock lock(shard.mutex);
  auto found = shard.table.find(name);
  if (found == shard.table.end()) {
    if (peers.fetch_add(1, std::memory_order_relaxed) >= options.max_peers) {
      peers.fetch_sub(1, std::memory_order_relaxed);
      hold.refusal_ = Refusal::kPeerTable;
      return hold;
    }
    try {
      found = shard.table.emplace(name, Peer()).first;
    } catch (...) {
      peers.fetch_sub(1, std::memory_order_relaxed);
      throw;
    }
  }
  Peer& peer = found->second;
  if (options.max_per_peer > 0 && peer.held >= options.max_per_peer) {
    hold.refusal_ = Refusal::kPeer;
    hold.should_tell_ = CountRefusal(&peer);
    return hold;
  }
  ++peer.held;
  hold.limit_ = limit;
  hold.entry_ = &*found;
  return hold;
}

void PeerLimit::Impl::Release(std::size_t index, void* entry) {
  Shard& shard = shards[index];
  const MutexLock lock(shard.mutex);
  auto* const peer = static_cast<Table::value_type*>(entry);
  if (--peer->second.held > 0) return;
  shard.table.erase(shard.table.find(peer->first));
  peers.fetch_sub(1, std::memory_order_relaxed);
}

PeerHold::PeerHold(PeerHold&& other) noexcept
    : limit_(other.limit_),
      entry_(std::exchange(other.entry_, nullptr)),
      shard_(other.shard_),
      refusal_(other.refusal_),
      should_tell_(other.should_tell_) {}

PeerHold& PeerHold::operator=(PeerHold&& other) noexcept {
  if (this == &other) return *this;
  Release();
  limit_ = other.limit_;
  entry_ = std::exchange(other.entry_, nullptr);
  shard_ = other.shard_;
  refusal_ = other.refusal_;
  should_tell_ = other.should_tell_;
  return *this;
}

void PeerHold::Release() noexcept {
  void* const entry = std::exchange(entry_, nullptr);
  if (entry != nullptr) limit_->impl_->Release(shard_, entry);
}

PeerLimit::PeerLimit(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PeerLimit::~PeerLimit() = default;

Result<std::unique_ptr<PeerLimit>> PeerLimit::Create(
    const PeerLimitOptions& options, const Clock& clock) noexcept {
  return AtEdge([&]() -> Result<std::unique_ptr<PeerLimit>> {
    if (options.max_peers == 0) {
      return InvalidArgument("there must be room for a peer");
    }
    if (options.told_window <= std::chrono::nanoseconds(0)) {
      return InvalidArgument("the window of told refusals must be positive");
    }
    return std::unique_ptr<PeerLimit>(
        new PeerLimit(std::make_unique<Impl>(options, clock)));
  });
}

PeerHold PeerLimit::Acquire(std::string_view peer) noexcept {
  try {
    return impl_->Acquire(this, peer);
  } catch (...) {
    PeerHold hold;
    hold.refusal_ = Refusal::kPeerTable;
    return hold;
  }
}

unsigned PeerLimit::held_by(std::string_view peer) const noexcept {
  const Impl::Shard& shard = impl_->shards[ShardOf(peer)];
  const MutexLock lock(shard.mutex);
  const auto found = shard.table.find(peer);
  return found == shard.table.end() ? 0 : found->second.held;
}

std::size_t PeerLimit::peers() const noexcept {
  return impl_->peers.load(std::memory_order_relaxed);
}

std::pair<unsigned, unsigned> SplitOwnPools(unsigned cap, unsigned first,
                                            unsigned second) noexcept {
  const std::uint64_t wanted = std::uint64_t{first} + second;
  if (cap == 0 || wanted <= cap) return {first, second};
  // One each before either has two.
  const unsigned most = second > 0 && cap > 1 ? cap - 1 : cap;
  const auto share = static_cast<unsigned>(std::uint64_t{cap} * first / wanted);
  const unsigned own = std::min(std::max(share, first > 0 ? 1u : 0u), most);
  return {own, cap - own};
}

}  // namespace fodc::guard
