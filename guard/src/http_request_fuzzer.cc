// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "http_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  fodc::guard::HttpRequest r;
  const int status = fodc::guard::ParseHttpRequest(
      {reinterpret_cast<const char*>(data), size}, &r);
  if (status == 200 && (r.path.empty() || r.path[0] != '/' ||
                        r.body_bytes > fodc::guard::kMaxRequestBodyBytes)) {
    __builtin_trap();
  }
  if (fodc::guard::HttpStatusText(status) == "Unknown") __builtin_trap();
  return 0;
}
