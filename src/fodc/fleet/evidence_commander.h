// SPDX-License-Identifier: Apache-2.0
// How the proxy asks agents for evidence: declared here, implemented by room
// link, so that it and the API never include each other.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/fleet/agent.h"
#include "fodc/net/http_message.h"
#include "fodc/net/unique_function.h"

namespace fodc::fleet {

// How who asks says that it wants no answer any more. The proxy's loop only.
class Withdrawal {
 public:
  // At most one effect, and none once the answer is there: `done` then gets
  // kCancelled.
  void Withdraw() {
    if (const auto withdrawn = std::exchange(on_withdrawn_, nullptr)) {
      withdrawn();
    }
  }
  // For who is asked: what to call; null once it has answered.
  void Listen(std::function<void()> on_withdrawn) {
    on_withdrawn_ = std::move(on_withdrawn);
  }

 private:
  std::function<void()> on_withdrawn_;
};

struct EvidenceQuestion {
  std::string event_id;
  // A file of the event; empty: its capsule, whole, which has no offset.
  std::string artifact;
  std::uint64_t offset = 0;
  // From there on; nothing: to the end.
  std::optional<std::uint64_t> length;
  // Null: it is never withdrawn.
  std::shared_ptr<Withdrawal> withdrawal{};
};

struct EvidenceAnswer {
  // Of the whole artifact; nothing for a capsule, and where a v1 agent did not
  // tell.
  std::optional<std::uint64_t> size_bytes;
  std::string sha256;  // of the whole artifact; empty: not known
  std::uint32_t revision = 0;
  // Bytes from `offset` on, as they come. Whoever does not ask for more makes
  // the agent wait, and nobody else. A failure (agent gone, file gone, cut)
  // comes out of Next. Destroyed early: the agent is told to stop.
  std::unique_ptr<net::BodySource> body;
};

// The proxy's loop only. Every callback is called exactly once, on the loop,
// never inside the call, at `deadline` at the latest.
class EvidenceCommander {
 public:
  using FetchCallback = net::UniqueFunction<void(Result<EvidenceAnswer>)>;
  using DoneCallback = net::UniqueFunction<void(Status)>;

  virtual ~EvidenceCommander() = default;

  // Has v1 agents tell their events anew (flight agents tell them by
  // themselves). Callers of the same time share one round. OK when all of
  // `agents` have answered; whatever came is in Fleet's events by then.
  // Errors: kDeadlineExceeded, kUnavailable naming who did not.
  virtual void RefreshEvents(const std::vector<AgentId>& agents,
                             MonotonicTime deadline, DoneCallback done) = 0;

  // `done` has the answer when its first byte can be had; `deadline` is for
  // that. From then on each further piece must come within 30 s of being asked
  // for.
  // Errors: kNotFound (agent, event, artifact), kUnavailable (not connected,
  // goes away, too many at once), kUnimplemented (a capsule, or an offset, of
  // a v1 agent), kDeadlineExceeded, kCancelled (withdrawn), and what the agent
  // said.
  virtual void Fetch(const AgentId& agent, const EvidenceQuestion& question,
                     MonotonicTime deadline, FetchCallback done) = 0;

  // Pins an event on the agent, or takes the pin away.
  // Errors: as Fetch; kResourceExhausted when too much is pinned there.
  virtual void Pin(const AgentId& agent, const std::string& event_id,
                   bool pinned, MonotonicTime deadline, DoneCallback done) = 0;
};

}  // namespace fodc::fleet
