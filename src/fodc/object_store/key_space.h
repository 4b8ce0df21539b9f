// SPDX-License-Identifier: Apache-2.0
// The keys of a destination among those of its bucket: all begin with its base.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/base/status.h"
#include "fodc/object_store/location.h"
#include "fodc/object_store/object_info.h"

namespace fodc::object_store {

class KeySpace {
 public:
  // `base`: of Location. `store` is for errors.
  KeySpace(std::string store, const std::string& base, KeyRules rules = {})
      : store_(std::move(store)),
        prefix_(base.empty() ? "" : base + "/"),
        rules_(rules) {}

  // Before each key: "base/", or nothing.
  const std::string& prefix() const { return prefix_; }
  // Errors: kInvalidArgument for a key that the store does not take.
  Result<std::string> Full(std::string_view key) const;
  // Those that the store takes; `first`: the failure of the first other one.
  std::vector<std::string> Good(const std::vector<std::string>& keys,
                                Status* first) const;
  // Takes the prefix off all that a listing tells.
  // Errors: kDataLoss if something is not beneath it.
  Status Strip(ListPage* page) const;

 private:
  const std::string store_;
  const std::string prefix_;
  const KeyRules rules_;
};

}  // namespace fodc::object_store
