// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "fodc/net/compression.h"

namespace fodc::test {

// The whole of `text` as one gzip member.
inline std::string Gzip(std::string_view text) {
  std::string out;
  net::MakeCompressor(net::ContentCoding::kGzip)->Add(text, true, &out);
  return out;
}

}  // namespace fodc::test
