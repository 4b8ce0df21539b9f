// SPDX-License-Identifier: Apache-2.0
#include "fodc/base/kept_text.h"

#include <cstdio>

#include "fodc/base/crc32c.h"
#include "fodc/base/strings.h"

namespace fodc {
namespace {

constexpr std::string_view kChecksum = "crc32c ";

std::string ChecksumOf(std::string_view text) {
  char hex[9];
  (void)std::snprintf(hex, sizeof hex, "%08x", Crc32c(text));
  return hex;
}

}  // namespace

std::string SealText(std::string_view head, std::string_view lines) {
  std::string out = StrCat(head, lines);
  const std::string checksum = ChecksumOf(out);
  return StrCat(out, kChecksum, checksum, '\n');
}

Result<std::string_view> UnsealText(std::string_view head,
                                    std::string_view text) {
  if (!text.starts_with(head)) {
    return DataLoss(StrCat("it does not begin with \"", Trim(head), "\""));
  }
  const std::size_t end = text.rfind(kChecksum);
  if (end == std::string_view::npos || end < head.size() ||
      text[end - 1] != '\n' ||
      text.substr(end + kChecksum.size()) !=
          StrCat(ChecksumOf(text.substr(0, end)), '\n')) {
    return DataLoss("its checksum is wrong");
  }
  return text.substr(head.size(), end - head.size());
}

}  // namespace fodc
