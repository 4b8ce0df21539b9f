// SPDX-License-Identifier: Apache-2.0
// Request targets from anybody.
#include <cstdlib>

#include "fodc/net/url.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc::net;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto target = SplitTarget(text); target.ok()) {
    const std::string clean = CleanPath(target->path);
    // Clean paths stay as they are and are still paths.
    if (clean.empty() || clean[0] != '/' || CleanPath(clean) != clean) {
      std::abort();
    }
    (void)PercentDecode(target->path);
    if (const auto q = Query::Parse(target->query); q.ok()) {
      for (const auto& [name, value] : q->all()) {
        if (!q->Get(name).has_value()) std::abort();
      }
    }
  }
  if (const auto back = PercentDecode(PercentEncode(text), true);
      !back.ok() || *back != text) {
    std::abort();
  }
  return 0;
}
