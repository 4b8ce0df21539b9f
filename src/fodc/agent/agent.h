// SPDX-License-Identifier: Apache-2.0
// The agent: its rooms, wired together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fodc/agent/options.h"
#include "fodc/base/status.h"
#include "fodc/net/event_loop.h"

namespace fodc::agent {

// What the agent's loop must have: three workers may hang in the disk, one with
// the recording, one with what is known of the targets and one with the
// incidents, and there must be one more that answers the proxies.
inline constexpr net::EventLoop::Options kLoopOptions{.workers = 4};

// Belongs to the loop's thread.
class Agent {
 public:
  // Starts everything: what was recorded before comes back from the disk, the
  // servers listen, the first scrape begins with the loop. `loop` must outlive
  // the agent.
  // Errors: an address that cannot be listened on. A disk that cannot be
  // written is none: the recording then lives in memory only.
  static Result<std::unique_ptr<Agent>> Start(const Options& options,
                                              Checked checked,
                                              net::EventLoop& loop);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // In good order: no more scrapes, what is not yet on disk goes there, proxies
  // are told, clients get their answers; then `done`. Bounded by some seconds.
  void Stop(const std::string& reason, net::Task done);

  std::uint16_t port() const;

  struct Impl;

 private:
  explicit Agent(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace fodc::agent
