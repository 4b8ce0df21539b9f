// SPDX-License-Identifier: Apache-2.0
#include "fodc/object_store/key_space.h"

#include <utility>

#include "fodc/base/strings.h"

namespace fodc::object_store {

Result<std::string> KeySpace::Full(std::string_view key) const {
  std::string full = StrCat(prefix_, key);
  FODC_RETURN_IF_ERROR(CheckKey(full, rules_));
  return full;
}

std::vector<std::string> KeySpace::Good(const std::vector<std::string>& keys,
                                        Status* first) const {
  std::vector<std::string> good;
  for (const std::string& key : keys) {
    Status s = Full(key).status();
    if (s.ok()) {
      good.push_back(key);
    } else if (first->ok()) {
      *first = std::move(s);
    }
  }
  return good;
}

Status KeySpace::Strip(ListPage* page) const {
  const auto strip = [this](std::string* key) {
    if (!key->starts_with(prefix_))
      return DataLoss(StrCat(store_, ": list: ", *key, " was not asked for"));
    key->erase(0, prefix_.size());
    return OkStatus();
  };
  for (ObjectInfo& info : page->objects) FODC_RETURN_IF_ERROR(strip(&info.key));
  for (std::string& prefix : page->prefixes)
    FODC_RETURN_IF_ERROR(strip(&prefix));
  return OkStatus();
}

}  // namespace fodc::object_store
