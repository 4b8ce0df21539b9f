// SPDX-License-Identifier: Apache-2.0
// What Google Cloud Storage answers: JSON, and errors in XML where it is asked
// by the XML API.
#pragma once

#include <string>
#include <string_view>

#include "fodc/base/status.h"
#include "fodc/object_store/object_info.h"

namespace fodc::object_store {

struct GcsError {
  std::string code{};  // "rateLimitExceeded", "NoSuchKey"
  std::string message{};
};

// Empty where there is none.
GcsError ReadGcsError(std::string_view body);
// A page of objects. Errors: kDataLoss for what is no such page.
Result<ListPage> ReadGcsList(std::string_view body);
// Of one object. Errors: likewise.
Result<ObjectInfo> ReadGcsObject(std::string_view body);
// Of a rewrite: the token with which it goes on; empty: it is done.
// Errors: likewise.
Result<std::string> ReadGcsRewrite(std::string_view body);
// "crc32c=AAAAAA==,md5=…": what it says of CRC-32C.
std::optional<std::uint32_t> Crc32cInHash(std::string_view header);
// As the service has it: big-endian, in Base64.
std::string Crc32cText(std::uint32_t crc);

}  // namespace fodc::object_store
