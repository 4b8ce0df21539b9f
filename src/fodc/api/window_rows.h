// SPDX-License-Identifier: Apache-2.0
// What /metrics-windows answers with, before it is put into words: one row for
// each series of each node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/api/node_frames.h"
#include "fodc/api/request_filter.h"
#include "fodc/exposition/identity.h"
#include "fodc/exposition/selector.h"
#include "fodc/fleet/agent.h"
#include "fodc/fleet/agent_commander.h"
#include "fodc/recorder/snapshot.h"

namespace fodc::api {

// Views are valid until the next row is asked for.
struct WindowRow {
  const fleet::Agent* agent = nullptr;
  std::string_view name;
  std::string_view help;
  std::string_view pod_name;
  const std::vector<exposition::Label>* labels = nullptr;  // merged, sorted
  std::span<const std::int64_t> unix_ms;
  std::span<const double> values;
};

// Yields rows, one after the other.
class WindowRows {
 public:
  virtual ~WindowRows() = default;
  // False at the end.
  virtual bool Next(WindowRow* row) = 0;
};

// The identities of a node's sources, by container name.
class NodeIdentities {
 public:
  explicit NodeIdentities(const fleet::Agent& agent) : agent_(agent) {}
  const std::shared_ptr<const exposition::Identity>& Of(
      std::string_view container_name);

 private:
  const fleet::Agent& agent_;
  std::map<std::string, std::shared_ptr<const exposition::Identity>,
           std::less<>>
      known_;
};

// Of a mirrored recording, read as the rows are asked for. `selectors` must
// outlive the rows.
std::unique_ptr<WindowRows> RecordedRows(
    fleet::Agent agent, recorder::Snapshot snapshot, Window window,
    const exposition::SelectorSet* selectors);

// Of frames: one sample for each series.
std::unique_ptr<WindowRows> FrameRows(NodeFrames node,
                                      const exposition::SelectorSet* selectors);

// Of a v1 agent's answer. Samples of one series are put together, in the order
// of their times. Without a window all samples are taken, else those inside.
std::unique_ptr<WindowRows> AnsweredRows(
    fleet::Agent agent, std::shared_ptr<const fleet::MetricsAnswer> answer,
    std::optional<Window> window, const exposition::SelectorSet* selectors);

}  // namespace fodc::api
