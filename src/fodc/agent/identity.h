// SPDX-License-Identifier: Apache-2.0
// Who the node is: what the operator said, over what the node says.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "fodc/exposition/identity.h"
#include "fodc/fleet/agent.h"

namespace fodc::agent {

// What the node's own labels may take. So much of a proxy's limit
// (fleet::CheckIdentitySize) the operator's words must leave: see Check.
inline constexpr std::size_t kMaxLearntBytes = std::size_t{16} << 10;

// Belongs to the loop's thread.
class NodeIdentity {
 public:
  using Labels = std::map<std::string, std::string>;

  // `role` (may be empty) and `labels` are the operator's and stay.
  NodeIdentity(std::string pod_name, std::string role, Labels labels);

  // What the node answered. An answer without a role does not take back one
  // that was known. Labels that no proxy would take, for there are too many,
  // are left out and told. Returns whether anything changed.
  bool Learn(std::string_view role, const Labels& labels);

  const std::string& pod_name() const { return pod_name_; }
  const std::string& role() const { return role_; }  // never empty
  const Labels& labels() const { return labels_; }
  bool is_role_known() const { return role_ != fleet::kRoleUnspecified; }

  // The labels of a source's series; the same object until something changes.
  std::shared_ptr<const exposition::Identity> For(
      std::string_view container_name);

 private:
  const std::string pod_name_;
  const std::string given_role_;
  const Labels given_labels_;
  std::string role_;
  Labels labels_;
  bool told_left_out_ = false;
  std::map<std::string, std::shared_ptr<const exposition::Identity>,
           std::less<>>
      cache_;
};

}  // namespace fodc::agent
