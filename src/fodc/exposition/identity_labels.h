// SPDX-License-Identifier: Apache-2.0
// The labels that say whose series it is, as they are shown with each sample,
// and which names a page can bear at all. For all who show, send or take them:
// there is no second rule.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace fodc::exposition {

// [a-zA-Z_:][a-zA-Z0-9_:]*
bool IsMetricName(std::string_view name);
// [a-zA-Z_][a-zA-Z0-9_]*, but for __name__, which is the metric's own.
bool IsLabelName(std::string_view name);
// Whether `text` is as AppendCanonicalLabels writes it: legal names, each once
// and in order, values escaped.
bool AreCanonicalLabels(std::string_view text);

// The name under which a node's label is shown: node_<key>, with `_` for every
// byte that a label name cannot have.
std::string NodeLabelName(std::string_view key);

// By name: node_role, pod_name, container_name and node_<label>, values made
// UTF-8. An empty value gives no label; node labels called pod_name or
// container_name are left out, as is one that would hide another name here.
std::map<std::string, std::string> IdentityLabels(
    std::string_view role, std::string_view pod_name,
    std::string_view container_name,
    const std::map<std::string, std::string>& node_labels);

}  // namespace fodc::exposition
