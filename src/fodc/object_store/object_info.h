// SPDX-License-Identifier: Apache-2.0
// What stores tell of objects.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fodc/base/clock.h"
#include "fodc/object_store/digests.h"

namespace fodc::object_store {

// What a store tells of an object. Digests that it does not tell are absent;
// none of them was checked here.
struct ObjectInfo {
  std::string key;
  std::uint64_t bytes = 0;
  std::string etag{};
  std::optional<Sha256> sha256{};  // of metadata, or the store's own checksum
  std::optional<Md5> md5{};
  std::optional<std::uint32_t> crc32c{};
  UnixTime modified{};
  std::string storage_class{};
};

// In ascending order of the keys' bytes, over all pages.
struct ListPage {
  std::vector<ObjectInfo> objects{};
  std::vector<std::string> prefixes{};
  std::string next_token{};  // empty: the last page
};

}  // namespace fodc::object_store
