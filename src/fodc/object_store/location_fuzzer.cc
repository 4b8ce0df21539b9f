// SPDX-License-Identifier: Apache-2.0
// URLs and keys from anybody.
#include <cstdlib>

#include "fodc/object_store/location.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc::object_store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto location = ParseLocation(text); location.ok()) {
    // What it names is a place below which keys are good.
    const bool is_file = location->kind == StoreKind::kFile;
    if (is_file != location->bucket.empty()) std::abort();
    const std::string_view base = location->base;
    if (is_file && (base.size() < 2 || base[0] != '/')) std::abort();
    if (("/" + location->base + "/").find("/../") != std::string::npos)
      std::abort();
    if (LocationText(*location).empty()) std::abort();
  }
  if (CheckKey(text, {}).ok() && text.find('\0') != text.npos) std::abort();
  return 0;
}
