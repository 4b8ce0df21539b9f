// SPDX-License-Identifier: Apache-2.0
// Answers of a GCS server that is not trusted.
#include <cstdlib>

#include "fodc/object_store/gcs_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc::object_store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto page = ReadGcsList(text); page.ok()) {
    for (const ObjectInfo& info : page->objects) {
      if (info.key.empty()) std::abort();
    }
  }
  (void)ReadGcsError(text);
  (void)ReadGcsObject(text);
  (void)ReadGcsRewrite(text);
  if (const auto crc = Crc32cInHash(text);
      crc && Crc32cInHash("crc32c=" + Crc32cText(*crc)) != crc) {
    std::abort();
  }
  return 0;
}
