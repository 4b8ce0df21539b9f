// SPDX-License-Identifier: Apache-2.0
// Names of metrics and labels: what is legal, and what is made of the rest.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace fodc::exposition {

// [a-zA-Z_:][a-zA-Z0-9_:]*
bool IsMetricName(std::string_view text);
// [a-zA-Z_][a-zA-Z0-9_]*, and not __name__, which stands for the metric's.
bool IsLabelName(std::string_view text);

// Legal text stays as it is; otherwise `_` stands for each byte that is not
// legal, and before a leading digit. Empty text is `_`, __name__ `exported_` +
// itself. Different texts may give one name.
std::string ToMetricName(std::string_view text);
std::string ToLabelName(std::string_view text);

// The name under which a node's label is shown: node_<key>, `_` for each byte
// that is not legal.
std::string NodeLabelName(std::string_view key);

// `name` with "exported_" before it, as often as it takes until it is free.
std::string ExportedName(std::string_view name,
                         const std::function<bool(std::string_view)>& is_taken);

}  // namespace fodc::exposition
