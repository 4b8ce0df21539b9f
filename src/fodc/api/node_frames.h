// SPDX-License-Identifier: Apache-2.0
// What a node shows at one instant: the frames that are fresh then, and its
// `up` 0 where there are none.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/fleet/agent.h"
#include "fodc/fleet/mirror.h"
#include "fodc/recorder/series_pool.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::api {

struct NodeFrames {
  fleet::Agent agent;
  // What the views of the frames are of.
  std::shared_ptr<const recorder::Snapshot> keep;
  std::vector<recorder::SourceFrame> frames;
  bool is_down = false;  // there is nothing but `up` 0
  // There is nothing, for what there is has not arrived yet.
  bool is_catching_up = false;
};

// Of one node, whatever the age.
struct NodeNews {
  // The fresh ones if there are any, else the newest of each source. Views as
  // those of Recording::Latest.
  std::vector<recorder::SourceFrame> frames;
  bool is_silent = false;       // none is fresh
  bool is_catching_up = false;  // ... yet
  // Of the newest frame; nothing if there never was one.
  std::optional<std::chrono::milliseconds> age;
};

// Whether the agent is connected, but its newest frames are still on their way,
// or it is to come back because the proxy was away: nobody knows yet how its
// node is.
bool IsCatchingUp(const fleet::Agent& agent, const fleet::Mirror& mirror,
                  MonotonicTime now);

// Whether the frame is no older than two of its node's intervals.
bool IsFresh(const fleet::Mirror& mirror, const recorder::SourceFrame& frame,
             MonotonicTime now);

// Whether the recording tells what the node showed at an instant: from its
// oldest frame until now, or until its newest one while it is catching up. A
// silent node is one that is down.
bool Covers(const fleet::Agent& agent, const fleet::Mirror& mirror,
            std::int64_t unix_ms, MonotonicTime now, std::int64_t now_unix_ms);

NodeNews NewestOf(const fleet::Agent& agent, const fleet::Mirror& mirror,
                  MonotonicTime now, std::int64_t now_unix_ms);

// Makes the frames. Not thread-safe.
class NodeFrameReader {
 public:
  NodeFrameReader();

  // The newest scrapes, if they are no older than two of the agent's
  // intervals. A node without any shows only its `up`, as it last had them,
  // with the value 0, or nothing while it is catching up. Unless `keeps`, the
  // views are valid until the mirror changes.
  NodeFrames Latest(const fleet::Agent& agent, const fleet::Mirror& mirror,
                    MonotonicTime now, std::int64_t now_unix_ms,
                    bool keeps) const;
  // The same at an instant of the window.
  NodeFrames At(const fleet::Agent& agent, const fleet::Mirror& mirror,
                std::int64_t unix_ms) const;
  // Of a node of which nothing is known.
  NodeFrames Down(const fleet::Agent& agent, std::int64_t unix_ms) const;

 private:
  void AddDown(const std::vector<recorder::SourceFrame>& stale,
               std::int64_t unix_ms, NodeFrames* node) const;

  recorder::SeriesPool pool_;
  recorder::SeriesRef up_;
};

}  // namespace fodc::api
