// SPDX-License-Identifier: Apache-2.0
// Answers of an S3 server that is not trusted.
#include <cstdlib>

#include "fodc/object_store/base64.h"
#include "fodc/object_store/s3_xml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc::object_store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto page = ReadS3List(text); page.ok()) {
    for (const ObjectInfo& info : page->objects) {
      if (info.key.empty()) std::abort();
    }
  }
  (void)ReadS3Error(text);
  (void)ReadUploadId(text);
  (void)ReadS3DeleteErrors(text);
  if (const auto bytes = ParseBase64(text);
      bytes && Base64(*bytes).size() > text.size()) {
    std::abort();
  }
  if (ParseBase64(Base64(text)) != text) std::abort();
  return 0;
}
