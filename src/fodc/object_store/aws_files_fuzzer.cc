// SPDX-License-Identifier: Apache-2.0
// Shared files of AWS's tools, as somebody else left them.
#include <cstdlib>

#include "fodc/object_store/aws_files.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  using namespace fodc::object_store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto profiles = ReadAwsProfiles(text, "f");
  if (!profiles.ok()) return 0;
  for (const auto& [name, profile] : *profiles) {
    for (const auto& [key, value] : profile) {
      if (key.find('=') != key.npos || value.find('\n') != value.npos)
        std::abort();
    }
  }
  return 0;
}
