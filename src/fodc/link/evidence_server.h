// SPDX-License-Identifier: Apache-2.0
// An event store as the loop may ask for it: the agent's for the link, a
// proxy's for its copies. What blocks is done by one worker of the loop's pool
// at a time, so that a slow disk holds up neither the loop nor who else has
// work for the pool.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "fodc/evidence/event_store.h"
#include "fodc/evidence/retention.h"
#include "fodc/link/evidence_source.h"
#include "fodc/net/event_loop.h"

namespace fodc::link {

// Belongs to the loop's thread.
class EvidenceServer final : public EvidenceSource {
 public:
  struct Options {
    evidence::RetentionLimits retention{};  // how much may be pinned
    std::size_t max_listed = 256;           // the newest events
    std::size_t max_waiting = 256;          // questions; beyond: kUnavailable
  };

  // `loop` must outlive it. `on_changed` is called when an event was pinned, or
  // no longer is.
  EvidenceServer(net::EventLoop& loop, const Options& options,
                 std::function<void()> on_changed);
  ~EvidenceServer() override;

  // Until then every answer is kUnavailable. Once; kept for what runs when the
  // server goes.
  void set_store(std::shared_ptr<evidence::EventStore> store) {
    store_ = std::move(store);
  }

  void List(ListCallback done) override;
  void Open(const EvidenceWish& wish, OpenCallback done) override;
  void Pin(const std::string& event_id, bool pinned,
           DoneCallback done) override;
  const std::string& root() const override;

 private:
  class Queue;
  class Reader;

  std::shared_ptr<evidence::EventStore> store_;  // null: it is not open yet
  const Options options_;
  const std::function<void()> on_changed_;
  const std::shared_ptr<Queue> queue_;
};

}  // namespace fodc::link
