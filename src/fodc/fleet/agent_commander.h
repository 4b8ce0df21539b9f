// SPDX-License-Identifier: Apache-2.0
// How the proxy's API asks agents: declared here, implemented by room link, so
// that the two never include each other.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/base/status.h"
#include "fodc/exposition/metric.h"
#include "fodc/fleet/agent.h"
#include "fodc/net/unique_function.h"

namespace fodc::fleet {

// One sample of a v1 agent's answer.
struct MetricSample {
  std::string name;
  // Sorted by name. With the agent's identity labels, and with node_<label> of
  // its registration where the sample had none.
  std::vector<std::pair<std::string, std::string>> labels;
  double value = 0;
  std::string help;
  exposition::MetricType type = exposition::MetricType::kUnknown;
  std::int64_t unix_ms = 0;  // its own time, else the message's, else receipt
};

struct MetricsAnswer {
  std::vector<MetricSample> samples;
  std::int64_t unix_ms = 0;  // of the message
  // Left out: their name, or that of a label, is none that a page can bear.
  std::uint64_t refused_samples = 0;
  std::size_t bytes = 0;  // of memory, about
};

// Inclusive; nothing at all means the newest value of every series.
struct MetricsQuestion {
  std::optional<UnixTime> start;
  std::optional<UnixTime> end;
  friend bool operator==(const MetricsQuestion&,
                         const MetricsQuestion&) = default;
};

// How long v1 gives an agent for this question: 10 s, or for a window its
// length and 5 s, at most 5 min.
std::chrono::nanoseconds V1AnswerTime(const MetricsQuestion& question);

// The proxy's loop only.
class AgentCommander {
 public:
  using MetricsCallback =
      net::UniqueFunction<void(Result<std::shared_ptr<const MetricsAnswer>>)>;

  virtual ~AgentCommander() = default;

  // Asks a v1 agent. Callers with the same question share one round; others
  // wait their turn. `done` is called exactly once, on the loop, never inside
  // the call, at `deadline` at the latest.
  // Errors: kNotFound for an unknown agent, kUnavailable if it cannot be asked,
  // leaves, or left several questions in a row unanswered (it is tried again in
  // the background), kDeadlineExceeded, kResourceExhausted when too many wait.
  virtual void RequestMetrics(const AgentId& agent,
                              const MetricsQuestion& question,
                              MonotonicTime deadline, MetricsCallback done) = 0;
};

}  // namespace fodc::fleet
