// SPDX-License-Identifier: Apache-2.0
#include "fodc/exposition/identity_labels.h"

#include <utility>

#include "fodc/base/strings.h"
#include "fodc/exposition/names.h"

namespace fodc::exposition {

std::map<std::string, std::string> IdentityLabels(
    std::string_view role, std::string_view pod_name,
    std::string_view container_name,
    const std::map<std::string, std::string>& node_labels) {
  std::map<std::string, std::string> out;
  const auto add = [&out](std::string name, std::string_view value) {
    if (!value.empty()) out.emplace(std::move(name), ToValidUtf8(value));
  };
  add("node_role", role);
  add("pod_name", pod_name);
  add("container_name", container_name);
  for (const auto& [key, value] : node_labels) {
    if (key.empty() || key == "pod_name" || key == "container_name") continue;
    add(NodeLabelName(key), value);
  }
  return out;
}

}  // namespace fodc::exposition
