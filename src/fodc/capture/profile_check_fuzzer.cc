// SPDX-License-Identifier: Apache-2.0
// Bodies of anybody: it must end, and say the same of a body however it is cut
// into pieces.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "fodc/capture/profile_check.h"

namespace {

bool IsTaken(std::string_view body, std::size_t piece_bytes, bool is_text) {
  fodc::capture::ProfileCheck check(is_text);
  while (!body.empty()) {
    const std::string_view piece = body.substr(0, piece_bytes);
    if (!check.Add(piece).ok()) return false;
    body.remove_prefix(piece.size());
  }
  (void)check.Cut();
  return check.End().ok();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const bool is_text : {false, true}) {
    const bool whole = IsTaken(body, body.size(), is_text);
    if (IsTaken(body, 1, is_text) != whole) std::abort();
    if (IsTaken(body, 7, is_text) != whole) std::abort();
  }
  return 0;
}
