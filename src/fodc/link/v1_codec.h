// SPDX-License-Identifier: Apache-2.0
// For this room only: banyandb.fodc.v1's metrics, to and from our words.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "banyandb/fodc/v1/rpc.pb.h"
#include "fodc/base/clock.h"
#include "fodc/fleet/agent.h"
#include "fodc/fleet/agent_commander.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::link {

using V1Answer = banyandb::fodc::v1::StreamMetricsRequest;

struct V1AnswerOptions {
  // v1 has no way to say an answer in several messages; beyond this, the oldest
  // whole seconds of a window go.
  std::size_t max_bytes = 32u << 20;
  // A newest frame that was read before this (monotonic), or in another life
  // than this one, is no news: a node that is gone must not look alive. 0: all
  // are told.
  recorder::Incarnation incarnation = 0;
  std::int64_t fresh_from_ms = 0;
};

struct V1AnswerStats {
  std::uint64_t samples = 0;
  std::uint64_t dropped_samples = 0;  // beyond max_bytes
};

// What `question` gets out of the recording, encoded (a StreamMetricsRequest:
// as objects, a large window would take ten times the memory): the newest value
// of every series, or one metric for each sample in the window, stamped with
// its whole second. Identity labels are merged in; a series' own label of such
// a name is kept as exported_<name>. `identity` is the agent's own. Any thread.
std::string EncodeV1Answer(const recorder::Snapshot& snapshot,
                           const fleet::AgentIdentity& identity,
                           const fleet::MetricsQuestion& question, UnixTime now,
                           const V1AnswerOptions& options,
                           V1AnswerStats* stats);

// An agent's answer in our words. `registered` are the labels that the agent
// registered: each becomes node_<label> where a sample has none. Samples with
// names that no page can bear are left out and counted. Any thread.
std::shared_ptr<const fleet::MetricsAnswer> TakeV1Answer(
    V1Answer* from, const fleet::Labels& registered, UnixTime received);

void PutQuestion(const fleet::MetricsQuestion& question,
                 banyandb::fodc::v1::StreamMetricsResponse* out);
fleet::MetricsQuestion TakeQuestion(
    const banyandb::fodc::v1::StreamMetricsResponse& from);

}  // namespace fodc::link
