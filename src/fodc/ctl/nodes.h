// SPDX-License-Identifier: Apache-2.0
// The table of `fodcctl nodes`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fodc/base/status.h"

namespace fodc::ctl {

// One node of the proxy's /cluster. What is absent there is absent here.
struct NodeRow {
  std::string name;
  std::string pod;      // the name if there is none
  std::string address;  // of the agent
  std::string role;     // "data-hot": the role's word and label `type`
  std::string status;   // online, offline, conflict
  std::size_t targets = 0;
  std::size_t targets_up = 0;
  std::optional<double> is_scraped;   // 0 if any endpoint is down
  std::optional<double> age_seconds;  // of the newest that is known
  std::optional<double> rss_bytes;
  std::optional<double> memory_limit_bytes;
  std::optional<double> cpu_cores;
  std::optional<std::uint64_t> series;
  std::optional<std::uint64_t> samples;
  std::optional<std::uint64_t> window_bytes;
  std::optional<std::int64_t> from_unix_ms;
  std::optional<std::int64_t> to_unix_ms;
};

// Sorted by name; of one pod the row that is online comes first.
// Errors: kDataLoss if the text is not what /cluster answers.
Result<std::vector<NodeRow>> ParseCluster(std::string_view json);

// Columns padded to what they hold, one line a node, a head line; with the
// agents' addresses if a pod has several rows. Control characters in names are
// shown as `?`.
std::string RenderNodes(const std::vector<NodeRow>& rows);

}  // namespace fodc::ctl
