// SPDX-License-Identifier: Apache-2.0
// Answers of an Azure server that is not trusted, and connection strings.
#include <cstdlib>

#include "fodc/object_store/azure_xml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc::object_store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto page = ReadAzureList(text); page.ok()) {
    for (const ObjectInfo& info : page->objects) {
      if (info.key.empty()) std::abort();
    }
  }
  (void)ReadAzureError(text);
  return 0;
}
