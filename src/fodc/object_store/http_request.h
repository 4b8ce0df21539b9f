// SPDX-License-Identifier: Apache-2.0
// One request to a store, before it is signed and after.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fodc/object_store/blob.h"

namespace fodc::object_store {

// Names as they are sent; several of one name stay apart.
using HttpHeaders = std::vector<std::pair<std::string, std::string>>;
// Before encoding, in any order.
using HttpQuery = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  std::string origin{};    // "https://host:port", without a path
  std::string path = "/";  // encoded
  HttpQuery query{};
  HttpHeaders headers{};
  // What is sent: `body_bytes` of the blob from `body_offset`. Null: nothing.
  const Blob* body = nullptr;
  std::uint64_t body_offset = 0;
  std::uint64_t body_bytes = 0;
};

// "host:port" of an origin, as the header Host has it: without the port that is
// the scheme's own.
std::string HostOf(std::string_view origin);
// Each part of a key encoded as AWS does: all but letters, digits, "-", ".",
// "_", "~", and the slashes between the parts.
std::string EncodeKey(std::string_view key);
// "?a=1&b" encoded, by name and then by value, as signatures want it; empty
// without parameters.
std::string EncodeQuery(const HttpQuery& query);

}  // namespace fodc::object_store
