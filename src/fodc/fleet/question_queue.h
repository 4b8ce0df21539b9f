// SPDX-License-Identifier: Apache-2.0
// The questions to one v1 agent. Its answers name no question, so only one is
// ever open; a question given up still has an answer coming, which must not be
// taken for the answer to the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/fleet/agent_commander.h"

namespace fodc::fleet {

// Not thread-safe: the proxy's loop owns it. Callbacks run inside OnAnswer,
// OnTick and Close.
class QuestionQueue {
 public:
  using Callback = AgentCommander::MetricsCallback;
  using Answer = std::shared_ptr<const MetricsAnswer>;

  struct Options {
    std::size_t max_waiting = 256;  // callers; beyond: kResourceExhausted
    // An agent that owes an answer to a question given up is not asked again
    // before the answer came or this has passed since it was asked (a message
    // of v1 may be lost: a failed send is no answer).
    std::chrono::nanoseconds forget_owed = std::chrono::minutes(5);
  };
  struct Stats {
    std::uint64_t asked = 0;   // questions sent
    std::uint64_t shared = 0;  // callers that joined one
    std::uint64_t answered = 0;
    std::uint64_t timed_out = 0;  // callers
    std::uint64_t late = 0;       // answers that nobody waited for any more
    std::uint64_t unasked = 0;    // answers without any question
  };

  // `send` puts a question on the agent's stream.
  QuestionQueue(const Clock& clock, const Options& options,
                std::function<void(const MetricsQuestion&)> send);

  // Joins the open question, if it is this one and not given up, or one that
  // waits; else queues. Sends at once if nothing is open.
  void Ask(const MetricsQuestion& question, MonotonicTime deadline,
           Callback done);
  // The agent answered something.
  void OnAnswer(Answer answer);
  // It said something that nobody asked for.
  void OnUnasked() { ++stats_.unasked; }
  // Gives up what is past its deadline. Returns when to be called next;
  // MonotonicTime::max() if nothing waits.
  MonotonicTime OnTick();
  // The agent is gone: everybody gets `status`.
  void Close(const Status& status);

  bool open() const { return open_; }
  const Stats& stats() const { return stats_; }

 private:
  struct Waiter {
    MonotonicTime deadline;
    Callback done;
  };
  struct Round {
    MetricsQuestion question;
    std::vector<Waiter> waiters;
  };
  void SendNext();

  const Clock& clock_;
  const Options options_;
  const std::function<void(const MetricsQuestion&)> send_;
  bool open_ = false;       // asked, no answer yet; the front of rounds_
  bool abandoned_ = false;  // ... and nobody waits for it any more
  MonotonicTime asked_at_;
  std::deque<Round> rounds_;
  std::size_t waiting_ = 0;
  Stats stats_;
};

}  // namespace fodc::fleet
