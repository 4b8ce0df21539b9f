// SPDX-License-Identifier: Apache-2.0
#include "fodc/api/byte_range.h"

#include <algorithm>

#include "fodc/base/strings.h"

namespace fodc::api {

Result<std::optional<ByteRange>> ParseByteRange(std::string_view header,
                                                std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!header.starts_with(kUnit)) return std::optional<ByteRange>();
  header.remove_prefix(kUnit.size());
  const std::size_t dash = header.find('-');
  if (dash == header.npos) return std::optional<ByteRange>();
  const std::string_view from = header.substr(0, dash);
  const std::string_view to = header.substr(dash + 1);
  const auto first = ParseUint(from);
  const auto last = ParseUint(to);
  if ((!from.empty() && !first) || (!to.empty() && !last) ||
      (!first && !last)) {
    return std::optional<ByteRange>();
  }
  if (!first) {  // the last so many
    if (*last == 0 || size == 0) return OutOfRange("no byte of it is there");
    return std::optional(ByteRange{size - std::min(*last, size), size - 1});
  }
  if (last && *last < *first) return std::optional<ByteRange>();
  if (*first >= size) return OutOfRange("no byte of it is there");
  return std::optional(
      ByteRange{*first, last ? std::min(*last, size - 1) : size - 1});
}

}  // namespace fodc::api
