// SPDX-License-Identifier: Apache-2.0
#include "fodc/agent/identity.h"

#include <utility>

#include "fodc/base/log.h"

namespace fodc::agent {

NodeIdentity::NodeIdentity(std::string pod_name, std::string role,
                           Labels labels)
    : pod_name_(std::move(pod_name)),
      given_role_(std::move(role)),
      given_labels_(std::move(labels)),
      role_(given_role_.empty() ? std::string(fleet::kRoleUnspecified)
                                : given_role_),
      labels_(given_labels_) {}

bool NodeIdentity::Learn(std::string_view role, const Labels& labels) {
  const bool has_role = !role.empty() && role != fleet::kRoleUnspecified;
  // A node that answers without a role is not up yet: its labels are not to be
  // trusted either once better ones were known.
  if (!has_role && is_role_known() && given_role_.empty()) return false;
  std::string new_role = given_role_;
  if (new_role.empty()) new_role = has_role ? role : fleet::kRoleUnspecified;
  Labels new_labels = given_labels_;
  std::size_t room = kMaxLearntBytes;
  std::size_t left_out = 0;
  for (const auto& [key, value] : labels) {
    if (new_labels.contains(key)) continue;
    const std::size_t bytes = fleet::EncodedLabelBytes(key, value);
    if (new_labels.size() >= fleet::kMaxIdentityLabels || bytes > room) {
      ++left_out;
      continue;
    }
    room -= bytes;
    new_labels.emplace(key, value);
  }
  if (left_out > 0 && !std::exchange(told_left_out_, true)) {
    LogWarn("the node has more labels than a proxy takes",
            {{"left_out", left_out},
             {"limit", fleet::kMaxIdentityLabels},
             {"limit_bytes", kMaxLearntBytes}});
  }
  if (new_role == role_ && new_labels == labels_) return false;
  role_ = std::move(new_role);
  labels_ = std::move(new_labels);
  cache_.clear();
  return true;
}

std::shared_ptr<const exposition::Identity> NodeIdentity::For(
    std::string_view container_name) {
  const auto it = cache_.find(container_name);
  if (it != cache_.end()) return it->second;
  auto made = std::make_shared<const exposition::Identity>(
      role_, pod_name_, container_name, labels_);
  return cache_.emplace(container_name, std::move(made)).first->second;
}

}  // namespace fodc::agent
