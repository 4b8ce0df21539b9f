// SPDX-License-Identifier: Apache-2.0
// The part of a body that a request asks for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "fodc/base/status.h"

namespace fodc::api {

// First to last byte, both included.
struct ByteRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

// What the value of a `Range` header asks
// of a body of `size` bytes. Nothing: it is to be sent whole, also where the
// header is none of ours (several ranges, another unit). kOutOfRange: no byte
// of it is there.
Result<std::optional<ByteRange>> ParseByteRange(std::string_view header,
                                                std::uint64_t size);

}  // namespace fodc::api
