// SPDX-License-Identifier: Apache-2.0
// The labels that say whose series it is, as v1 sends them with each sample.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace fodc::exposition {

// By name: node_role, pod_name, container_name and node_<label>, values made
// UTF-8. An empty value gives no label; node labels called pod_name or
// container_name are left out, as is one that would hide another name here.
std::map<std::string, std::string> IdentityLabels(
    std::string_view role, std::string_view pod_name,
    std::string_view container_name,
    const std::map<std::string, std::string>& node_labels);

}  // namespace fodc::exposition
