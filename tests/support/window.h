// SPDX-License-Identifier: Apache-2.0
// Windows of samples, read back through fodcctl and compared bit for bit.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/cluster.h"

namespace fodc::test {

// Samples of each series, in order: Unix milliseconds and value. The key is
// `name{a="x",...}` without identity labels (pod_name, node_role,
// container_name, node_*).
using Window =
    std::map<std::string, std::vector<std::pair<std::int64_t, double>>>;

// What fodcctl writes with --format csv. Adds a test failure for a line that
// cannot be read.
Window ReadCsv(std::string_view csv);

// The proxy's window of one pod, from the beginning of time.
Window ProxyWindow(const FodcProxy& proxy, const std::string& pod);
// What a spill directory or .fdr file holds. It may be damaged only if the last
// write of its agent may be cut.
Window RecordedWindow(const std::string& path, bool may_be_cut = false);

// Oldest and newest sample; {0, 0} for nothing.
std::pair<std::int64_t, std::int64_t> Reach(const Window& window);

// Each sample of `a` from `from` to `to` that `b` does not have with the same
// bits; the first few, for people. Empty if there is none.
std::string Missing(const Window& a, const Window& b, std::int64_t from,
                    std::int64_t to);

// Times of the samples of one series, ascending.
std::vector<std::int64_t> Times(const Window& window, const std::string& key);
// The values of the series whose key begins so.
std::vector<double> Values(const Window& window, const std::string& key_prefix);

}  // namespace fodc::test
